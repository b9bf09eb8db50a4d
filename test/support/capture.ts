/** What crosses an interface, as tshark sees it: captured to a file, then asked for by display filter and fields. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Child, run } from "./child.ts";

/** Longer than the kernel holds a block back. */
const BLOCK_LIMIT_MS = 700;

export interface Datagram {
  readonly source: string;
  readonly sourcePort: number;
  readonly port: number;
  readonly dscp: number;
  readonly payload: Buffer;
}

export class Capture {
  readonly #child: Child;
  #datagrams: readonly Datagram[] | undefined;
  readonly file: string;

  private constructor(child: Child, file: string) {
    this.#child = child;
    this.file = file;
  }

  static async start(folder: string, netns: string, networkInterface: string): Promise<Capture> {
    const file = join(folder, `${networkInterface}.pcapng`);
    const child = new Child("dumpcap", ["-q", "-i", networkInterface, "-s", "0", "-B", "64", "-w", file], { netns });
    await child.line(/File:/);
    return new Capture(child, file);
  }

  async stop(): Promise<void> {
    await this.#quiet();
    await this.#child.stop("SIGINT");
  }

  /** The kernel hands packets over in blocks: what came last is in the file once that has stopped growing. */
  async #quiet(): Promise<void> {
    for (let size = -1, now = statSync(this.file).size; now !== size; now = statSync(this.file).size) {
      size = now;
      await setTimeout(BLOCK_LIMIT_MS);
    }
  }

  /** Every UDP datagram, in order; those that an ICMP error quotes are left out. Asked of tshark once. */
  datagrams(): readonly Datagram[] {
    this.#datagrams ??= this.rows(
      "udp && !icmp && !icmpv6",
      ["ip.src", "ipv6.src", "udp.srcport", "udp.dstport", "ip.dsfield.dscp", "ipv6.tclass.dscp", "udp.payload"],
      ["--disable-protocol", "sip", "--disable-protocol", "rtp"],
    ).map(([v4 = "", v6 = "", from, to, mark4, mark6, payload = ""]) => ({
      ...{ source: v4 || v6, sourcePort: Number(from), port: Number(to), dscp: Number(mark4 || mark6) },
      payload: Buffer.from(payload.replaceAll(":", ""), "hex"),
    }));
    return this.#datagrams;
  }

  /** One row a packet, one string a field. */
  rows(filter: string, fields: readonly string[], options: readonly string[] = []): string[][] {
    const wanted = fields.flatMap((field) => ["-e", field]);
    const text = run("tshark", [
      "-r",
      this.file,
      ...options,
      "-Y",
      filter,
      "-T",
      "fields",
      "-E",
      "separator=\t",
      ...wanted,
    ]);
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split("\t"));
  }
}
