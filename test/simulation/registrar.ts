/**
 * The registrar at which the box registers (RFC 3261 §10.3, RFC 6140), as its script has it. What the box proves and asks
 * is judged.
 */
import { token } from "../../src/base/index.ts";
import { challenge, faultOfProof } from "./credentials.ts";
import type { Desk, Headers } from "./desk.ts";
import type { ProofTaste, RegistrarTurn } from "./script.ts";
import { WHO } from "./settings.ts";
import { headerOf, type Sip } from "./sip-text.ts";

/** What is granted, in seconds: short enough that a world has many of them. */
const GRANTED = 200;
/** What a 423 wants, in seconds: more than the box asks for by itself, or it would break RFC 3261 §10.3. */
const LEAST = 900;

export class Registrar {
  readonly #desk: Desk;
  readonly #turns: RegistrarTurn[];
  readonly #proof: ProofTaste;
  #asked = "";

  constructor(desk: Desk, turns: readonly RegistrarTurn[], proof: ProofTaste) {
    this.#desk = desk;
    this.#turns = [...turns];
    this.#proof = { ...proof, stale: false };
  }

  /** Once the turns are over every REGISTER is taken. */
  receive(request: Sip, key: string): void {
    const { options, host } = this.#desk;
    if (this.#asked !== "") {
      const fault = faultOfProof(request, 401, this.#asked, this.#proof, WHO);
      if (fault !== "") options.complain(`REGISTER: ${fault}`);
      this.#asked = "";
      return this.#grant(request, key);
    }
    const expires = Number(headerOf(request, "expires"));
    const turn = this.#turns.shift();
    if (turn === "silence") return;
    if (turn === "challenge") {
      this.#asked = token(options.diceOf(""), 16);
      return this.#say(request, key, 401, [challenge(401, host, this.#proof, this.#asked, false)]);
    }
    if (turn === "too brief" && expires > 0 && expires < LEAST)
      return this.#say(request, key, 423, [["Min-Expires", String(LEAST)]]);
    if (turn === "refuse") return this.#say(request, key, 403, []);
    if (turn === "busy") return this.#say(request, key, 503, [["Retry-After", "1"]]);
    this.#grant(request, key);
  }

  #grant(request: Sip, key: string): void {
    const left = Number(headerOf(request, "expires")) === 0;
    const contact = headerOf(request, "contact");
    if (!left && !/(^|, *)gin/.test(headerOf(request, "require")))
      this.#desk.options.complain("a REGISTER without gin");
    this.#say(request, key, 200, left ? [] : [["Contact", `${contact};expires=${GRANTED}`]]);
  }

  #say(request: Sip, key: string, status: number, headers: Headers): void {
    const to = `${headerOf(request, "to")};tag=${this.#desk.options.mark}registrar`;
    this.#desk.wire.respond(request, key, status, to, "honest", headers);
  }
}
