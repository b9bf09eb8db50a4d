/** An INVITE with Replaces: the dialog that it is about, whom to ask for it, and whether it may be had at all. RFC 3891 §3. */
import { PeerError, type RealmSettings } from "../base/index.ts";
import type { Hop } from "../leg/index.ts";
import { type DialogName, Replaces, type Request } from "../message/index.ts";
import type { Call } from "./call.ts";
import type { CallStart } from "./call-start.ts";
import { aliasedDialog, nameToPeer, ownDialog } from "./dialog-names.ts";
import type { CallHouse } from "./house.ts";
import type { Pickup } from "./setup.ts";

export interface NamedPickup extends Pickup {
  /** The status that refuses it; `undefined`: it may be asked for. */
  readonly unfit: number | undefined;
}

/** `undefined`: the name is none of ours. */
export function pickupFor(house: CallHouse, request: Request, hop: Hop): NamedPickup | undefined {
  const { book, settings } = house;
  const [name, ...others] = request.getAll(Replaces);
  if (name === undefined) return undefined;
  const own = ownDialog(name, book);
  const dialog = own?.leg.realm === hop.realm ? own.twin : aliasedDialog(name, book);
  const realm = dialog === undefined ? undefined : settings.realms.get(dialog.leg.realm);
  if (dialog === undefined || realm === undefined) return undefined;
  const peer = (dialog.leg.owner as Call).peerOf(dialog.leg);
  const unfit = others.length > 0 || request.headers.has("join") ? 400 : unfitness(name, dialog);
  return { dialog, replaces: Replaces.format(nameToPeer(dialog, name.earlyOnly)), realm, peer, unfit };
}

/** `dialog`: the far end's, who would be asked to talk to somebody else. */
function unfitness({ earlyOnly }: DialogName, { leg }: Pickup["dialog"]): number | undefined {
  switch (leg.state) {
    case "inviting": // Whoever rings may say 481; a PBX that lets calls be picked up by this does not.
    case "invited":
      return undefined;
    case "cancelling":
    case "leaving":
    case "parting":
    case "gone":
      return 603;
    case "answering":
    case "answered":
    case "up":
      return earlyOnly === true ? 486 : undefined;
    default:
      leg.state satisfies never;
  }
  return undefined;
}

/** A dialog of another side that is not ours: an event document of that side told of it (RFC 4235). */
export function foreignDialog(house: CallHouse, request: Request, realm: RealmSettings): CallStart["replaces"] {
  const name = request.headers.has("replaces") ? request.get(Replaces) : undefined;
  const meant = name === undefined ? undefined : house.aliases.dialog(name);
  if (name === undefined || meant === undefined || meant.realm === realm.name) return undefined;
  const earlyOnly = name.earlyOnly === true ? { earlyOnly: true } : {};
  const value = Replaces.format({ ...meant.name, ...earlyOnly });
  return saysJust(value, meant.name) ? { realm: meant.realm, value } : undefined;
}

/** What an event document calls a Call-ID or a tag may be any text: in a header it could say more than it means. */
function saysJust(value: string, { callId, toTag, fromTag }: DialogName): boolean {
  try {
    const read = Replaces.parse(value);
    return read.callId === callId && read.toTag === toTag && read.fromTag === fromTag;
  } catch (error) {
    if (error instanceof PeerError) return false;
    throw error;
  }
}
