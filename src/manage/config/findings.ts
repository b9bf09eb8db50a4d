import type { ConfigDocument } from "./document.ts";
import type { Fault, Path } from "./fault.ts";

/** Collects what is wrong (faults: the file is refused) and what is odd (warnings: it is taken). */
export class Findings {
  readonly faults: Fault[] = [];
  readonly warnings: Fault[] = [];
  readonly #document: ConfigDocument;

  constructor(document: ConfigDocument) {
    this.#document = document;
  }

  fault(path: Path, problem: string, remedy: string): void {
    this.faults.push(this.#document.fault(path, problem, remedy));
  }

  /** The fault stands at the name of the member, not at its value. */
  faultAtName(path: Path, problem: string, remedy: string): void {
    this.faults.push(this.#document.faultAtName(path, problem, remedy));
  }

  warning(path: Path, problem: string, remedy: string): void {
    this.warnings.push(this.#document.fault(path, problem, remedy));
  }
}
