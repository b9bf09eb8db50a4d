/**
 * REFERs that cross: the id of the subscription that one makes is its CSeq (RFC 3515 §2.4.6), which differs from leg to leg.
 */
import type { Dialog } from "../leg/index.ts";

/** Limit: REFERs of one call whose numbers are known; the oldest is forgotten, and its id no longer crosses. */
const REFER_LIMIT = 16;

interface Row {
  readonly ends: readonly [Dialog, Dialog];
  readonly numbers: readonly [number, number];
}

export class ReferNumbers {
  #rows: readonly Row[] = [];

  /** It came in `from` and went on in `to`; under another number once more, if it had to. */
  passed(from: Dialog, came: number, to: Dialog, went: number): void {
    const others = this.#rows.filter(({ ends, numbers }) => ends[0] !== from || numbers[0] !== came);
    this.#rows = [...others, { ends: [from, to] as const, numbers: [came, went] as const }].slice(-REFER_LIMIT);
  }

  /** What is called so in this dialog, as the other one calls it; `undefined`: nobody knows. */
  across(dialog: Dialog, number: number): number | undefined {
    for (const { ends, numbers } of this.#rows) {
      if (ends[0] === dialog && numbers[0] === number) return numbers[1];
      if (ends[1] === dialog && numbers[1] === number) return numbers[0];
    }
    return undefined;
  }
}

/** The value of an Event that came in `dialog`, for the other leg. An id that nobody knows stays behind. */
export function numbered(numbers: ReferNumbers | undefined, dialog: Dialog, value: string): string {
  const id = /^refer *;/i.test(value) ? /; *id *= *(\d{1,10})/i.exec(value)?.[1] : undefined;
  if (id === undefined) return /^refer *;/i.test(value) ? "refer" : value;
  const other = numbers?.across(dialog, Number(id));
  return other === undefined ? "refer" : `refer;id=${other}`;
}
