/** What crosses an interface, as tshark sees it: captured to a file, then asked for by display filter and fields. */
import { join } from "node:path";
import { Child, run } from "./child.ts";

export class Capture {
  readonly #child: Child;
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
    await this.#child.stop("SIGINT");
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
