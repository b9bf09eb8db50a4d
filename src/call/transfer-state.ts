/**
 * A transfer that the box makes by itself: RFC 3515, RFC 5589. The referrer asks; the target is called (blind) or is the
 * far end of the referrer's other call (attended); then the transferee is asked to change over by a re-INVITE. Until it
 * has, the call that was there stays as it was.
 */
export type TransferState =
  | "waiting" // Some offer is still under way in the call.
  | "asking" // The target is called, or asked to change over.
  | "joining" // The target is ours; the transferee is asked to change over.
  | "undoing" // The target went while the transferee was asked: its answer is still to come.
  | "leaving" // The two are together; the referrer is to end its legs.
  | "over";

export type TransferEvent =
  | "quiet"
  | "quiet limit"
  | "target progress"
  | "target answered"
  | "target lost"
  | "transferee changed"
  | "transferee stays"
  | "transferee gone"
  | "referrer gone" // It ended its leg of the call with the transferee.
  | "consultation gone" // It ended its leg of the call with the target.
  | "all gone" // Of the referrer's legs none is left.
  | "join limit"
  | "leave limit";

export type TransferEffect =
  | "ask target"
  | "tell progress"
  | "tell end"
  | "ask transferee"
  | "call off" // CANCEL of the re-INVITE to the transferee.
  | "restore transferee" // What it agreed on leads nowhere: it is asked back.
  | "lose transferee" // It answers nothing: its call is lost.
  | "keep transferee" // It leaves the call that ends, and belongs to the new one from now on.
  | "keep target"
  | "end target" // The new call, with whoever belongs to it.
  | "join"
  | "await BYE"
  | "end referrer"
  | "close";

export type TransferRule = readonly [next: TransferState, ...effects: TransferEffect[]];

export const transferFigure: Record<TransferState, Partial<Record<TransferEvent, TransferRule>>> = {
  // biome-ignore format: a figure is read as a table.
  waiting: {
    "quiet":              ["asking", "ask target"],
    "quiet limit":        ["over", "tell end", "close"],
    "target lost":        ["over", "tell end", "close"],
    "transferee gone":    ["over", "tell end", "close"],
    "referrer gone":      ["over", "tell end", "close"], // Its BYE ends the call as any BYE does.
    "consultation gone":  ["over", "tell end", "close"],
  },
  // biome-ignore format: a figure is read as a table.
  asking: {
    "target progress":    ["asking", "tell progress"],
    "target answered":    ["joining", "ask transferee"],
    "target lost":        ["over", "tell end", "close"],
    "transferee gone":    ["over", "tell end", "end target", "close"],
    "referrer gone":      ["asking", "keep transferee"],
    "consultation gone":  ["asking", "keep target"],
  },
  // biome-ignore format: a figure is read as a table.
  joining: {
    "transferee changed": ["leaving", "join", "tell end", "await BYE"],
    "transferee stays":   ["over", "tell end", "end target", "close"],
    "transferee gone":    ["over", "tell end", "end target", "close"],
    "join limit":         ["undoing", "tell end", "end target", "call off"],
    "target lost":        ["undoing", "tell end", "call off"],
    "referrer gone":      ["joining", "keep transferee"],
    "consultation gone":  ["joining", "keep target"],
  },
  // biome-ignore format: a figure is read as a table.
  undoing: {
    "transferee changed": ["over", "restore transferee", "close"],
    "transferee stays":   ["over", "close"],
    "transferee gone":    ["over", "close"],
    "join limit":         ["over", "lose transferee", "close"],
    "referrer gone":      ["over", "close"],
  },
  // biome-ignore format: a figure is read as a table.
  leaving: {
    "leave limit":        ["over", "end referrer", "close"],
    "all gone":           ["over", "close"],
  },
  over: {},
};
