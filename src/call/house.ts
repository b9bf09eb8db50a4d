import type { Agenda, Fact, Millis, Random, RealmSettings, Settings, TextMap } from "../base/index.ts";
import type { Dialog, LegHouse } from "../leg/index.ts";
import type { MediaSessions } from "../media/index.ts";
import type { Accounts, PhoneBook, TrunkBook } from "../registration/index.ts";
import type { Routing } from "../routing/index.ts";
import type { Aliases } from "./aliases.ts";
import type { Call } from "./call.ts";
import type { CallStart } from "./call-start.ts";
import type { CallTransport } from "./call-transport.ts";

/** What all calls of the box share. */
export interface CallHouse {
  /** As they are now; a call keeps the realms it began with. */
  settings: Settings;
  readonly random: Random;
  readonly agenda: Agenda;
  readonly legs: LegHouse;
  readonly transport: CallTransport;
  readonly media: MediaSessions;
  readonly routing: Routing;
  /** Whose challenges we answer; absent: nobody's. */
  readonly accounts: Accounts | undefined;
  /** Our registrations at peers; absent: there are none. */
  readonly trunks: TrunkBook | undefined;
  /** Phones that are registered; absent: none can be. */
  readonly phones: PhoneBook | undefined;
  readonly fact: (fact: Fact, now: Millis) => void;
  readonly version: string;
  /** What names inside bodies are called on the other side. */
  readonly aliases: Aliases;
  /** All dialogs by our own tag. */
  readonly book: TextMap<Dialog>;
  /** No new call is taken: shutting down, or at `limits.calls`. */
  readonly full: boolean;
  /** A call that nobody has placed; `undefined`: there is no room for it, or its peer may have no more. */
  place(start: Omit<CallStart, "id">, now: Millis): Call | undefined;
  /** The call is over and its legs are gone. */
  forget(call: Call): void;
}

/** We name ourselves to those who are trusted; a stranger learns no product and no version. */
export const productFor = (realm: RealmSettings, version: string): string | undefined =>
  realm.trust === "none" ? undefined : `Sallyport/${version}`;
