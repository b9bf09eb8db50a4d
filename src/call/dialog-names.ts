/**
 * Headers that name another dialog: Replaces (RFC 3891), Target-Dialog (RFC 4538), and Refer-To with a Replaces inside
 * (RFC 3515, RFC 5589). A dialog of one side means nothing on the other, so each name becomes that of its twin.
 */
import { PeerError, type RealmSettings, type Registry } from "../base/index.ts";
import type { Dialog } from "../leg/index.ts";
import {
  type DialogName,
  formatUri,
  type NameAddr,
  parseUri,
  ReferTo,
  Replaces,
  type Request,
  TargetDialog,
} from "../message/index.ts";
import { hideNameAddr } from "../policy/index.ts";
import { embeddedAcross, escapedValue, referTarget } from "./refer-to.ts";

type Book = Pick<Registry<string, Dialog>, "get">;

/** Our dialog whose peer is to be replaced: its to-tag is ours. */
export function ownDialog(name: DialogName, book: Book): Dialog | undefined {
  const dialog = book.get(name.toTag);
  return dialog !== undefined && dialog.callId === name.callId && dialog.remoteTag === name.fromTag
    ? dialog
    : undefined;
}

/** Our dialog by the alias that we told in a Refer-To: it comes back in the INVITE of whoever followed that. */
export function aliasedDialog(name: DialogName, book: Book): Dialog | undefined {
  const dialog = book.get(name.fromTag);
  return dialog !== undefined && dialog.alias === name.fromTag && name.callId === name.fromTag ? dialog : undefined;
}

/** The dialog as its peer has to name it to itself: to-tag is the peer's own. */
export const nameToPeer = (dialog: Dialog, earlyOnly = false): DialogName => ({
  callId: dialog.callId,
  toTag: dialog.remoteTag ?? "0", // RFC 3891 §3: what stands for a missing tag.
  fromTag: dialog.localTag,
  ...(earlyOnly ? { earlyOnly } : {}),
});

/**
 * The headers of a request that name dialogs, for the other side. What names none of ours stays behind. Throws PeerError for
 * a Refer-To that cannot be read (400) or that asks for what cannot cross (603).
 */
export function dialogHeaders(
  request: Request,
  { from, to }: { readonly from: RealmSettings; readonly to: RealmSettings },
  host: string,
  book: Book,
): readonly (readonly [string, string])[] {
  const headers: (readonly [string, string])[] = [];
  if (request.headers.has("refer-to")) headers.push(["Refer-To", referAcross(request, { from, to }, host, book)]);
  const target = request.get(TargetDialog);
  const meant = target === undefined ? undefined : ownDialog(target, book)?.twin;
  if (meant !== undefined) headers.push(["Target-Dialog", TargetDialog.format(nameToPeer(meant))]);
  return headers;
}

function referAcross(
  request: Request,
  { from, to }: { readonly from: RealmSettings; readonly to: RealmSettings },
  host: string,
  book: Book,
): string {
  const target = referTarget(request);
  if (target.joins) throw new PeerError(603, "Refer-To: a dialog to join");
  const refer = request.get(ReferTo) as NameAddr;
  const hidden = hideNameAddr(refer, { to, host });
  const uri = parseUri(hidden.uri);
  if (!("host" in uri)) return ReferTo.format(hidden);
  const embedded = embeddedAcross(target.embedded, from, to).map(([name, value]) => `${name}=${escapedValue(value)}`);
  const replaced = target.replaces;
  const twin = replaced === undefined ? undefined : ownDialog(replaced, book)?.twin;
  // Whoever follows it calls us, and the dialog tells whom it means: the user part need not.
  if (twin !== undefined) embedded.unshift(`Replaces=${escapedValue(aliasFor(twin, replaced?.earlyOnly === true))}`);
  const params = target.method === "INVITE" ? uri.params : new Map([...uri.params, ["method", target.method]]);
  const headers = embedded.length === 0 ? {} : { headers: embedded.join("&") };
  return ReferTo.format({ ...hidden, uri: formatUri({ ...uri, params, ...headers }) });
}

function aliasFor(twin: Dialog, earlyOnly: boolean): string {
  const alias = twin.leg.aliasOf(twin);
  return Replaces.format({ callId: alias, toTag: alias, fromTag: alias, ...(earlyOnly ? { earlyOnly } : {}) });
}
