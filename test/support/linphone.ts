/** linphonec, headless: its commands come by standard input, and it plays a tone from a file. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
}

const TONE_SECONDS = 120;

/** Answers by itself. */
export class Linphone {
  readonly child: Child;

  constructor(options: LinphoneOptions) {
    const home = join(options.folder, options.name);
    for (const needed of [".local/share/linphone", ".config/linphone"])
      mkdirSync(join(home, needed), { recursive: true });
    const tone = join(home, "tone.wav");
    writeTone(tone, options.hertz, TONE_SECONDS);
    const settings = join(home, "rc");
    writeFileSync(settings, settingsOf(options));
    this.child = new Child("linphonec", ["-a", "-c", settings], {
      netns: options.netns,
      env: { HOME: home },
    });
    this.command("soundcard use files");
    this.command(`play ${tone}`);
  }

  /** Up and waiting for calls. */
  ready(): Promise<string> {
    return this.child.line(/linphonec>|Ready/);
  }

  /** `pause`, `resume`, `call URI`, `transfer ID URI`, `transfer ID to-call ID`, `terminate` … */
  command(text: string): void {
    this.child.type(`${text}\n`);
  }
}

const settingsOf = ({ name, ip, port, rtpPort }: LinphoneOptions): string => `[sip]
sip_port=${port}
sip_tcp_port=0
sip_tls_port=0
media_encryption=none
use_ipv6=0
guess_hostname=1
contact="${name}" <sip:${name}@${ip}:${port}>
default_proxy=-1
bind_address=${ip}
[rtp]
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
`;
