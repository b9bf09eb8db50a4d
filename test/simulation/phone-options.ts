/** What a simulated phone is given. */
import type { Random } from "../../src/base/index.ts";
import type { Clock } from "./network.ts";
import type { CalleeScript } from "./script.ts";

export interface PhoneOptions {
  readonly clock: Clock;
  /** Of the call that this message or number belongs to. */
  readonly diceOf: (text: string) => Random;
  /** Stands in all that this side makes up: hosts, tags, branches, Call-IDs, CNAMEs. */
  readonly mark: string;
  readonly ip: string;
  readonly port: number;
  /** Where its requests go: `sip:…` host and port of the box on this side. */
  readonly box: string;
  readonly reliable: boolean;
  readonly protocol: "UDP" | "TLS";
  readonly srtp: boolean;
  readonly send: (text: string) => void;
  /** How the next call that arrives for this number is to be handled. */
  readonly scriptFor: (number: string) => CalleeScript | undefined;
}
