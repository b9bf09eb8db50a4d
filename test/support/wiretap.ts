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

  /** Only G.711 of 20 ms: RTP headers without extensions. */
  get packets(): readonly Buffer[] {
    return this.child.lines.filter((line) => line.length === 2 * 172).map((line) => Buffer.from(line, "hex"));
  }
}
