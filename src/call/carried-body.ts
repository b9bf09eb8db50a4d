/** The body of a message that crosses, with the names of our dialogs and of theirs put into the other side's words. */
import { PeerError } from "../base/index.ts";
import { Accept, ContentEncoding, ContentType, type DialogName, type Message, type Request } from "../message/index.ts";
import { bodyAcross, CARRIED_TYPES, type CarriedBody } from "../policy/index.ts";
import type { Direction } from "./crossing.ts";
import { ownDialog } from "./dialog-names.ts";
import type { CallHouse } from "./house.ts";

/** `host`: our name on the `to` side, as in a URI. */
export interface Crossway extends Direction {
  readonly host: string;
}

/** `undefined`: there is none. Throws PeerError(400), PeerError(415): there is one that may not cross. */
export function bodyOf(house: CallHouse, message: Message, way: Crossway): CarriedBody | undefined {
  const { body } = message;
  if (body === "") return undefined;
  if (message.headers.has("content-encoding")) {
    const plain = message.getAll(ContentEncoding).every((encoding) => encoding.toLowerCase() === "identity");
    if (!plain) throw new PeerError(415, "Content-Encoding: only identity is understood");
  }
  const type = message.get(ContentType);
  if (type === undefined) throw new PeerError(415, "a body without Content-Type");
  const { from, to, host } = way;
  const pseudonym = (text: string): string => house.aliases.across(text, from.name, to.name);
  const dialog = (name: DialogName): DialogName => dialogAcross(house, name, way, pseudonym);
  const carried = bodyAcross(message, type, body, { from, to, host, pseudonym, dialog });
  if (carried === undefined) throw new PeerError(415, `a body of type ${type.type}/${type.subtype} does not cross`);
  return carried;
}

/** An event that is about something crosses all the same when what it says of it cannot be rewritten. */
export function eventBodyOf(house: CallHouse, message: Message, way: Crossway): CarriedBody | undefined {
  try {
    return bodyOf(house, message, way);
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return undefined;
  }
}

/** `name` is that of a dialog as the end that is told about has it. One of ours is to be asked of us by its alias. */
function dialogAcross(
  house: CallHouse,
  name: DialogName,
  { from }: Crossway,
  pseudonym: (text: string) => string,
): DialogName {
  const { callId, toTag, fromTag } = name;
  const dialog = ownDialog({ callId, toTag: fromTag, fromTag: toTag }, house.book);
  if (dialog === undefined || dialog.leg.realm !== from.name) {
    return { callId: pseudonym(callId), toTag: pseudonym(toTag), fromTag: pseudonym(fromTag) };
  }
  const alias = dialog.leg.aliasOf(dialog);
  return { callId: alias, toTag: alias, fromTag: alias };
}

/** What the asker takes, cut to what we can bring him; `undefined`: he did not say, or nothing is left. */
export function acceptAcross(request: Request, { from, to }: Direction): string | undefined {
  if (!request.headers.has("accept")) return undefined;
  if (from.trust === "full" && to.trust === "full") return request.headers.rawAll("accept").join(", ");
  const named = request.getAll(Accept).map(({ type, subtype }) => `${type}/${subtype}`);
  const kept = CARRIED_TYPES.filter((type) => named.includes(type));
  return kept.length === 0 ? undefined : kept.join(", ");
}
