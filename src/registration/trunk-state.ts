/**
 * A registration of ours at a peer, from its first REGISTER to its last: RFC 3261 §10.2, with the recovery of RFC 5626
 * §4.5. It knows events and effects by name only.
 */
export type TrunkState =
  | "idle" // Not begun.
  | "registering" // Nothing holds; a REGISTER is out, or its place is looked for.
  | "registered"
  | "refreshing" // As registered, with a REGISTER out.
  | "waiting" // It failed: the next try has its time.
  | "leaving" // The REGISTER that takes us out is out.
  | "gone";

export type TrunkEvent =
  | "begin"
  | "accepted"
  | "too brief" // 423: RFC 3261 §10.2.8.
  | "no answer" // Nor will there be one from this place: another may do better.
  | "no place" // All places were asked.
  | "refused"
  | "time to refresh"
  | "time to retry"
  | "lost" // The connection broke, the target went down, or it is to be another one.
  | "leave";

export type TrunkEffect =
  | "ask the best place"
  | "ask again" // The same place, for longer.
  | "ask the next place"
  | "take over" // What was granted.
  | "back off"
  | "come back soon"
  | "ask to leave"
  | "close";

export type TrunkRule = readonly [next: TrunkState, ...effects: TrunkEffect[]];

/** An event without a rule is absorbed: it is late or stray. */
export const trunkFigure: Record<TrunkState, Partial<Record<TrunkEvent, TrunkRule>>> = {
  // biome-ignore format: a figure is read as a table.
  idle: {
    "begin":           ["registering", "ask the best place"],
    "leave":           ["gone", "close"],
  },
  // biome-ignore format: a figure is read as a table.
  registering: {
    "accepted":        ["registered", "take over"],
    "too brief":       ["registering", "ask again"],
    "no answer":       ["registering", "ask the next place"],
    "no place":        ["waiting", "back off"],
    "refused":         ["waiting", "back off"],
    "leave":           ["leaving", "ask to leave"], // It may be taken yet: nothing of us shall stay there.
  },
  // biome-ignore format: a figure is read as a table.
  registered: {
    "time to refresh": ["refreshing", "ask the best place"],
    "lost":            ["waiting", "come back soon"],
    "leave":           ["leaving", "ask to leave"],
  },
  // biome-ignore format: a figure is read as a table.
  refreshing: {
    "accepted":        ["registered", "take over"],
    "too brief":       ["refreshing", "ask again"],
    "no answer":       ["refreshing", "ask the next place"],
    "no place":        ["waiting", "back off"],
    "refused":         ["waiting", "back off"],
    "lost":            ["waiting", "come back soon"],
    "leave":           ["leaving", "ask to leave"],
  },
  // biome-ignore format: a figure is read as a table.
  waiting: {
    "time to retry":   ["registering", "ask the best place"],
    "leave":           ["gone", "close"],
  },
  // biome-ignore format: a figure is read as a table.
  leaving: {
    "accepted":        ["gone", "close"],
    "too brief":       ["gone", "close"],
    "no answer":       ["gone", "close"],
    "no place":        ["gone", "close"],
    "refused":         ["gone", "close"],
  },
  gone: {},
};
