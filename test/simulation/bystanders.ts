/**
 * What a simulated phone does outside of calls: single requests (RFC 3428, 3903), and both ends of a subscription
 * (RFC 6665). Each errand has a number of its own, which stands in the user part of whom it asks.
 */
import { type Millis, type Random, token } from "../../src/base/index.ts";
import { type Desk, type Headers, tagIn } from "./desk.ts";
import type { Dialog } from "./dialog.ts";
import type { ErrandScript, Habits } from "./script.ts";
import { cseqOf, headerOf, headersOf, type Sip, statusOf, uriOf } from "./sip-text.ts";

const BODIES = {
  MESSAGE: ["text/plain", "lunch?"],
  PUBLISH: ["text/plain", "open"],
  SUBSCRIBE: ["", ""],
} as const;

/** What an errand came to, at the end that began it. */
export interface ErrandEnd {
  /** The final status of the first request; 0: none came. */
  status: number;
  /** NOTIFYs that came, and what the last one said: the state without its parameters. */
  notified: number;
  told: string;
  /** It asked for its own end. */
  left: boolean;
}

export class Bystanders {
  readonly #desk: Desk;
  readonly ends = new Map<string, ErrandEnd>();
  readonly #subscribers = new Map<Dialog, ErrandEnd>();
  readonly #notifiers = new Map<Dialog, Notifier>();

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  // ---- the end that begins

  begin(number: string, script: ErrandScript, random: Random): void {
    const { mark, box } = this.#desk.options;
    const localTag = this.#desk.tag(random);
    const ids = {
      callId: `${mark}${token(random, 12)}@${this.#desk.host}`,
      local: `<sip:watcher@${this.#desk.host}>;tag=${localTag}`,
      localTag,
      remote: `<sip:${number}@${box}>`,
      target: `sip:${number}@${box}`,
    };
    const dialog = this.#desk.newDialog(number, habitsOf(script.from), random, ids, "none");
    const end: ErrandEnd = { status: 0, notified: 0, told: "", left: false };
    this.ends.set(number, end);
    if (script.method !== "SUBSCRIBE") {
      const [type, body] = BODIES[script.method];
      const typed: Headers = [["Content-Type", type]];
      const event: Headers =
        script.method === "PUBLISH"
          ? [
              ["Event", "presence"],
              ["Expires", "60"],
            ]
          : [];
      this.#desk.request(dialog, script.method, [...typed, ...event], body, (response) => {
        if (statusOf(response) >= 200) end.status = statusOf(response);
      });
      return;
    }
    this.#desk.keep(dialog); // A NOTIFY may be there before the 2xx: it is found without their tag.
    this.#subscribers.set(dialog, end);
    this.#subscribe(dialog, script, end, script.expires, 0);
  }

  #subscribe(dialog: Dialog, script: ErrandScript, end: ErrandEnd, expires: number, round: number): void {
    const lines: Headers = [["Event", "presence"], ["Expires", String(expires)], this.#desk.contact];
    const onResponse = (response: Sip): void => {
      const status = statusOf(response);
      if (status < 200) return;
      if (round === 0) end.status = status;
      if (status >= 300) {
        dialog.state = "over";
        return;
      }
      this.#learn(dialog, headerOf(response, "to"), response);
      if (expires === 0) return;
      const granted = Number(headerOf(response, "expires")) || expires;
      if (round < script.refreshes) {
        this.#desk.after((granted * 1_000) / 2, () => this.#again(dialog, script, end, expires, round + 1));
      } else if (script.ends === "subscriber") {
        this.#desk.after(script.endAfter, () => {
          end.left = true;
          this.#again(dialog, script, end, 0, round + 1);
        });
      }
    };
    this.#desk.request(dialog, "SUBSCRIBE", lines, "", onResponse, () => {
      dialog.state = "over";
    });
  }

  #again(dialog: Dialog, script: ErrandScript, end: ErrandEnd, expires: number, round: number): void {
    if (dialog.state === "up") this.#subscribe(dialog, script, end, expires, round);
  }

  /** The first 2xx or NOTIFY makes the dialog. */
  #learn(dialog: Dialog, remote: string, from: Sip): void {
    if (dialog.state !== "early") return;
    dialog.state = "up";
    dialog.remote = remote;
    dialog.target = uriOf(headerOf(from, "contact")) || dialog.target;
    const routes = headersOf(from, "record-route");
    dialog.route = from.start.startsWith("SIP/2.0") ? routes.reverse() : routes;
    this.#desk.keep(dialog);
  }

  /** A NOTIFY whose dialog began with a SUBSCRIBE that has no answer yet. */
  pending(callId: string, localTag: string): Dialog | undefined {
    const found = this.#desk.find(callId, localTag, "");
    return found !== undefined && this.#subscribers.has(found) ? found : undefined;
  }

  #notified(request: Sip, key: string, dialog: Dialog, end: ErrandEnd): void {
    if (dialog.state === "over") return this.#reply(request, key, dialog, 481);
    this.#learn(dialog, headerOf(request, "from"), request);
    end.notified += 1;
    end.told = headerOf(request, "subscription-state").split(";")[0]!.trim();
    if (end.told === "terminated") dialog.state = "over";
    this.#reply(request, key, dialog, 200);
  }

  // ---- the end that is asked

  /** A request outside of dialogs that is no INVITE. */
  asked(request: Sip, key: string, method: string, number: string, script: ErrandScript, random: Random): void {
    if (script.to === "mute") return;
    const to = `${headerOf(request, "to")};tag=${this.#desk.tag(random)}`;
    const etag: Headers =
      method === "PUBLISH" && script.status < 300
        ? [
            ["SIP-ETag", "q7"],
            ["Expires", "60"],
          ]
        : [];
    const answer = (): void => {
      if (method !== "SUBSCRIBE" || script.status >= 300) {
        return this.#desk.wire.respond(request, key, script.status, to, script.to, etag);
      }
      const notifier = new Notifier(this.#desk, request, to, number, script, random);
      this.#notifiers.set(notifier.dialog, notifier);
      notifier.granted(request, key);
    };
    this.#desk.after(script.answerAfter, answer);
  }

  /** Inside a dialog of a subscription; false: it is another one. */
  receive(request: Sip, key: string, method: string, dialog: Dialog): boolean {
    const end = this.#subscribers.get(dialog);
    const notifier = this.#notifiers.get(dialog);
    if (end === undefined && notifier === undefined) return false;
    const cseq = cseqOf(request).number;
    if (cseq <= dialog.remoteCseq) this.#reply(request, key, dialog, 500);
    else {
      dialog.remoteCseq = cseq;
      if (end !== undefined && method === "NOTIFY") this.#notified(request, key, dialog, end);
      else if (notifier !== undefined && method === "SUBSCRIBE" && dialog.state === "up")
        notifier.granted(request, key);
      else this.#reply(request, key, dialog, dialog.state === "over" ? 481 : 405);
    }
    return true;
  }

  #reply(request: Sip, key: string, dialog: Dialog, status: number): void {
    this.#desk.wire.respond(request, key, status, headerOf(request, "to"), dialog.habits.temper);
  }
}

/** The notifier of one subscription. RFC 6665 §4.2. */
class Notifier {
  readonly dialog: Dialog;
  readonly #desk: Desk;
  readonly #script: ErrandScript;
  #expiresAt: Millis = 0;
  #begun = false;

  constructor(desk: Desk, subscribe: Sip, to: string, number: string, script: ErrandScript, random: Random) {
    this.#desk = desk;
    this.#script = script;
    const ids = {
      callId: headerOf(subscribe, "call-id"),
      local: to,
      localTag: tagIn(to),
      remote: headerOf(subscribe, "from"),
      target: uriOf(headerOf(subscribe, "contact")),
    };
    this.dialog = desk.keep(desk.newDialog(number, habitsOf(script.to), random, ids, "none"));
    this.dialog.route = headersOf(subscribe, "record-route");
    this.dialog.state = "up";
    this.dialog.remoteCseq = cseqOf(subscribe).number;
  }

  /** The first SUBSCRIBE, or one more. */
  granted(request: Sip, key: string): void {
    const { dialog } = this;
    const expires = Number(headerOf(request, "expires"));
    this.#desk.wire.respond(request, key, 200, dialog.local, dialog.habits.temper, [
      ["Expires", String(expires)],
      this.#desk.contact,
    ]);
    if (expires === 0) return this.#end("timeout");
    const { clock } = this.#desk.options;
    this.#expiresAt = clock.now + expires * 1_000;
    this.#desk.after(expires * 1_000, () => {
      if (clock.now >= this.#expiresAt) this.#end("timeout");
    });
    this.#notify(`active;expires=${expires}`);
    if (this.#begun) return;
    this.#begun = true;
    for (const after of this.#script.notifies) this.#desk.after(after, () => this.#notify("active"));
    const { ends, endAfter } = this.#script;
    if (ends === "notifier") this.#desk.after(endAfter, () => this.#end("deactivated"));
    if (ends !== "nobody") return;
    this.#desk.after(endAfter, () => {
      this.dialog.state = "over";
    });
  }

  #end(reason: string): void {
    this.#notify(`terminated;reason=${reason}`);
    this.dialog.state = "over";
  }

  #notify(state: string): void {
    if (this.dialog.state !== "up" || this.#script.silent) return;
    const lines: Headers = [
      ["Event", "presence"],
      ["Subscription-State", state],
      ["Content-Type", "text/plain"],
      this.#desk.contact,
    ];
    const onResponse = (response: Sip): void => {
      if (statusOf(response) === 481) this.dialog.state = "over";
    };
    this.#desk.request(this.dialog, "NOTIFY", lines, "open", onResponse, () => {
      this.dialog.state = "over";
    });
  }
}

/** Nothing of a call is asked of it. */
const habitsOf = (temper: Habits["temper"]): Habits => ({
  temper,
  timer: { kind: "none", seconds: 90 },
  takesUpdate: false,
  vanishAfter: undefined,
  byeAfter: undefined,
  steps: [],
  toReinvite: { after: 0, rings: false, status: 200 },
});
