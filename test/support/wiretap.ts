/** The payloads of datagrams as they come by, for tests that must know while it goes on. */
import { Child } from "./child.ts";

export class Wiretap {
  readonly child: Child;

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

  /** Only G.711 of 20 ms, without the extensions of their RTP headers. */
  get packets(): readonly Buffer[] {
    return this.child.lines.map(soundOf).filter((packet) => packet !== undefined);
  }
}

const HEADER_BYTES = 12;
const SOUND_BYTES = 160;

/** RFC 3550 §5.1, §5.3.1. */
function soundOf(line: string): Buffer | undefined {
  if (line.length < 2 * (HEADER_BYTES + SOUND_BYTES) || !/^[89][0-9a-f]+$/.test(line)) return undefined;
  const packet = Buffer.from(line, "hex");
  const extended = ((packet[0] as number) & 0x10) !== 0;
  const start = extended ? HEADER_BYTES + 4 + 4 * packet.readUInt16BE(HEADER_BYTES + 2) : HEADER_BYTES;
  if (packet.length !== start + SOUND_BYTES) return undefined;
  return extended ? Buffer.concat([packet.subarray(0, HEADER_BYTES), packet.subarray(start)]) : packet;
}
