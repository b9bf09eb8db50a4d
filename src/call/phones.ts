/** Registered phones as callers and as called: who it is, where it is asked, and what is said of it. */
import { backOver, type Destination, type Hop, isSecure, type Millis, type RealmSettings } from "../base/index.ts";
import type { Branch } from "../leg/index.ts";
import { formatNameAddr, type Request, type Uri } from "../message/index.ts";
import {
  type Binding,
  type ContactGroup,
  GONE_CONNECTION,
  type PhoneBook,
  type RegisteredCaller,
} from "../registration/index.ts";
import type { CallHouse } from "./house.ts";

/** Limit: contacts that ring at once; the others of their group come after them. */
const TOGETHER = 10;

/** What a request from somewhere has to do with phones. */
export interface Phones {
  readonly caller: RegisteredCaller | undefined;
  /** The inside registrar asked for this one. */
  readonly contact: Binding | undefined;
  readonly callee: () => boolean;
  /** The inside registrar asked for a flow that is no more. */
  readonly lost: boolean;
}

const NONE: Phones = { caller: undefined, contact: undefined, callee: () => false, lost: false };

/** Costs nothing where nobody is registered. */
export function phonesIn(house: CallHouse, request: Request, uri: Uri, hop: Hop, now: Millis): Phones {
  const { phones } = house;
  if (phones === undefined || phones.empty) return NONE;
  const contact = phones.calledAt(uri, hop);
  const callee = (): boolean => contact !== undefined || phones.isRegistered(uri);
  const lost = contact === undefined && phones.isLost(uri, hop, now);
  return { caller: phones.callerAt(request, hop), contact, callee, lost };
}

/** Contacts that are asked at the same time, in one realm. */
export interface Contacts {
  readonly bindings: ContactGroup;
  readonly ringSeconds: number;
  /** The domain that they are known under. */
  readonly domain: string;
}

/** `secure`: only those that are spoken to over TLS may be asked, so they do not wait for others of their group. */
export function contactsFor(
  book: PhoneBook,
  uri: Uri,
  contact: Binding | undefined,
  secure: boolean,
): readonly Contacts[] {
  if (contact !== undefined) return [{ bindings: [contact], ringSeconds: LONG, domain: contact.domain }];
  const found = book.contactsOf(uri);
  if (found === undefined) return [];
  const { domain, groups } = found;
  return groups
    .flatMap((group) => inOneRealm(group, secure))
    .map((bindings) => ({ bindings, ringSeconds: domain.ringSeconds, domain: domain.domain }));
}

/** Nobody is asked after it, so it rings for as long as any call does. */
const LONG = 3_600;

/** A call has one realm on each of its sides. */
function inOneRealm(group: ContactGroup, secure: boolean): readonly ContactGroup[] {
  const realms = new Map<string, Binding[]>();
  for (const binding of group) {
    const { realm, protocol } = binding.flow;
    const key = secure ? `${realm} ${isSecure(protocol)}` : realm;
    const same = realms.get(key);
    if (same === undefined) realms.set(key, [binding]);
    else same.push(binding);
  }
  return [...realms.values()].flatMap((bindings) => slices(bindings));
}

function slices(bindings: readonly Binding[]): readonly ContactGroup[] {
  const groups: ContactGroup[] = [];
  for (let at = 0; at < bindings.length; at += TOGETHER) groups.push(bindings.slice(at, at + TOGETHER));
  return groups;
}

/** A flow that ended before a restart, or while the phone slept, leads nowhere. */
export const canBeReached = ({ flow }: Binding): boolean => flow.connection !== GONE_CONNECTION;

/** By its flow and no other way: RFC 5626 §5.3. */
export const wayTo = ({ flow }: Binding): Destination => backOver(flow);

export function branchTo(binding: Binding, alternative: Branch["alternative"]): Branch {
  const { contact: target, path: routes } = binding;
  return { target, destination: wayTo(binding), routes, alternative };
}

/** RFC 3325 §5: who calls, as we know it, for a side that takes our word. */
export function assertedIn(
  caller: RegisteredCaller | undefined,
  to: RealmSettings,
): readonly (readonly [string, string])[] {
  if (caller === undefined || to.trust === "none") return [];
  return [["P-Asserted-Identity", formatNameAddr(caller.identity)]];
}
