import type { Fact, Hash, Millis, Punctual, Random, Settings } from "../../base/index.ts";
import type { BindingBook, Gatekeeper, KeptBinding, LostFlows } from "../../registration/index.ts";
import type { Routing } from "../../routing/index.ts";
import type { Transactions } from "../../transaction/index.ts";
import type { Transport } from "../../transport/index.ts";
import type { Waking } from "./waking.ts";

/** Things that are done outside of the engine for phones: `io` does them, and answers by `PhoneInput`. */
export type PhoneOutput =
  /** To be kept over a restart: one that is new or has changed, or one that is over. */
  | { readonly out: "keep"; readonly binding: KeptBinding }
  | { readonly out: "forget"; readonly name: string }
  /** Who is this user? Answered by `user`. */
  | {
      readonly out: "look-up";
      readonly id: number;
      readonly url: string;
      readonly user: string;
      readonly realm: string;
    }
  /** Wake this phone: RFC 8599. Nobody answers; the phone comes, or does not. */
  | {
      readonly out: "wake";
      readonly url: string;
      readonly provider: string;
      readonly param: string | undefined;
      readonly prid: string;
    };

/** What all that has to do with phones shares. */
export interface PhoneHouse {
  settings: Settings;
  readonly random: Random;
  readonly hash: Hash;
  readonly agenda: { watch(owner: Punctual): void; drop(owner: Punctual): void };
  readonly transport: Transport;
  readonly transactions: Transactions;
  readonly routing: Routing;
  readonly book: BindingBook;
  readonly gatekeeper: Gatekeeper;
  readonly waking: Waking;
  /** Names of flows that the inside may still ask for. */
  readonly lost: LostFlows;
  /** Of this run of the box: what names are made of must not be guessed. */
  readonly secret: string;
  readonly fact: (fact: Fact, now: Millis) => void;
  readonly emit: (output: PhoneOutput) => void;
  /** User-Agent or Server toward this realm; `undefined`: none. */
  readonly product: (realm: string) => string | undefined;
}
