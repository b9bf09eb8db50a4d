/**
 * One side of a call from its INVITE to its end. RFC 3261 §12 to §15; the crossings are those of RFC 5407.
 * `end` is the wish of the call that this side be over: how, depends on how far it came.
 */
export type LegState =
  | "invited" // They called us: no final answer yet.
  | "answering" // Our 2xx is held until a PRACK comes (RFC 3262 §3).
  | "answered" // We sent 2xx: no ACK yet.
  | "parting" // As answered, but the call is over: BYE must wait for the ACK (RFC 3261 §15).
  | "inviting" // We called them: no final answer yet.
  | "cancelling" // We gave up: the final answer is still to come.
  | "up"
  | "leaving" // Our BYE waits for its answer.
  | "gone";

export type LegEvent =
  | "hold"
  | "answer"
  | "refusal"
  | "ACK"
  | "no ACK"
  | "2xx"
  | "3xx-6xx"
  | "failed"
  | "end"
  | "BYE"
  | "BYE done";

export type LegEffect = "refuse" | "send CANCEL" | "send ACK" | "send BYE" | "close";

export type LegRule = readonly [next: LegState, ...effects: LegEffect[]];

/** An event without a rule is absorbed: it is late or stray. */
export const legFigure: Record<LegState, Partial<Record<LegEvent, LegRule>>> = {
  // biome-ignore format: a figure is read as a table.
  invited: {
    "hold":    ["answering"],
    "answer":  ["answered"],
    "refusal": ["gone", "close"],
    "BYE":     ["gone", "refuse", "close"], // A caller may end an early dialog: its INVITE gets 487 (RFC 3261 §15.1.2).
    "end":     ["gone", "refuse", "close"],
    "failed":  ["gone", "refuse", "close"],
  },
  // biome-ignore format: a figure is read as a table.
  answering: {
    "answer":  ["answered"],
    "BYE":     ["gone", "refuse", "close"],
    "end":     ["gone", "refuse", "close"],
    "failed":  ["gone", "refuse", "close"],
  },
  // biome-ignore format: a figure is read as a table.
  answered: {
    "ACK":     ["up"],
    "no ACK":  ["leaving", "send BYE"],
    "BYE":     ["gone", "close"],
    "end":     ["parting"],
    "failed":  ["gone", "close"],
  },
  // biome-ignore format: a figure is read as a table.
  parting: {
    "ACK":     ["leaving", "send BYE"],
    "no ACK":  ["leaving", "send BYE"],
    "BYE":     ["gone", "close"],
    "failed":  ["gone", "close"],
  },
  // biome-ignore format: a figure is read as a table.
  inviting: {
    "2xx":     ["up"],
    "3xx-6xx": ["gone", "close"],
    "failed":  ["gone", "close"],
    "end":     ["cancelling", "send CANCEL"],
  },
  // biome-ignore format: a figure is read as a table.
  cancelling: {
    "2xx":     ["leaving", "send ACK", "send BYE"], // The answer overtook the CANCEL (RFC 5407 §3.1.2).
    "3xx-6xx": ["gone", "close"],
    "failed":  ["gone", "close"],
  },
  // biome-ignore format: a figure is read as a table.
  up: {
    "BYE":     ["gone", "close"],
    "end":     ["leaving", "send BYE"],
    "failed":  ["leaving", "send BYE"],
  },
  // biome-ignore format: a figure is read as a table.
  leaving: {
    "BYE":      ["leaving"], // BYE crossed BYE: both get 200 (RFC 5407 §3.2.1).
    "BYE done": ["gone", "close"],
  },
  gone: {},
};
