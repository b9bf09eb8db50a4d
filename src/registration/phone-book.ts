/** What calls want to know of registered phones. The engine keeps the book. */
import type { DomainSettings, Hop, Millis } from "../base/index.ts";
import type { NameAddr, Request, Uri } from "../message/index.ts";
import type { Binding } from "./bindings.ts";
import type { Admission } from "./gatekeeper.ts";

/** A registered phone that asks for something: proven by its flow, or by its password as well. */
export interface RegisteredCaller {
  readonly binding: Binding;
  readonly domain: DomainSettings;
  /** What P-Asserted-Identity says of it on sides that are trusted (RFC 3325). */
  readonly identity: NameAddr;
}

/** Contacts that ring together, the best group first. */
export type ContactGroup = readonly Binding[];

export interface PhoneBook {
  /** Does anybody register at all? What follows costs nothing otherwise. */
  readonly empty: boolean;
  /** Whoever registered over this flow; `undefined`: nobody, or it names somebody else in From. */
  callerAt(request: Request, hop: Hop): RegisteredCaller | undefined;
  /** Is this user registered? */
  isRegistered(uri: Uri): boolean;
  /** Where the user is now: groups of one q, as the domain wants them asked. `undefined`: nowhere. */
  contactsOf(uri: Uri): { readonly domain: DomainSettings; readonly groups: readonly ContactGroup[] } | undefined;
  /** A request of the inside registrar for a Contact that we gave it: that phone alone, and who it is. */
  calledAt(uri: Uri, hop: Hop): Binding | undefined;
  /** It asks for a Contact that we gave it, and whose flow is no more: RFC 5626 §5.3. */
  isLost(uri: Uri, hop: Hop, now: Millis): boolean;
  /** Other ways to the same phone, the best first, for when this one fails: RFC 5626 §7. */
  otherFlows(binding: Binding): readonly Binding[];
  /** Values of Route for a request of this phone that goes to its registrar: RFC 3608 §6.1. */
  routesOf(caller: Binding, peer: string): readonly string[];
  /** Wakes those of them that sleep (RFC 8599). False: nobody has to be waited for; else `done` is called once, later. */
  wake(bindings: readonly Binding[], done: (now: Millis) => void, now: Millis): boolean;
  /** Must this caller prove with each request who it is? */
  asksProof(caller: RegisteredCaller): boolean;
  /** Judges the proof (Proxy-Authorization); `done` is called once, mostly at once. */
  admit(
    caller: RegisteredCaller,
    request: Request,
    done: (admission: Admission, now: Millis) => void,
    now: Millis,
  ): void;
}
