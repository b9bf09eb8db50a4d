/**
 * Two legs as one call. Each leg ends by its own figure (leg-state.ts: CANCEL, refusal, BYE after ACK, crossing BYEs);
 * this one says what the end of one means to the other, so that every race has one outcome, once.
 */
export type JointState =
  | "setup" // The caller waits; the callee is looked for, or rings.
  | "answered" // The callee answered; the caller has its 200, we wait for the ACK.
  | "up"
  | "over"; // Both legs were told. What comes late is absorbed.

export type JointEvent =
  | "callee progress"
  | "callee answer"
  | "callee retry" // 408, 503, silence or no connection: another target may do.
  | "callee refusal"
  | "no way" // Nobody (left) to ask, or nothing to ask with.
  | "ring limit"
  | "caller cancel"
  | "caller BYE"
  | "caller lost"
  | "caller ACK"
  | "caller no ACK"
  | "bad answer" // A 2xx, or the ACK to it, without media that both sides can use.
  | "callee BYE"
  | "leg lost" // A request inside the dialog got 408 or 481, or found no way.
  | "no media"
  | "transferred" // The far end goes on in another call; whoever asked for that is let go by the transfer.
  | "told to end"; // The operator, a shutdown.

export type JointEffect =
  | "pass progress"
  | "try next"
  | "refuse caller"
  | "end caller"
  | "end callee"
  | "answer caller"
  | "pass ACK"
  | "finish"; // Media deleted, limits released, the end reported.

export type JointRule = readonly [next: JointState, ...effects: JointEffect[]];

/** The legs end themselves differently by how far they came: `end` is CANCEL or BYE, a final answer or BYE. */
export const jointFigure: Record<JointState, Partial<Record<JointEvent, JointRule>>> = {
  // biome-ignore format: a figure is read as a table.
  setup: {
    "callee progress": ["setup", "pass progress"],
    "callee answer":   ["answered", "answer caller"],
    "callee retry":    ["setup", "try next"],
    "callee refusal":  ["over", "refuse caller", "finish"],
    "no way":          ["over", "refuse caller", "finish"],
    "bad answer":      ["over", "end callee", "end caller", "finish"],
    "ring limit":      ["over", "end callee", "end caller", "finish"],
    "caller cancel":   ["over", "end caller", "end callee", "finish"], // A 200 that comes now gets ACK and BYE.
    "caller BYE":      ["over", "end callee", "finish"],
    "callee BYE":      ["over", "end caller", "finish"], // Of a callee that was in another call before (a transfer).
    "caller lost":     ["over", "end callee", "end caller", "finish"],
    "leg lost":        ["over", "end callee", "end caller", "finish"],
    "no media":        ["over", "end callee", "end caller", "finish"],
    "told to end":     ["over", "end callee", "end caller", "finish"],
  },
  // biome-ignore format: a figure is read as a table.
  answered: { // Once the 200 is sent a CANCEL changes nothing (RFC 3261 §9.2); it comes here while a PRACK holds it back.
    "caller cancel":   ["over", "end caller", "end callee", "finish"],
    "caller ACK":      ["up", "pass ACK"],
    "caller no ACK":   ["over", "end callee", "finish"], // The caller's leg has sent its BYE.
    "bad answer":      ["over", "end callee", "end caller", "finish"],
    "caller BYE":      ["over", "end callee", "finish"],
    "callee BYE":      ["over", "end caller", "finish"], // The caller gets BYE as soon as its ACK is here.
    "caller lost":     ["over", "end callee", "end caller", "finish"],
    "leg lost":        ["over", "end callee", "end caller", "finish"],
    "no media":        ["over", "end callee", "end caller", "finish"],
    "told to end":     ["over", "end callee", "end caller", "finish"],
  },
  // biome-ignore format: a figure is read as a table.
  up: {
    "caller BYE":      ["over", "end callee", "finish"],
    "callee BYE":      ["over", "end caller", "finish"],
    "bad answer":      ["over", "end callee", "end caller", "finish"],
    "caller no ACK":   ["over", "end callee", "end caller", "finish"],
    "leg lost":        ["over", "end callee", "end caller", "finish"],
    "no media":        ["over", "end callee", "end caller", "finish"],
    "transferred":     ["over", "finish"],
    "told to end":     ["over", "end callee", "end caller", "finish"],
  },
  over: {}, // BYE against BYE, 200 against CANCEL, a lost leg after its end: nothing happens twice.
};
