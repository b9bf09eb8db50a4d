/**
 * Headers that name another dialog: Replaces (RFC 3891), Target-Dialog (RFC 4538), and Refer-To with a Replaces inside
 * (RFC 3515, RFC 5589). A dialog of one side means nothing on the other, so each name becomes that of its twin.
 */
import type { RealmSettings, Registry } from "../base/index.ts";
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

/** The headers of an in-dialog request that name dialogs, for the other side. What names none of ours stays behind. */
export function dialogHeaders(
  request: Request,
  to: RealmSettings,
  host: string,
  book: Book,
): readonly (readonly [string, string])[] {
  const headers: (readonly [string, string])[] = [];
  const refer = request.get(ReferTo);
  if (refer !== undefined) headers.push(["Refer-To", ReferTo.format(referAcross(refer, to, host, book))]);
  const target = request.get(TargetDialog);
  const meant = target === undefined ? undefined : ownDialog(target, book)?.twin;
  if (meant !== undefined) headers.push(["Target-Dialog", TargetDialog.format(nameToPeer(meant))]);
  return headers;
}

function referAcross(refer: NameAddr, to: RealmSettings, host: string, book: Book): NameAddr {
  const hidden = hideNameAddr(refer, { to, host });
  const replaced = replacesIn(refer.uri);
  const dialog = replaced === undefined ? undefined : ownDialog(replaced, book);
  const twin = dialog?.twin;
  if (replaced === undefined || twin === undefined) return hidden;
  const alias = twin.leg.aliasOf(twin);
  const name = Replaces.format({
    callId: alias,
    toTag: alias,
    fromTag: alias,
    ...(replaced.earlyOnly ? { earlyOnly: true } : {}),
  });
  const uri = parseUri(hidden.uri);
  if (!("host" in uri)) return hidden;
  // Whoever follows it calls us, and the dialog tells whom it means: the user part need not.
  return { ...hidden, uri: formatUri({ ...uri, headers: `Replaces=${encodeURIComponent(name)}` }) };
}

function replacesIn(text: string): DialogName | undefined {
  const uri = parseUri(text);
  if (!("host" in uri) || uri.headers === undefined) return undefined;
  for (const header of uri.headers.split("&")) {
    const equals = header.indexOf("=");
    if (header.slice(0, equals).toLowerCase() !== "replaces") continue;
    try {
      return Replaces.parse(decodeURIComponent(header.slice(equals + 1)));
    } catch {
      return undefined;
    }
  }
  return undefined;
}
