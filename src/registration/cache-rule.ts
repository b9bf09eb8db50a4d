/**
 * When a REGISTER is answered without asking the registrar.
 *
 * The rule: the answer gives nothing that the registrar has not given already. The same Contact, over the same flow, in
 * the same registration (Call-ID) and after what was taken last (CSeq), and for no longer than it granted; credentials,
 * where it bears any, are those that the registrar took. Many phones send each REGISTER without them first; the registrar
 * would ask, and take the same phone again. Whoever could forge all that sees the phone's messages and owns its flow, and
 * would gain only that the phone stays where it is. All else (another flow, another Contact, an end, other credentials) is
 * proven to the registrar, which alone knows the password.
 */
import { type Hash, type Hop, PeerError } from "../base/index.ts";
import { Authorization, type Request } from "../message/index.ts";
import type { HeldBinding } from "./binding-book.ts";
import { flowName } from "./bindings.ts";
import type { RegisterRequest } from "./register-request.ts";

/** Hex digits of the proof that is kept over a restart. */
const PROOF_CHARS = 16;

/** The binding that is asked to go on as it is; `undefined`: something else is asked for. */
export function refreshed(
  held: readonly HeldBinding[],
  { wishes, path }: RegisterRequest,
  request: Request,
  hop: Hop,
): HeldBinding | undefined {
  const [wish, other] = wishes;
  if (wish === undefined || other !== undefined || wish.seconds === 0) return undefined;
  for (const one of held) {
    // To the letter: parameters that mean nothing to RFC 3261 §19.1.4 may mean something to whoever calls.
    if (one.callId !== request.callId || one.contact !== wish.uri) continue;
    const same =
      isSameFlow(one.flow, hop) &&
      one.q === wish.q &&
      one.instance === wish.instance &&
      one.regId === wish.regId &&
      one.path.length === path.length &&
      one.path.every((route, index) => route === path[index]);
    return same ? one : undefined;
  }
  return undefined;
}

export const isSameFlow = (a: Hop, b: Hop): boolean =>
  a.connection === b.connection &&
  a.remote.port === b.remote.port &&
  a.remote.ip === b.remote.ip &&
  (a.listener === b.listener || flowName(a) === flowName(b));

/** Does it bear the credentials that the registrar took (the same user, realm and nonce), or none? */
export function bearsTheSame(request: Request, { upstream }: HeldBinding, hash: Hash): boolean {
  if (upstream === undefined) return false;
  const text = request.headers.raw(Authorization.name);
  const { credentials, proof } = upstream;
  if (text === undefined || text === credentials) return true;
  if (credentials === undefined && proof === "") return false;
  const claimed = claimedIn(text);
  if (claimed === undefined) return false;
  if (credentials === undefined) return proofOf(claimed, hash) === proof;
  return claimed === claimedIn(credentials);
}

/** What tells the same credentials again after a restart: of no use to anybody else. */
export function proofOf(claimed: string, hash: Hash): string {
  return hash("SHA-256", claimed).slice(0, PROOF_CHARS);
}

/** User, realm and nonce of credentials; `undefined`: they cannot be read. */
export function claimedIn(text: string): string | undefined {
  const [user, realm, nonce] = [plainIn(text, "username"), plainIn(text, "realm"), plainIn(text, "nonce")];
  if (user !== undefined && realm !== undefined && nonce !== undefined) return `${user}\n${realm}\n${nonce}`;
  try {
    const { params } = Authorization.parse(text);
    return `${params.get("username")}\n${params.get("realm")}\n${params.get("nonce")}`;
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
}

/** As nearly everybody writes it: `name="value"`, once, without escapes. `undefined`: it wants a careful look. */
function plainIn(text: string, name: string): string | undefined {
  const head = `${name}="`;
  let at = text.indexOf(head);
  while (at > 0 && !isGap(text.charCodeAt(at - 1))) at = text.indexOf(head, at + 1);
  if (at <= 0) return undefined;
  const start = at + head.length;
  const value = text.slice(start, text.indexOf('"', start));
  return value.includes("\\") ? undefined : value;
}

const isGap = (code: number): boolean => code === 0x20 || code === 0x2c || code === 0x09;
