/** linphonec, headless: its commands come by standard input, and it plays a tone from a file. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Account } from "./baresip.ts";
import { Child } from "./child.ts";
import { writeTone } from "./tone.ts";

export interface LinphoneOptions {
  readonly folder: string;
  readonly name: string;
  readonly ip: string;
  readonly port: number;
  /** What it plays. */
  readonly hertz: number;
  readonly rtpPort: number;
  readonly netns: string;
  /** It registers. */
  readonly account?: Account;
  /** With it, it records what it hears, and logs all it does. Default: none. */
  readonly encryption?: "none" | "srtp" | "dtls" | "zrtp";
}

const TONE_SECONDS = 120;

/** Answers by itself. */
export class Linphone {
  readonly child: Child;
  readonly #tone: string;
  /** What it hears, at 48 kHz. */
  readonly recording: string;
  /** What it says of itself, in great detail. */
  readonly log: string;

  constructor(options: LinphoneOptions) {
    const home = join(options.folder, options.name);
    for (const needed of [".local/share/linphone", ".config/linphone"])
      mkdirSync(join(home, needed), { recursive: true });
    const tone = join(home, "tone.wav");
    this.#tone = tone;
    writeTone(tone, options.hertz, TONE_SECONDS);
    const settings = join(home, "rc");
    writeFileSync(settings, settingsOf(options));
    this.recording = join(home, "heard.wav");
    this.log = join(home, "log");
    this.child = new Child(
      "linphonec",
      ["-a", ...(options.encryption === undefined ? [] : ["-d", "6", "-l", this.log]), "-c", settings],
      {
        netns: options.netns,
        env: { HOME: home },
      },
    );
    this.command("soundcard use files");
    if (options.encryption !== undefined) this.command(`record ${this.recording}`);
    this.command(`play ${tone}`);
  }

  /** Up and waiting for calls. */
  ready(): Promise<string> {
    return this.child.line(/linphonec>|Ready/);
  }

  /**
   * Calls, and plays its tone when the call is up: what it played before then was for itself. A phone that has not heard
   * yet that its last call is over refuses, and is asked again.
   */
  async call(uri: string): Promise<void> {
    const count = (words: string): number => this.child.lines.filter((line) => line.includes(words)).length;
    const [up, busy] = ["Media streams established", "Terminate or hold on the current call first"];
    const before = count(up);
    const deadline = performance.now() + 20_000;
    for (let refused = -1; count(up) === before && performance.now() < deadline; ) {
      if (count(busy) > refused) {
        refused = count(busy);
        this.command(`call ${uri}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    this.command(`play ${this.#tone}`);
  }

  /** `pause`, `resume`, `call URI`, `transfer ID URI`, `transfer ID to-call ID`, `terminate` … */
  command(text: string): void {
    this.child.type(`${text}\n`);
  }
}

const settingsOf = ({ name, ip, port, rtpPort, account, encryption = "none" }: LinphoneOptions): string => `[sip]
sip_port=${port}
sip_tcp_port=0
sip_tls_port=0
media_encryption=${encryption}
use_ipv6=0
guess_hostname=1
contact="${name}" <sip:${name}@${ip}:${port}>
default_proxy=${account === undefined ? -1 : 0}
bind_address=${ip}
${account === undefined ? "" : "keepalive_period=3600000\n"}[rtp]
audio_rtp_port=${rtpPort}
[net]
nat_policy_ref=
[sound]
echocancellation=0
[audio_codec_0]
mime=PCMU
rate=8000
enabled=1
[video]
enabled=0
capture=0
display=0
${account === undefined ? "" : accountOf(name, account)}`;

/** Its own keepalive is put off: the box has to hold its NAT open. */
const accountOf = (name: string, { domain, password, proxy, seconds }: Account): string => `[proxy_0]
reg_proxy=<sip:${proxy};transport=udp>
reg_route=<sip:${proxy};transport=udp;lr>
reg_identity="${name}" <sip:${name}@${domain}>
reg_expires=${seconds}
reg_sendregister=1
publish=0
[auth_info_0]
username=${name}
passwd=${password}
realm=${domain}
domain=${domain}
`;
