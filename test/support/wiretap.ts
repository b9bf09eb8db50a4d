/** The payloads of datagrams as they come by, for tests that must know while it goes on. */
import { Child } from "./child.ts";
import { secondsOfTone } from "./tone.ts";

export class Wiretap {
  readonly child: Child;
  readonly #packets: Buffer[] = [];
  /** Looked at so far. */
  #lines = 0;
  /** By tone: how long it sounded in so many packets. */
  readonly #heard = new Map<number, { packets: number; seconds: number }>();

  /** `filter`: as tcpdump has them. On the interface `eth0` of the namespace. */
  static async start(netns: string, filter: string): Promise<Wiretap> {
    const fields = ["-T", "fields", "-e", "udp.payload"];
    const child = new Child("tshark", ["-l", "-i", "eth0", "-f", filter, ...fields], { netns });
    await child.line(/Capture started/);
    return new Wiretap(child);
  }

  private constructor(child: Child) {
    this.child = child;
  }

  /** For how long so far hardly anything but this tone has sounded. Looks at each packet once. */
  secondsOf(hertz: number): number {
    this.#take();
    const heard = this.#heard.get(hertz) ?? { packets: 0, seconds: 0 };
    const whole = this.#packets.length - (this.#packets.length % WINDOW_PACKETS);
    heard.seconds += secondsOfTone(this.#packets.slice(heard.packets, whole), hertz);
    heard.packets = whole;
    this.#heard.set(hertz, heard);
    return heard.seconds;
  }

  /** Only G.711 of 20 ms, without the extensions of their RTP headers. */
  #take(): void {
    const { lines } = this.child;
    for (; this.#lines < lines.length; this.#lines++) {
      const packet = soundOf(lines[this.#lines] as string);
      if (packet !== undefined) this.#packets.push(packet);
    }
  }
}

const HEADER_BYTES = 12;
const SOUND_BYTES = 160;
/** Tones are looked for in a tenth of a second at a time. */
const WINDOW_PACKETS = 5;

/** RFC 3550 §5.1, §5.3.1. */
function soundOf(line: string): Buffer | undefined {
  if (line.length < 2 * (HEADER_BYTES + SOUND_BYTES) || !/^[89][0-9a-f]+$/.test(line)) return undefined;
  const packet = Buffer.from(line, "hex");
  const extended = ((packet[0] as number) & 0x10) !== 0;
  const start = extended ? HEADER_BYTES + 4 + 4 * packet.readUInt16BE(HEADER_BYTES + 2) : HEADER_BYTES;
  if (packet.length !== start + SOUND_BYTES) return undefined;
  return extended ? Buffer.concat([packet.subarray(0, HEADER_BYTES), packet.subarray(start)]) : packet;
}
