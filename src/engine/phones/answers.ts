/** What a phone is told of its registration. RFC 3261 §10.3 step 8, RFC 5626 §6, RFC 5627 §4.2. */
import { type Millis, SECOND } from "../../base/index.ts";
import { quote, type Request, type ResponseDraft, responseTo } from "../../message/index.ts";
import { asksOutbound, type HeldBinding, type RegisterRequest } from "../../registration/index.ts";

/** RFC 5626 §4.4.1: how often a phone on a connection is to show itself, in seconds. */
const FLOW_TIMER = "120";

/** 200 with all contacts of the user, and for how long each is bound. */
export function granted(
  request: Request,
  asked: RegisterRequest,
  tag: string,
  held: readonly HeldBinding[],
  product: string | undefined,
  now: Millis,
): ResponseDraft {
  const draft = responseTo(request, 200, tag);
  for (const binding of held) draft.add("Contact", contactText(binding, now));
  if (asked.wishes.some(({ regId }) => regId > 0) && asksOutbound(request))
    draft.add("Require", "outbound").add("Flow-Timer", FLOW_TIMER);
  if (product !== undefined) draft.add("Server", product);
  return draft;
}

export function contactText(binding: HeldBinding, now: Millis): string {
  const { contact, expiresAt, q, instance, regId, gruu } = binding;
  let text = `<${contact}>;expires=${Math.max(1, Math.ceil((expiresAt - now) / SECOND))}`;
  if (q !== ANY_Q) text += `;q=${q / ANY_Q}`;
  if (instance !== undefined) text += `;+sip.instance=${quote(instance)}`;
  if (regId > 0) text += `;reg-id=${regId}`;
  if (gruu?.public !== undefined) text += `;pub-gruu=${quote(gruu.public)}`;
  if (gruu?.temporary !== undefined) text += `;temp-gruu=${quote(gruu.temporary)}`;
  return text;
}

const ANY_Q = 1_000;
