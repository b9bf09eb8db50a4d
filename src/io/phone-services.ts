/** What the engine asks of others for phones: who a user is, and to wake a phone. Both by HTTP, bounded in every way. */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { EngineInput, PhoneOutput } from "../engine/index.ts";

/** Limit: how long an answer may take; then the phone is told to come again. */
const ANSWER_LIMIT_MS = 3_000;
/** Limit: of an answer, in bytes. */
const ANSWER_BYTES = 4_096;
/** Limit: questions at once; more fail at once. */
const OPEN_LIMIT = 200;

type Answer = Extract<EngineInput, { in: "user" }>["answer"];

export class PhoneServices {
  readonly #input: (input: EngineInput) => void;
  readonly #failed: (reason: string) => void;
  #open = 0;

  constructor(input: (input: EngineInput) => void, failed: (reason: string) => void) {
    this.#input = input;
    this.#failed = failed;
  }

  /** GET url?user=…&realm=… answers {"MD5": "…", "SHA-256": "…"}; 404: no such user. */
  lookUp({ id, url, user, realm }: Extract<PhoneOutput, { out: "look-up" }>): void {
    const asked = new URL(url);
    asked.searchParams.set("user", Buffer.from(user, "latin1").toString("utf8"));
    asked.searchParams.set("realm", Buffer.from(realm, "latin1").toString("utf8"));
    this.#ask("GET", asked, undefined, (status, body) => {
      // Never within the step that asked.
      setImmediate(() => this.#input({ in: "user", id, answer: answerIn(status, body) }));
    });
  }

  /** POST of the parameters of RFC 8599 §4.1 as JSON. */
  wake({ url, provider, param, prid }: Extract<PhoneOutput, { out: "wake" }>): void {
    const body = JSON.stringify({ "pn-provider": provider, "pn-param": param, "pn-prid": prid });
    this.#ask("POST", new URL(url), body, (status) => {
      if (status < 200 || status > 299) this.#failed(`the push gateway answered ${status === 0 ? "nothing" : status}`);
    });
  }

  #ask(method: string, url: URL, body: string | undefined, done: (status: number, body: string) => void): void {
    if (this.#open >= OPEN_LIMIT) return done(0, "");
    this.#open += 1;
    let over = false;
    const end = (status: number, text: string): void => {
      if (over) return;
      over = true;
      clearTimeout(limit);
      this.#open -= 1;
      done(status, text);
    };
    const headers =
      body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const ask = url.protocol === "https:" ? httpsRequest : httpRequest;
    const asked = ask(url, { method, headers }, (answer) => {
      let text = "";
      answer.setEncoding("latin1");
      answer.on("data", (part: string) => {
        text += part;
        if (text.length > ANSWER_BYTES) asked.destroy();
      });
      answer.on("end", () => end(answer.statusCode ?? 0, text));
      answer.on("close", () => end(0, ""));
    });
    const limit = setTimeout(() => asked.destroy(), ANSWER_LIMIT_MS);
    asked.on("error", () => end(0, ""));
    asked.on("close", () => end(0, ""));
    asked.end(body);
  }
}

/** A user that there is not has no digests; whatever else goes wrong tells nothing about the user. */
function answerIn(status: number, body: string): Answer {
  if (status === 404) return {};
  if (status !== 200) return "failed";
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== "object" || value === null) return "failed";
    const digests: Record<string, string> = {};
    for (const name of ["MD5", "SHA-256", "SHA-512-256"] as const) {
      const digest = (value as Record<string, unknown>)[name];
      if (typeof digest === "string") digests[name] = digest;
    }
    return digests;
  } catch {
    return "failed";
  }
}
