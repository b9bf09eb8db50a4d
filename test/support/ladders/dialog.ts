/** What a party of a ladder knows about one of its dialogs. Read and written by it alone, as RFC 3261 §12 has it. */
import { headerOf, headersOf, tagOf, uriOf } from "../scripted-party.ts";

export class PartyDialog {
  callId: string;
  /** From of our requests, To of theirs. */
  local: string;
  remote: string;
  /** Where requests go: their Contact. */
  target: string;
  routes: readonly string[] = [];
  cseq: number;
  /** Our tags: more than one when we fork. */
  readonly tags = new Set<string>();
  /** CSeq of their last request, other than ACK and CANCEL, by the tag of ours that it names. */
  readonly remoteCseq = new Map<string, number>();
  /** The last INVITE that we sent, and the last of each method that we got. */
  invite = "";
  readonly asked = new Map<string, string>();
  /** The last final response or reliable 1xx to each method of ours. */
  readonly answers = new Map<string, string>();
  /** The last 2xx to an INVITE of ours. */
  accepted = "";
  /** What we sent last, by `INVITE` or `180`. */
  readonly sent = new Map<string, string>();
  sdpVersion = 0;
  /** o= line and number of m-lines of the box's last description. */
  origin = "";
  lines = 0;

  constructor(first: Pick<PartyDialog, "callId" | "local" | "remote" | "target" | "cseq">) {
    this.callId = first.callId;
    this.local = first.local;
    this.remote = first.remote;
    this.target = first.target;
    this.cseq = first.cseq;
    this.tags.add(tagOf(first.local));
  }

  /** As the callee: from the request that opened it. */
  static from(request: string): PartyDialog {
    const dialog = new PartyDialog({
      callId: headerOf(request, "Call-ID"),
      local: headerOf(request, "To"),
      remote: headerOf(request, "From"),
      target: uriOf(headerOf(request, "Contact")),
      cseq: 100,
    });
    dialog.routes = headersOf(request, "Record-Route");
    return dialog;
  }

  get open(): boolean {
    return tagOf(this.remote) !== "" && tagOf(this.local) !== "";
  }

  /** A response to a request of ours. */
  took(response: string, method: string): void {
    const status = Number(response.split(" ")[1]);
    if (status === 100) return;
    this.answers.set(method, response);
    if (method === "INVITE" && status >= 200 && status < 300) this.accepted = response;
    const opens = method === "INVITE" || method === "SUBSCRIBE" || method === "REFER";
    if (status >= 300 && tagOf(headerOf(this.invite, "To")) === "" && method === "INVITE") {
      this.remote = this.remote.replace(/;tag=.*/, "");
    } else if (status < 300 && opens) {
      this.remote = headerOf(response, "To");
      const contact = headerOf(response, "Contact");
      if (contact !== "") this.target = uriOf(contact);
      if (headersOf(response, "Record-Route").length > 0) this.routes = headersOf(response, "Record-Route").reverse();
    }
  }

  /** A request of theirs. */
  got(request: string, method: string): void {
    this.asked.set(method, request);
    if (method === "ACK" || method === "CANCEL") return;
    this.remoteCseq.set(tagOf(headerOf(request, "To")), Number.parseInt(headerOf(request, "CSeq"), 10));
    const contact = headerOf(request, "Contact");
    if (contact !== "" && (method === "INVITE" || method === "UPDATE")) this.target = uriOf(contact);
  }

  /** `Call-ID;to-tag=…;from-tag=…`, as we write it to the other end of this dialog. RFC 3891 §6.1. */
  get name(): string {
    return `${this.callId};to-tag=${tagOf(this.remote)};from-tag=${tagOf(this.local)}`;
  }

  /** The same as the other end has to write it to us. */
  get nameForUs(): string {
    return `${this.callId};to-tag=${tagOf(this.local)};from-tag=${tagOf(this.remote)}`;
  }
}
