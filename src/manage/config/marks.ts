/** DiffServ code points by name: RFC 2474, 2597, 3246, 5865, 8622. */
const marks: Readonly<Record<string, number>> = {
  BE: 0,
  DF: 0,
  LE: 1,
  VA: 44,
  "VOICE-ADMIT": 44,
  EF: 46,
  ...Object.fromEntries(Array.from({ length: 8 }, (_, selector) => [`CS${selector}`, selector * 8])),
  ...Object.fromEntries([1, 2, 3, 4].flatMap((c) => [1, 2, 3].map((drop) => [`AF${c}${drop}`, c * 8 + drop * 2]))),
};

export const markNames = (): readonly string[] => Object.keys(marks);

/** 0 to 63; `undefined` when the name is not known. Any case. */
export function markOf(written: string | number): number | undefined {
  if (typeof written === "number") return written;
  const name = written.toUpperCase();
  return Object.hasOwn(marks, name) ? marks[name] : undefined;
}
