/** Words in braces, in a `sip` block: `{box}`, `{replaces bob#1}` … stand for what only this run knows. */
import { tagOf } from "../scripted-party.ts";
import type { MessageText } from "./message-text.ts";
import { fail, type LadderParty } from "./party.ts";

/** `reader`: the party whose message this is. */
export function filledIn(message: MessageText, reader: LadderParty, parties: readonly LadderParty[]): MessageText {
  const fill = (text: string): string =>
    text.replace(/\{([a-z][^{}]*)\}/g, (_, words: string) => meaningOf(words, reader, parties));
  return {
    start: message.start === undefined ? undefined : fill(message.start),
    headers: message.headers.map(([name, value]) => [name, fill(value)] as const),
    body: message.body === undefined ? undefined : fill(message.body),
  };
}

function meaningOf(words: string, reader: LadderParty, parties: readonly LadderParty[]): string {
  const [what = "", whose = "", how = ""] = words.split(" ");
  if (what === "box") return whose === "outside" || whose === "inside" ? reader.boxAt(whose) : reader.box;
  const [name = "", label = "1"] = whose.split("#");
  const party = whose === "" ? reader : (parties.find((one) => one.name === name) ?? fail(`{${words}}: no such party`));
  if (what === "ip") return party.place.ip;
  if (what === "host") return party.member.host;
  if (what === "told") return toldTo(party);
  if (what === "watched") return watchedBy(party);
  const dialog = party.dialogs.get(label) ?? fail(`{${words}}: no such dialog`);
  const value = {
    replaces: dialog.name,
    replaced: dialog.nameForUs,
    "call-id": dialog.callId,
    tag: tagOf(dialog.local),
    "box-tag": tagOf(dialog.remote),
    contact: dialog.target,
  }[what];
  if (value === undefined) return fail(`{${words}} means nothing`);
  return how === "escaped" ? encodeURIComponent(value) : value;
}

/** The Replaces that the last REFER to this party asks it to send. RFC 3891 §5. */
function toldTo(party: LadderParty): string {
  const refers = [...party.dialogs.values()].map((dialog) => dialog.asked.get("REFER") ?? "");
  const told = refers.map((refer) => /\r\nRefer-To:[^\r]*[?&]Replaces=([^>&\r]*)/i.exec(refer)?.[1]).findLast(Boolean);
  return told === undefined ? fail(`${party.name} was told of no Replaces`) : decodeURIComponent(told);
}

/** The dialog that the last NOTIFY told this party of, as a Replaces for it. RFC 4235 §4.1.2. */
function watchedBy(party: LadderParty): string {
  const documents = [...party.dialogs.values()].map((dialog) => dialog.asked.get("NOTIFY") ?? "");
  const told = documents.findLast((text) => text.includes("<dialog-info")) ?? fail(`${party.name} watches nothing`);
  const attribute = (name: string): string => new RegExp(` ${name}="([^"]*)"`).exec(told)?.[1] ?? "";
  return `${attribute("call-id")};to-tag=${attribute("local-tag")};from-tag=${attribute("remote-tag")}`;
}
