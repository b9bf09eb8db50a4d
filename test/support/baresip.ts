/** baresip, headless: plays a tone, records what it hears, calls and answers by command line. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child } from "./child.ts";
import { writeTone } from "./tone.ts";

export interface Account {
  readonly domain: string;
  readonly password: string;
  /** `192.0.2.1:5060`. */
  readonly proxy: string;
  readonly seconds: number;
}

export interface SoftphoneOptions {
  readonly folder: string;
  readonly name: string;
  readonly ip: string;
  /** SIP port; its TLS listener is the next one. */
  readonly port: number;
  readonly transport: "udp" | "tcp" | "tls";
  readonly encryption: "none" | "srtp" | "srtp-mand" | "dtls_srtp";
  /** Whether it does ICE. Default: not. */
  readonly ice?: boolean;
  /** Whether it puts RTCP on its RTP port. Default: not. */
  readonly rtcpMux?: boolean;
  /** What it plays. */
  readonly hertz: number;
  readonly firstRtpPort: number;
  /** Path of a CA file that its TLS peers must be signed by. */
  readonly ca: string;
  /** Path of its own certificate and key in one PEM file. */
  readonly certificate: string;
  /** Dialled at once; absent: it waits, and answers by itself. */
  readonly dial?: string;
  /** False: it rings, and does not answer. */
  readonly answers?: boolean;
  /** Ends by itself after so long. */
  readonly seconds: number;
  /** Of its tone, which it reads whole for each call, doing nothing else meanwhile; absent: for as long as it lives. */
  readonly toneSeconds?: number;
  readonly netns?: string;
  /** It registers: as `user@domain`, by way of `proxy`, and comes again after so many seconds. */
  readonly account?: Account;
  /** Takes commands on this TCP port of its address. */
  readonly console?: number;
}

export class Softphone {
  readonly child: Child;
  readonly #folder: string;
  readonly #options: SoftphoneOptions;

  constructor(options: SoftphoneOptions) {
    this.#options = options;
    this.#folder = join(options.folder, options.name);
    mkdirSync(this.#folder, { recursive: true });
    const tone = join(this.#folder, "tone.wav");
    writeTone(tone, options.hertz, options.toneSeconds ?? options.seconds + 5);
    writeFileSync(join(this.#folder, "config"), configOf(options, this.#folder, tone));
    writeFileSync(join(this.#folder, "contacts"), "");
    writeFileSync(join(this.#folder, "accounts"), accountOf(options));
    const dial = options.dial === undefined ? [] : ["-e", `/dial ${options.dial}`];
    const family = options.ip.includes(":") ? "-6" : "-4";
    this.child = new Child(
      "baresip",
      [family, "-s", "-f", this.#folder, "-t", String(options.seconds), ...dial],
      options.netns === undefined ? {} : { netns: options.netns },
    );
  }

  /** Up and waiting for calls. */
  ready(): Promise<string> {
    return this.child.line(/baresip is ready/);
  }

  /**
   * A command of its menu; it needs a `console`. Done once it was taken. Nothing of ours may stand still meanwhile: it writes
   * what it does to us, and waits until that is read.
   */
  async command(command: string, params = ""): Promise<void> {
    const { ip, console: port, netns } = this.#options;
    const json = JSON.stringify({ command, params });
    // A netstring; the first byte of the answer says that it was read.
    const script = 'exec 3<>"/dev/tcp/$1/$2"; printf "%d:%s," "$3" "$0" >&3; read -r -n 1 -t 30 <&3';
    const args = ["-c", script, json, ip, String(port), String(json.length)];
    const child = new Child("bash", args, netns === undefined ? {} : { netns });
    if ((await child.exited) !== 0)
      throw new Error(
        `${this.#options.name} takes no ${command}; its last words:\n${this.child.lines.slice(-25).join("\n")}`,
      );
  }

  /** The recording of what it heard; `undefined` when there is none. */
  get recording(): string | undefined {
    return this.recordings[0];
  }

  /** One each time that its stream began anew, as after a hold. */
  get recordings(): string[] {
    const names = readdirSync(this.#folder).filter((file) => /dec.*\.wav$/.test(file));
    return names.map((name) => join(this.#folder, name));
  }
}

function accountOf({ name, ip, port, transport, encryption, ice, dial, answers, account }: SoftphoneOptions): string {
  const host = ip.includes(":") ? `[${ip}]` : ip;
  const here = `${host}:${transport === "tls" ? port + 1 : port}`;
  const words = [
    `<sip:${name}@${account?.domain ?? here};transport=${transport}>`,
    ...(account === undefined ? ["regint=0"] : registering(name, account, transport)),
    "audio_codecs=PCMU/8000/1",
    ...(encryption === "none" ? [] : [`mediaenc=${encryption}`]),
    ...(ice ? ["medianat=ice"] : []),
    ...(dial === undefined && answers !== false ? ["answermode=auto"] : []),
  ];
  return `${words.join(";")}\n`;
}

const registering = (name: string, { password, proxy, seconds }: Account, transport: string): string[] => [
  `auth_user=${name}`,
  `auth_pass=${password}`,
  `outbound="sip:${proxy};transport=${transport}"`,
  `regint=${seconds}`,
];

function configOf(options: SoftphoneOptions, folder: string, tone: string): string {
  const { ip, port, ca, certificate, firstRtpPort } = options;
  const host = ip.includes(":") ? `[${ip}]` : ip;
  return `${[
    "poll_method epoll",
    "call_local_timeout 30",
    "call_max_calls 4",
    `sip_listen ${host}:${port}`,
    `net_interface ${ip}`,
    "audio_player aufile,/dev/null",
    `audio_source aufile,${tone}`,
    "audio_alert aufile,/dev/null",
    "ausrc_srate 8000",
    "auplay_srate 8000",
    "ausrc_channels 1",
    "auplay_channels 1",
    "audio_level no",
    `rtp_ports ${firstRtpPort}-${firstRtpPort + 99}`,
    `rtcp_mux ${options.rtcpMux ? "yes" : "no"}`,
    "dtls_srtp_use_ec prime256v1",
    "jitter_buffer_delay 5-10",
    "rtp_stats yes",
    "rtp_timeout 30",
    `sip_cafile ${ca}`,
    `sip_certificate ${certificate}`,
    `snd_path ${folder}`,
    "module_path /usr/lib/baresip/modules",
    ...["g711", "aufile", "sndfile", "srtp", "dtls_srtp", "ice", "uuid"].map((name) => `module ${name}.so`),
    ...["account", "menu", "debug_cmd"].map((name) => `module_app ${name}.so`),
    ...(options.console === undefined ? [] : ["module_app ctrl_tcp.so", `ctrl_tcp_listen ${host}:${options.console}`]),
  ].join("\n")}\n`;
}
