/** What an INVITE toward one place says: whom it asks for, by which names, and what of the caller's own crosses. */
import { type Destination, defaultPort, PeerError, type PeerSettings, type RealmSettings } from "../base/index.ts";
import type { Parcel } from "../leg/index.ts";
import { From, formatUri, parseUri, To, type Uri } from "../message/index.ts";
import { hideNameAddr, ourHost, requestUriFor, tellDiversions } from "../policy/index.ts";
import type { RegisteredCaller } from "../registration/index.ts";
import type { TargetState } from "../routing/index.ts";
import type { Call } from "./call.ts";
import { parcelOf } from "./crossing.ts";
import type { CallHouse } from "./house.ts";
import { assertedIn, type Contacts } from "./phones.ts";
import { preconditionTagTo } from "./preconditions.ts";
import type { Wanted } from "./redirects.ts";
import type { Pickup } from "./setup.ts";

const REQUIRE_REPLACES = ["Require", "replaces"] as const;

/** An address that an INVITE can be sent to. */
export interface Place {
  readonly destination: Destination;
  readonly target: TargetState | undefined;
  readonly realm: RealmSettings;
  /** Contacts of registered phones: the destination is that of the first. */
  readonly contacts?: Contacts | undefined;
}

export interface Attempt {
  readonly call: Call;
  readonly wanted: Wanted;
  readonly pickup: Pickup | undefined;
  readonly peer: PeerSettings | undefined;
  readonly place: Place;
}

export interface InviteWords {
  readonly target: string;
  readonly from: string;
  readonly to: string;
  readonly parcel: Parcel;
}

/** Throws PeerError when what was asked for cannot be said on that side. */
export function wordsOf(attempt: Attempt, scheme: "sip" | "sips", sdp: string | undefined): InviteWords {
  const { call, place } = attempt;
  const { target: asked, destination, realm } = place;
  const { request } = call.start;
  const phone = place.contacts?.bindings[0];
  const { theirs, host } =
    phone === undefined
      ? hostsAt(call.house, asked, destination, call.start.phone)
      : { theirs: { host: place.contacts?.domain ?? "" }, host: call.house.transport.localFor(destination).host };
  const target =
    phone?.contact ?? attempt.pickup?.dialog.target ?? requestUriFor(attempt.wanted.uri, { ...theirs, scheme });
  return {
    target,
    parcel: parcelFor(attempt, sdp, target),
    from: From.format(hideNameAddr(request.from, { to: realm, host })),
    to: To.format(hideNameAddr(request.to, { to: realm, host, peerHost: theirs.host })),
  };
}

function parcelFor(attempt: Attempt, sdp: string | undefined, target: string): Parcel {
  const { call, pickup, place } = attempt;
  const { realm } = place;
  const host = place.target === undefined ? undefined : domainAt(call.house, place.target.peer, call.start.phone);
  const crossing = parcelOf(call.start.request, { from: call.callerRealm, to: realm, host }, false, sdp);
  const tag = preconditionTagTo(call, attempt.peer);
  const own = call.start.phone === undefined ? tag : [...tag, ...assertedIn(call.start.phone, realm)];
  const parcel = own.length === 0 ? crossing : { ...crossing, headers: [...own, ...crossing.headers] };
  const named = pickup?.replaces ?? namedIn(call, realm);
  if (named === undefined) return routed(call, retold(attempt, parcel, target), place);
  const replacing = { ...parcel, headers: [REQUIRE_REPLACES, ["Replaces", named] as const, ...parcel.headers] };
  return routed(call, replacing, place);
}

/** Throws PeerError(481): on another side the dialog is not known, or is another one. */
function namedIn({ start }: Call, realm: RealmSettings): string | undefined {
  const { replaces } = start;
  if (replaces === undefined || replaces.realm === realm.name) return replaces?.value;
  throw new PeerError(481, "Replaces names a dialog of another side");
}

/** RFC 3608 §6.1: the way that the registrar wants its clients to come. */
function routed({ house, start }: Call, parcel: Parcel, { target, destination }: Place): Parcel {
  if (target === undefined) return parcel;
  const served = start.phone === undefined ? [] : (house.phones?.routesOf(start.phone.binding, target.peer) ?? []);
  const routes = served.length > 0 ? served : house.trunks?.routesTo(target.peer, destination);
  if (routes === undefined || routes.length === 0) return parcel;
  return { ...parcel, headers: [...routes.map((route) => ["Route", route] as const), ...parcel.headers] };
}

/** Whom the call was meant for before, as this peer wants to hear it. A redirect is told to those who are trusted. */
function retold({ peer, wanted, place }: Attempt, parcel: Parcel, target: string): Parcel {
  const { realm } = place;
  const policy = peer?.diversion ?? "pass";
  const { moves } = wanted;
  if (policy === "pass" && moves.length === 0) return parcel;
  if (realm.trust === "none" && policy !== "off") return parcel;
  const shown = realm.trust === "none" ? [] : moves.map(({ uri, status }) => ({ uri: shownIn(realm, uri), status }));
  return { ...parcel, headers: tellDiversions(parcel.headers, policy, target, shown) };
}

/** What others are called by over there, and what we are: where we have an account both live under its domain. */
export function hostsAt(
  house: CallHouse,
  target: TargetState | undefined,
  destination: Destination,
  caller?: RegisteredCaller,
): { readonly theirs: { readonly host: string; readonly port?: number }; readonly host: string } {
  const domain = target === undefined ? undefined : domainAt(house, target.peer, caller);
  if (domain !== undefined) return { theirs: { host: domain }, host: domain };
  return { theirs: hostOf(target, destination), host: house.transport.localFor(destination).host };
}

/** The domain that we are known under there: that of our account, or of the phone that is registered there. */
const domainAt = (house: CallHouse, peer: string, caller: RegisteredCaller | undefined): string | undefined =>
  caller?.domain.registrar === peer ? caller.domain.domain : house.trunks?.domainAt(peer);

/** What the target is called, as Request-URI and To name it. A port is written when it is not the usual one. */
function hostOf(target: TargetState | undefined, destination: Destination): { host: string; port?: number } {
  const settings = target?.settings;
  if (settings?.kind === "host") return withPort(settings.host, settings.port, defaultPort(settings.protocol));
  if (settings?.kind === "uri") {
    const uri = parseUri(settings.uri);
    if ("host" in uri) return uri.port === undefined ? { host: uri.host } : { host: uri.host, port: uri.port };
  }
  const { remote, protocol } = destination;
  return withPort(destination.serverName ?? remote.ip, remote.port, defaultPort(protocol));
}

/** Somebody of another side, by our own name on this one. */
const shownIn = (realm: RealmSettings, uri: Uri): string =>
  hideNameAddr({ uri: formatUri(uri), params: new Map() }, { to: realm, host: ourHost(realm) }).uri;

const withPort = (host: string, port: number, usual: number) => (port === usual ? { host } : { host, port });
