/**
 * The one REGISTER that comes again and again: a phone that stays as it is, whose grant is good. Answered before anything is
 * made for it, since it leaves nothing behind (RFC 3261 §8.2.7): a copy gets the same answer. All that it must be is told
 * in registration/cache-rule.ts; whatever is not plainly so takes the careful way.
 */
import { type DomainSettings, type Hop, hash32, type Millis, SECOND } from "../../base/index.ts";
import { Contact, type NameAddr, type Request } from "../../message/index.ts";
import { bearsTheSame, type HeldBinding, isSameFlow } from "../../registration/index.ts";
import { contactText } from "./answers.ts";
import type { PhoneHouse } from "./house.ts";
import { longest } from "./visit.ts";

export class Quick {
  readonly #house: PhoneHouse;
  readonly #seed: number;
  answered = 0;

  constructor(house: PhoneHouse) {
    this.#house = house;
    this.#seed = house.random.uint32();
  }

  /** True: it is answered. */
  answer(request: Request, hop: Hop, now: Millis): boolean {
    const binding = this.#bindingOf(request, hop);
    if (binding === undefined || !this.#isGood(binding, request, now)) return false;
    const domain = this.#house.settings.registration?.domains.get(binding.domain);
    const wanted = domain === undefined ? 0 : wantedSeconds(request);
    if (domain === undefined || wanted < domain.shortestSeconds) return false;
    this.#grant(binding, domain, request, hop, wanted, now);
    return true;
  }

  #bindingOf(request: Request, hop: Hop): HeldBinding | undefined {
    const { callId, headers } = request;
    // Written otherwise than we keep it, or over another flow: the long way. A flow may be shared by many, a user is not.
    for (const one of this.#house.book.of(request.to.uri)) {
      if (one.callId !== callId || !isSameFlow(one.flow, hop)) continue;
      return one.path.length === 0 && isAsBefore(one, request) && !headers.has("path") && !headers.has("require")
        ? one
        : undefined;
    }
    return undefined;
  }

  #isGood(binding: HeldBinding, request: Request, now: Millis): boolean {
    const { upstream } = binding;
    if (upstream === undefined || binding.push !== undefined || upstream.state !== "held" || now >= upstream.refreshAt)
      return false;
    return request.cseq.number >= binding.seq && bearsTheSame(request, binding, this.#house.hash);
  }

  #grant(binding: HeldBinding, domain: DomainSettings, request: Request, hop: Hop, wanted: number, now: Millis): void {
    const { book, transport, product } = this.#house;
    const left = Math.floor(((binding.upstream?.until ?? now) - now) / SECOND);
    this.answered += 1;
    binding.seq = request.cseq.number;
    binding.heardAt = now;
    binding.expiresAt = now + Math.max(1, Math.min(wanted, longest(domain, hop), left)) * SECOND;
    book.renew(binding);
    const { headers } = request;
    let text = "SIP/2.0 200 OK\r\n";
    for (const via of headers.rawAll("Via")) text += `Via: ${via}\r\n`;
    const tag = hash32(request.callId, this.#seed);
    text += `From: ${headers.raw("From")}\r\nTo: ${headers.raw("To")};tag=${tag}\r\nCall-ID: ${request.callId}\r\n`;
    text += `CSeq: ${headers.raw("CSeq")}\r\n`;
    for (const one of book.of(binding.aor)) text += `Contact: ${contactText(one, now)}\r\n`;
    const shown = product(hop.realm);
    if (shown !== undefined) text += `Server: ${shown}\r\n`;
    transport.sendResponse(hop, request.via, `${text}Content-Length: 0\r\n\r\n`, now);
  }
}

/** One Contact, the one that is bound, with nothing about it changed; and nothing that wants more than a plain 200. */
function isAsBefore(binding: HeldBinding, request: Request): boolean {
  if (request.toTag !== undefined) return false;
  const [line, more] = request.headers.rawAll("Contact");
  if (line === undefined || more !== undefined || line.includes(",") || binding.regId > 0) return false;
  const contact = request.get(Contact) as NameAddr | "*";
  if (contact === "*" || contact.uri !== binding.contact || binding.q !== ANY_Q) return false;
  const { params } = contact;
  return !params.has("q") && !params.has("reg-id") && params.get("+sip.instance") === binding.instance;
}

const ANY_Q = 1_000;

/** In seconds; 0: nothing that can be read at once. */
function wantedSeconds(request: Request): number {
  const own = (request.get(Contact) as NameAddr).params.get("expires");
  const text = own ?? request.headers.raw("Expires");
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : 0;
}
