import { randomFillSync } from "node:crypto";
import type { Random } from "../base/index.ts";

/** Words taken from the kernel's generator at a time: a system call per word would dominate. */
const BLOCK_WORDS = 4_096;

/** Dice for tags, branches and keys: unpredictable. Each word is wiped once it is given out. */
export class KernelRandom implements Random {
  readonly #words = new Uint32Array(BLOCK_WORDS);
  #next = BLOCK_WORDS;

  uint32(): number {
    if (this.#next === BLOCK_WORDS) {
      randomFillSync(this.#words);
      this.#next = 0;
    }
    const word = this.#words[this.#next] as number;
    this.#words[this.#next++] = 0;
    return word;
  }
}
