/** The offers and answers of one dialog, as the box sends and gets them. RFC 3264 §4 to §8, RFC 3261 §13.2.1, RFC 3262 §5, RFC 3311 §5. */
import { type Direction, directionOf, hasNoPlace, sectionsOf } from "./sdp-text.ts";
import { branchOf, cseqOf, headerOf, methodOf, type Sip, statusOf } from "./sip-text.ts";

type Who = "ours" | "theirs";

interface Offer {
  readonly by: Who;
  readonly sdp: string;
  /** The transaction that it came in, and the method. */
  readonly cseq: number;
  readonly method: string;
}

interface Transaction {
  readonly by: Who;
  readonly method: string;
  readonly cseq: number;
  /** Its request had an offer; the answer to it, or an offer of its own, came in a response. */
  readonly offered: boolean;
  answered: boolean;
  counter: boolean;
  /** An answer that was given before its time, in an unreliable 1xx. */
  preview: string;
}

/** `ours` is the box. Says what is wrong with its conduct; peers are believed to be fair, and only followed. */
export class DialogOffers {
  readonly #name: string;
  readonly #report: (what: string) => void;
  readonly #transactions = new Map<string, Transaction>();
  #pending: Offer | undefined;
  #last: Record<Who, string> = { ours: "", theirs: "" };
  /** What of ours stood in an exchange that came to its end. */
  #agreed = "";
  /** Nothing can be told any more: a peer's message that we saw was of no use to the box, or crossed one of its own. */
  #lost = false;

  constructor(name: string, report: (what: string) => void) {
    this.#name = name;
    this.#report = report;
  }

  request(by: Who, sip: Sip): void {
    const method = methodOf(sip);
    const { number: cseq } = cseqOf(sip);
    if (method === "ACK") return this.#ack(by, sip, cseq);
    const key = `${by} ${method} ${cseq} ${branchOf(sip)}`;
    const offered = sip.body.startsWith("v=0");
    // In a PRACK SDP may be the answer to the offer of the reliable 1xx.
    const pending = this.#pending;
    const answers = offered && method === "PRACK" && pending?.method === "INVITE" && pending.by !== by;
    this.#transactions.set(key, {
      by,
      method,
      cseq,
      offered: offered && !answers,
      answered: false,
      counter: false,
      preview: "",
    });
    if (!offered) return;
    if (answers) this.#answer(by, sip.body, `PRACK ${cseq}`);
    else this.#offer(by, sip.body, cseq, method);
  }

  response(by: Who, sip: Sip): void {
    const { method, number: cseq } = cseqOf(sip);
    const status = statusOf(sip);
    if (method === "CANCEL") {
      // Its final response was lost for good: whoever asked counts the INVITE as cancelled after 64 T1 (RFC 3261 §9.1).
      if (status === 481) this.#refused({ method: "INVITE", cseq });
      return;
    }
    const asker: Who = by === "ours" ? "theirs" : "ours";
    const transaction = this.#find(asker, method, cseq, sip);
    const what = `${status} to ${method} ${cseq}`;
    const sdp = sip.body.startsWith("v=0") ? sip.body : "";
    if (transaction === undefined) return;
    if (status >= 300) return this.#refused(transaction);
    if (status < 200) {
      if (sdp === "") return;
      if (headerOf(sip, "rseq") === "") {
        if (transaction.offered && by === "ours") {
          if (transaction.preview !== "" && sdp !== transaction.preview) transaction.preview = sdp;
          this.#judgePreview(sdp, what);
        }
        return;
      }
    } else if (sdp === "") {
      const owed = transaction.offered && !transaction.answered;
      if (owed && by === "ours") this.#say(`${what} without the answer`);
      if (owed && by === "theirs") this.#lost = true;
      return;
    }
    if (transaction.offered && !transaction.answered) {
      transaction.answered = true;
      return this.#answer(by, sdp, what);
    }
    if (!transaction.offered && !transaction.counter && method === "INVITE") {
      transaction.counter = true;
      return this.#offer(by, sdp, cseq, method);
    }
    // Said once more after it was settled: nothing new (RFC 6337 §3.1.1).
  }

  end(): void {
    // An offer that was never answered has its own end: the transaction failed, or the call did.
  }

  #find(by: Who, method: string, cseq: number, sip: Sip): Transaction | undefined {
    const key = `${by} ${method} ${cseq} ${branchOf(sip)}`;
    let found = this.#transactions.get(key);
    if (found === undefined && method === "INVITE") {
      // The INVITE that makes the dialog was written before there was a To tag: its first response begins the record here.
      found = this.#adopt?.(by, cseq, branchOf(sip));
      if (found !== undefined) this.#transactions.set(key, found);
    }
    return found;
  }

  /** Looks up what the first INVITE said. Set by who knows. */
  #adopt: ((by: Who, cseq: number, branch: string) => Transaction | undefined) | undefined;

  /** `invite`: the INVITE of this dialog, which had no To tag yet. */
  begin(by: Who, invite: Sip): void {
    if (this.#adopt !== undefined) return;
    const offered = invite.body.startsWith("v=0");
    const { number: cseq } = cseqOf(invite);
    if (offered && this.#pending === undefined) {
      this.#pending = { by, sdp: invite.body, cseq, method: "INVITE" };
      this.#last[by] = invite.body;
    }
    this.#adopt = (asker, number) =>
      asker === by && number === cseq
        ? { by, method: "INVITE", cseq, offered, answered: false, counter: false, preview: "" }
        : undefined;
  }

  #ack(by: Who, sip: Sip, cseq: number): void {
    const sdp = sip.body.startsWith("v=0") ? sip.body : "";
    const pending = this.#pending;
    const owed = pending !== undefined && pending.by !== by && pending.method === "INVITE" && pending.cseq === cseq;
    if (!owed) {
      if (sdp !== "" && by === "ours") this.#say(`ACK ${cseq} with SDP, though nothing waits for an answer`);
      return;
    }
    // Without one the call is being ended (RFC 3261 §15): whoever is left to talk complains for himself.
    if (sdp !== "") this.#answer(by, sdp, `ACK ${cseq}`);
    else this.#pending = undefined;
  }

  #offer(by: Who, sdp: string, cseq: number, method: string): void {
    const what = `offer in ${method} ${cseq}`;
    if (this.#pending !== undefined) {
      if (by === "ours")
        this.#say(`${what} while the offer in ${this.#pending.method} ${this.#pending.cseq} has no answer`);
      else return; // Theirs crossed ours: it will be refused.
    }
    if (by === "ours") this.#judgeNext(sdp, what);
    this.#pending = { by, sdp, cseq, method };
    this.#last[by] = sdp;
  }

  #answer(by: Who, sdp: string, what: string): void {
    const pending = this.#pending;
    if (pending === undefined || pending.by === by) {
      if (by === "ours") this.#say(`${what}: an answer to nothing`);
      return;
    }
    if (by === "ours") {
      this.#judgeAnswer(pending.sdp, sdp, what);
      this.#judgeVersion(sdp, what);
    }
    this.#pending = undefined;
    this.#last[by] = sdp;
    this.#agreed = this.#last.ours;
  }

  #refused(transaction: Pick<Transaction, "method" | "cseq">): void {
    const pending = this.#pending;
    if (pending === undefined || pending.method !== transaction.method || pending.cseq !== transaction.cseq) return;
    this.#pending = undefined;
  }

  #judgePreview(sdp: string, what: string): void {
    const pending = this.#pending;
    if (pending !== undefined && pending.by === "theirs") this.#judgeAnswer(pending.sdp, sdp, what);
  }

  /** RFC 3264 §6. */
  #judgeAnswer(offer: string, answer: string, what: string): void {
    const offered = sectionsOf(offer);
    const given = sectionsOf(answer);
    if (offered.length !== given.length) return this.#say(`${what}: ${given.length} streams for ${offered.length}`);
    for (const [index, theirs] of offered.entries()) {
      const ours = given[index]!;
      const [kind, port, profile, ...formats] = wordsOf(theirs);
      const [ourKind, ourPort, ourProfile, ...ourFormats] = wordsOf(ours);
      const stream = `${what}, stream ${index}`;
      if (kind !== ourKind || profile !== ourProfile)
        this.#say(`${stream}: ${ourKind} ${ourProfile} for ${kind} ${profile}`);
      if (port === "0" && ourPort !== "0") this.#say(`${stream}: a refused stream was accepted`);
      if (ourPort === "0") continue;
      if (!ourFormats.some((format) => formats.includes(format))) this.#say(`${stream}: no format of the offer`);
      const wanted = directionIn(offer, theirs);
      const answered = directionIn(answer, ours);
      // Of a new stream c=0.0.0.0 says that its place is not known yet (RFC 3264 §5.1); of an old one, hold.
      if (!hasNoPlace(theirs) && !FITS[wanted].includes(answered)) this.#say(`${stream}: ${answered} for ${wanted}`);
      const tag = /a=crypto:(\d+) /.exec(ours)?.[1];
      if (tag !== undefined && !theirs.includes(`a=crypto:${tag} `))
        this.#say(`${stream}: crypto ${tag} was not offered`);
      if (profile === "RTP/SAVP" && tag === undefined) this.#say(`${stream}: RTP/SAVP without a key`);
    }
  }

  /** RFC 3264 §8: streams are not taken away, and keep their kind while they live. */
  #judgeNext(sdp: string, what: string): void {
    const before = sectionsOf(this.#agreed);
    const now = sectionsOf(sdp);
    if (now.length < before.length) this.#say(`${what}: ${now.length} streams after ${before.length}`);
    this.#judgeVersion(sdp, what);
  }

  #judgeVersion(sdp: string, what: string): void {
    const before = this.#last.ours;
    if (before === "" || before === sdp) return;
    const [, id, version] = originOf(before);
    const [, idNow, versionNow] = originOf(sdp);
    if (id !== idNow) return this.#say(`${what}: o= is another session's`);
    const same = withoutOrigin(before) === withoutOrigin(sdp);
    // Known gap: an offer that the box answered itself has counted on the side that never saw it.
    const grown = Number(versionNow) - Number(version);
    if (grown < (same ? 0 : 1)) this.#say(`${what}: version ${versionNow} after ${version}`);
  }

  #say(what: string): void {
    if (!this.#lost) this.#report(`${what} [${this.#name}]`);
  }
}

const FITS: Readonly<Record<Direction, readonly Direction[]>> = {
  sendrecv: ["sendrecv", "sendonly", "recvonly", "inactive"],
  sendonly: ["recvonly", "inactive"],
  recvonly: ["sendonly", "inactive"],
  inactive: ["inactive"],
};

const wordsOf = (section: string): string[] => section.split("\r\n")[0]!.split(" ");
const originOf = (sdp: string): string[] => /o=(.*)/.exec(sdp)?.[1]?.split(" ") ?? [];
const withoutOrigin = (sdp: string): string => sdp.replace(/\r\no=.*/, "");
const directionIn = (sdp: string, section: string): Direction =>
  directionOf(section) ?? directionOf(sdp.split(/\r\nm=/)[0] ?? "") ?? "sendrecv";
