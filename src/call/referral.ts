/** A REFER inside a call that the box is to carry out: may it, and what does it ask for? RFC 3515 §2.4.2, RFC 7647, RFC 3892. */
import { type Millis, PeerError, type PeerSettings } from "../base/index.ts";
import { type Dialog, fill, type ServerTransaction } from "../leg/index.ts";
import {
  From,
  formatUri,
  NO_PARAMS,
  parseMessage,
  ReferSub,
  Replaces,
  type Request,
  responseTo,
  type Uri,
} from "../message/index.ts";
import { accessVerdict, crossingHeaders } from "../policy/index.ts";
import { forwardsLeft } from "./arrival.ts";
import type { Call } from "./call.ts";
import { ownDialog } from "./dialog-names.ts";
import { ReferSubscription } from "./refer-subscription.ts";
import { embeddedAcross, type ReferTarget, referTarget, requestText } from "./refer-to.ts";
import { Transfer } from "./transfer.ts";

type Header = readonly [name: string, value: string];

export interface Referral {
  readonly call: Call;
  /** The referrer's dialog; its twin is the transferee's. */
  readonly dialog: Dialog;
  /** The other call of the referrer, whose far end is the target. */
  readonly second: { readonly call: Call; readonly dialog: Dialog } | undefined;
  /** A call of the referrer that still rings: it ends, and whom it called is called anew. */
  readonly instead: Call | undefined;
  /** The INVITE that the transferee would have sent. */
  readonly request: Request;
  readonly uri: Uri;
  readonly peers: readonly PeerSettings[];
  /** A dialog that is not ours, and the only realm where its name means anything. */
  readonly replaces: { readonly realm: string; readonly value: string } | undefined;
  readonly maxForwards: number;
}

/** Is this REFER ours to carry out? `dialog`: that it came in. */
export function executes(call: Call, dialog: Dialog): boolean {
  const { leg, twin } = dialog;
  const policy = call.peerOf(leg)?.refer ?? call.realmOf(leg).refer;
  return policy === "execute" || (policy === "assist" && twin?.allowsMethod("REFER") === false);
}

/** Answers the REFER, and begins what it asks for. Throws PeerError with the status that refuses it. */
export function refer(call: Call, dialog: Dialog, request: Request, server: ServerTransaction, now: Millis): void {
  const referral = referralOf(call, dialog, request);
  // RFC 4488 §4: nobody listens, if its sender can do without.
  const silent = /^ *false/i.test(request.get(ReferSub) ?? "");
  const draft = responseTo(request, silent ? 200 : 202, dialog.localTag);
  dialog.leg.wording.dressResponse(draft, request, now);
  fill(draft, { headers: silent ? [["Refer-Sub", "false"]] : [], body: "", type: undefined });
  server.respond(draft, now);
  const id = dialog.referred ? request.cseq.number : undefined;
  dialog.referred = true;
  new Transfer(referral, new ReferSubscription(dialog, id, !silent, now)).start(now);
}

function referralOf(call: Call, dialog: Dialog, request: Request): Referral {
  const { leg, twin } = dialog;
  const { house } = call;
  if (call.state !== "up" || twin === undefined || call.transfer?.active) throw new PeerError(491, "not now");
  const target = referTarget(request);
  if (target.method !== "INVITE") throw new PeerError(603, `a REFER to ${target.method}`);
  if (target.joins) throw new PeerError(603, "a REFER to join a dialog");
  if (target.uri.scheme === "other") throw new PeerError(416, "Refer-To: neither sip:, sips: nor tel:");
  // RFC 5630 §3.1: what is promised to be secure is so from end to end.
  if (target.uri.scheme === "sips" && !twin.leg.secure) throw new PeerError(403, "Refer-To: sips, and the call is not");
  const other = otherCall(call, dialog, target);
  if (other?.call.state === "up") {
    const invite = inviteFor(call, dialog, request, target, target.uri);
    const { uri } = target;
    return {
      call,
      dialog,
      second: other,
      instead: undefined,
      request: invite,
      uri,
      peers: [],
      replaces: undefined,
      maxForwards: 0,
    };
  }
  const uri = other === undefined ? target.uri : other.call.start.uri;
  const peers = routeFor(call, dialog, uri);
  if (house.full) throw new PeerError(503, "no room for another call");
  const replaces = other === undefined && target.replaces !== undefined ? target.replaces : undefined;
  return {
    call,
    dialog,
    second: undefined,
    instead: other?.call,
    request: inviteFor(call, dialog, request, target, uri),
    uri,
    peers,
    replaces: replaces === undefined ? undefined : { realm: leg.realm, value: Replaces.format(replaces) },
    maxForwards: forwardsLeft(request),
  };
}

/**
 * The referrer's other call, by the name of our dialog in it. Whoever knows the name but is somebody else moves nothing.
 * `undefined`: no dialog is named, or none of ours.
 */
function otherCall(call: Call, { leg }: Dialog, { replaces }: ReferTarget): Referral["second"] {
  const named = replaces === undefined ? undefined : ownDialog(replaces, call.house.book);
  const other = named?.leg.owner as Call | undefined;
  if (named === undefined || other === undefined || replaces === undefined) return undefined;
  const same = named.leg.realm === leg.realm && other.peerOf(named.leg)?.name === call.peerOf(leg)?.name;
  if (!same || other === call) throw new PeerError(403, "Replaces: a call of somebody else");
  if (other.transfer?.active) throw new PeerError(491, "the other call is on its way already");
  if (other.state === "up" && named.twin !== undefined) {
    if (replaces.earlyOnly === true) throw new PeerError(486, "Replaces: early-only, and it was answered");
    return { call: other, dialog: named };
  }
  // It rings still: only who called can take it back.
  if (other.state !== "setup" || named.leg !== other.caller) throw new PeerError(491, "the other call is not up");
  return { call: other, dialog: named };
}

/** As if the referrer had placed the call by itself: never further than it may call. Throws PeerError 403 or 404. */
function routeFor(call: Call, { leg }: Dialog, uri: Uri): readonly PeerSettings[] {
  const { settings, routing } = call.house;
  const from = call.peerOf(leg);
  const { name, trust } = settings.realms.get(leg.realm) ?? call.realmOf(leg);
  const route = routing.route({ from, realm: name, trust, method: "INVITE", uri });
  const routed = route !== "no route";
  const verdict = accessVerdict({ trust, recognised: from !== undefined, method: "INVITE", routed });
  if (verdict.verdict === "refuse") throw new PeerError(verdict.status, verdict.reason);
  return routed ? route : [];
}

/** RFC 3892 §2.1: it comes from the transferee, and says who referred it. */
function inviteFor(call: Call, dialog: Dialog, refer: Request, target: ReferTarget, uri: Uri): Request {
  const twin = dialog.twin as Dialog;
  const from = call.realmOf(dialog.leg);
  const to = call.realmOf(twin.leg);
  const said = crossingHeaders(refer, { from, to, kind: "request", inDialog: true });
  const headers: Header[] = said.filter(([name]) => name === "Referred-By");
  headers.push(...embeddedAcross(target.embedded, from, to), ...identityOf(call, twin));
  const id = twin.leg.ids?.beginning(twin);
  if (id !== undefined) headers.push(["Session-ID", id]);
  const text = formatUri(uri);
  const people = { from: personOf(twin.remote), to: `<${text}>`, callId: twin.callId };
  return parseMessage(requestText("INVITE", text, headers, people)) as Request;
}

/** What the transferee's own INVITE said of it beyond From. */
function identityOf(call: Call, { leg }: Dialog): Header[] {
  if (leg !== call.caller) return [];
  const { headers } = call.start.request;
  return ["P-Asserted-Identity", "Privacy"].flatMap((name) =>
    headers.rawAll(name.toLowerCase()).map((value): Header => [name, value]),
  );
}

/** Without its tag. */
function personOf(value: string): string {
  return From.format({ ...From.parse(value), params: NO_PARAMS });
}
