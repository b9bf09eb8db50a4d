/** One dialog of a leg, early or confirmed: RFC 3261 §12. */
import {
  backOver,
  type Destination,
  type Hop,
  isReliable,
  isSecure,
  isWeb,
  type Millis,
  PeerError,
  type Protocol,
  sameAddress,
} from "../base/index.ts";
import { Contact, type Message, parseUri, type Request, RequestDraft, type Response } from "../message/index.ts";
import { ALLOW } from "./contact.ts";
import type { Leg } from "./leg.ts";
import type { FlowHolder, LegTransport } from "./ports.ts";
import { type RouteHop, routeSetOf, type Way, wayTo } from "./route-set.ts";

/**
 * Who owes an answer to an offer in this dialog (RFC 3264 §4, RFC 6337 §2). `none`: nothing was offered yet.
 */
export type Exchange = "none" | "ours" | "theirs" | "settled";

/** The ACK we sent for a 2xx, to be sent again for each copy of it. */
interface SentAck {
  readonly seq: number;
  readonly handle: { resend(now: Millis): void };
}

/** What a dialog needs of whoever it belongs to: a leg of a call, or one side of a subscription. */
export interface DialogOwner {
  readonly house: { readonly transport: Pick<LegTransport, "resolve"> };
  readonly realm: string;
  readonly nated: boolean;
  readonly tcpForLargeRequests: boolean;
  readonly phones?: readonly FlowHolder[] | undefined;
  hold(connection: number): void;
}

export class Dialog<Owner extends DialogOwner = Leg> {
  readonly leg: Owner;
  readonly callId: string;
  readonly localTag: string;
  /** `undefined`: a peer of RFC 2543 that gives no tag. */
  remoteTag: string | undefined;
  /** From and To as they stand in our requests, tags included. */
  local: string;
  remote: string;
  localSeq: number;
  remoteSeq: number | undefined;
  confirmed = false;
  exchange: Exchange = "none";
  /** The exchange of its INVITE was over before the 2xx, by reliable 1xx. */
  agreed = false;
  /** Which of the descriptions our INVITE went out with it answers: see `Branch.alternative`. */
  alternative = 0;
  /** The dialog of the other leg that this one belongs with. */
  twin: Dialog<Owner> | undefined;
  /** The one that it is about to belong with: a transfer asks its end to change over. */
  meets: Dialog<Owner> | undefined;
  /** RFC 3262 §4: the last reliable 1xx that we took. */
  lastRSeq: number | undefined;
  acked: SentAck | undefined;
  /** What this dialog is called toward others: see Leg.aliasOf. */
  alias: string | undefined;
  /** A REFER came in it: those that follow have an id (RFC 3515 §2.4.6). */
  referred = false;
  /** UUID of the end that this dialog leads to (RFC 7989), and the one that it gave in a request not answered yet. */
  end: string | undefined;
  newEnd: string | undefined;
  /** The answer as the peer gave it before its 2xx, and what the other side was told of it. */
  earlyRemote: string | undefined;
  earlyLocal: string | undefined;
  /** Methods that the peer said it takes (Allow); `undefined`: it did not say. */
  allows: string | undefined;
  /** Info packages that the peer said it takes (Recv-Info, RFC 6086 §5.2); `undefined`: it did not say. */
  receivesInfo: string | undefined;
  #hop: Hop | undefined;
  /** The registered phone that speaks here, and its flow when it spoke last. */
  #phone: FlowHolder | undefined;
  #phoneFlow: Hop | undefined;
  #overTls = false;
  #target: string;
  #routeSet: readonly RouteHop[] = [];
  #way: Way | undefined;
  #reached: Destination | undefined;

  constructor(leg: Owner, callId: string, localTag: string, target: string, localSeq: number) {
    this.leg = leg;
    this.callId = callId;
    this.localTag = localTag;
    this.local = "";
    this.remote = "";
    this.#target = target;
    this.localSeq = localSeq;
  }

  /** The remote target as it is now. */
  get target(): string {
    return this.#target;
  }

  get hop(): Hop | undefined {
    return this.#hop;
  }

  get phone(): FlowHolder | undefined {
    return this.#phone;
  }

  /** What a request that creates the dialog tells about the caller: RFC 3261 §12.1.1. Throws PeerError(400). */
  takeRequest(request: Request, hop: Hop): void {
    this.#speaksOver(hop);
    this.#routeSet = routeSetOf(request, "as written");
    if (isOld(request)) this.#target = addressOf(request);
    else this.#retarget(request, "the caller");
    this.allows = request.headers.raw("allow");
    this.receivesInfo = request.headers.raw("recv-info");
  }

  /** What a response that creates or confirms the dialog tells about the callee: RFC 3261 §12.1.2, §13.2.2.4. */
  takeResponse(response: Response, hop: Hop): void {
    this.#speaksOver(hop);
    this.remoteTag = response.toTag;
    this.remote = response.headers.raw("to") ?? this.remote;
    this.#routeSet = routeSetOf(response, "reversed");
    this.#way = undefined;
    if (response.headers.has("contact")) this.#retarget(response, "the callee");
    this.allows = response.headers.raw("allow") ?? this.allows;
    this.receivesInfo = response.headers.raw("recv-info") ?? this.receivesInfo;
  }

  /** Would `refresh` take this request? It is to come with our 2xx to it (RFC 6141 §4.6). Throws PeerError(400). */
  check(message: Message): void {
    if (message.headers.has("contact")) this.#targetIn(message, "the peer");
  }

  /** A target refresh (RFC 3261 §12.2): Contact may move, the route set stays. Throws PeerError(400). */
  refresh(message: Message, hop: Hop): void {
    this.#speaksOver(hop);
    if (message.headers.has("contact")) this.#retarget(message, "the peer");
  }

  /** The peer is behind NAT and has spoken from another place than before; whoever follows it with the media says so. */
  moved = false;

  /** Where the last message of the peer came from. */
  heardFrom(hop: Hop): void {
    const before = this.#hop;
    if (before === hop) return;
    // Another connection; or another port of a phone whose NAT has forgotten it (RFC 4787 §4.1).
    const moved = this.leg.nated && before !== undefined && !sameAddress(before.remote, hop.remote);
    if (before?.connection !== hop.connection || moved) this.#reached = undefined;
    this.moved ||= moved;
    this.#speaksOver(hop);
  }

  allowsMethod(method: string): boolean {
    return (
      this.allows === undefined ||
      this.allows
        .toUpperCase()
        .split(/[\s,]+/)
        .includes(method)
    );
  }

  /** The peer has answered so that it does not take this method after all. */
  refuses(method: string): void {
    const list = (this.allows ?? ALLOW).split(/[\s,]+/);
    this.allows = list.filter((one) => one.toUpperCase() !== method).join(", ");
  }

  /** A request inside the dialog, complete but for what the call adds. RFC 3261 §12.2.1.1. */
  draft(method: string, seq: number, maxForwards: number): RequestDraft {
    const way = this.#wayNow();
    const draft = new RequestDraft(method, way.requestUri);
    for (const route of way.routes) draft.add("Route", route);
    return draft
      .add("Max-Forwards", String(maxForwards))
      .add("From", this.local)
      .add("To", this.remote)
      .add("Call-ID", this.callId)
      .add("CSeq", `${seq} ${method}`);
  }

  /** May this dialog be spoken of over `protocol`? What began over TLS has keys in its SDP: nothing less will do. */
  admits(protocol: Protocol): boolean {
    return !this.#overTls || isSecure(protocol);
  }

  /** Finds the next hop, perhaps at once; `undefined`: there is no way. */
  reach(now: Millis, done: (destination: Destination | undefined, now: Millis) => void): void {
    this.followPhone();
    if (this.#reached !== undefined) {
      done(this.#reached, now);
      return;
    }
    const hop = this.#hop;
    if (hop !== undefined && (isWeb(hop.protocol) || (this.leg.nated && this.#routeSet.length === 0))) {
      done((this.#reached = backOver(hop)), now);
      return;
    }
    const way = this.#wayNow();
    const resolved = (found: readonly Destination[], at: Millis): void => {
      const reached = this.#choose(found[0]);
      if (way === this.#way) this.#reached = reached;
      done(reached, at);
    };
    this.leg.house.transport.resolve({ realm: this.leg.realm, uri: way.nextHop }, resolved, now);
  }

  /** A stream that the peer itself uses is kept (RFC 5923): its Contact may name a port that nobody can reach. */
  #choose(found: Destination | undefined): Destination | undefined {
    const hop = this.#hop;
    // A Contact or a Route that leads away from TLS is not followed: its peer is where it was (RFC 5630 §3.1.3).
    if (found === undefined || !this.admits(found.protocol)) return hop === undefined ? undefined : backOver(hop);
    const large = this.leg.tcpForLargeRequests ? { ...found, tcpForLargeRequests: true } : found;
    const same = hop !== undefined && hop.protocol === found.protocol && hop.remote.ip === found.remote.ip;
    return same && isReliable(found.protocol) ? { ...large, connection: hop.connection } : large;
  }

  /**
   * It has registered from elsewhere since: its NAT has moved, or its connection broke and is another now. Gives the address
   * that it has now; `undefined`: it is where it was, or came by a way that this dialog may not be spoken of over.
   */
  followPhone(): string | undefined {
    const flow = this.#phone?.flow;
    if (flow === undefined || flow === this.#phoneFlow) return undefined;
    if (flow.realm !== this.leg.realm || !this.admits(flow.protocol)) return undefined;
    this.#phoneFlow = flow;
    this.#reached = undefined;
    this.#speaksOver(flow);
    return flow.remote.ip;
  }

  #speaksOver(hop: Hop): void {
    const { phones } = this.leg;
    if (phones !== undefined && hop !== this.#hop) {
      this.#phone = phones.find(({ flow }) => isSameWay(flow, hop)) ?? this.#phone;
      this.#phoneFlow = this.#phone?.flow;
    }
    this.#hop = hop;
    if (isSecure(hop.protocol)) this.#overTls = true;
    this.leg.hold(hop.connection);
  }

  #wayNow(): Way {
    return (this.#way ??= wayTo(this.#target, this.#routeSet));
  }

  #retarget(message: Message, whose: string): void {
    const uri = this.#targetIn(message, whose);
    if (uri === undefined || uri === this.#target) return;
    this.#target = uri;
    this.#way = undefined;
    this.#reached = undefined;
  }

  #targetIn(message: Message, whose: string): string | undefined {
    const contact = message.get(Contact);
    const uri = contact === undefined || contact === "*" ? undefined : contact.uri;
    if (uri === undefined) {
      if (this.#target !== "") return undefined; // RFC 2543 let Contact out: the address that we know stays.
      throw new PeerError(400, `Contact: ${whose} gives none`);
    }
    if (uri !== this.#target && !("host" in parseUri(uri))) {
      throw new PeerError(400, `Contact: ${whose} gives no SIP URI`);
    }
    return uri;
  }
}

const isSameWay = (a: Hop, b: Hop): boolean => a.connection === b.connection && sameAddress(a.remote, b.remote);

/** RFC 2543 asked for no Contact (§6.13 there): an INVITE as it was then, by its branch (RFC 3261 §8.1.1.7), does without. */
const isOld = (request: Request): boolean => !request.headers.has("contact") && !request.branch?.startsWith("z9hG4bK");

/** Requests to its caller go to what its From says. Throws PeerError(400). */
function addressOf(request: Request): string {
  const { uri } = request.from;
  if (!("host" in parseUri(uri))) throw new PeerError(400, "Contact: the caller gives none, and no SIP URI in From");
  return uri;
}
