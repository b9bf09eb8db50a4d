/** Who hears whom by the orders that the relay got: `alice = bob` both ways, `alice > bob` one way. */
import type { RelayCommand, RelaySide } from "../../../src/media/index.ts";
import type { LadderParty } from "./party.ts";

export function soundOf(commands: readonly RelayCommand[], parties: readonly LadderParty[]): string {
  const pairs = new Map<number, [RelaySide, RelaySide]>();
  for (const command of commands) {
    if (command.word === "open") pairs.set(command.pair, [...command.sides]);
    else if (command.word === "close") pairs.delete(command.pair);
    else if (command.word === "change") {
      const sides = pairs.get(command.pair);
      if (sides !== undefined) sides[command.side] = { ...sides[command.side], ...command.set } as RelaySide;
    }
  }
  const name = ({ remote }: RelaySide): string => {
    const described = parties.find((party) => party.soundsFrom.has(remote?.ip ?? ""));
    return (described ?? parties.find((party) => party.place.ip === remote?.ip))?.name ?? "nobody";
  };
  const found = [...pairs.values()].map(([caller, callee]) => {
    const there = caller.receive && callee.send && callee.remote !== undefined;
    const back = callee.receive && caller.send && caller.remote !== undefined;
    if (!there && !back) return "";
    const [a, b] = [name(caller), name(callee)];
    if (there && back) return [a, b].sort().join(" = ");
    return there ? `${a} > ${b}` : `${b} > ${a}`;
  });
  return (
    found
      .filter((one) => one !== "")
      .sort()
      .join("; ") || "silence"
  );
}
