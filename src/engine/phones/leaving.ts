/**
 * Tells the inside registrar that a phone is gone which cannot say so itself any more: with the credentials that it took
 * from the phone last. It may well want others, which only the phone could give; then the binding there ends by its time.
 */
import { type DomainSettings, hostText, type Millis, type PeerSettings } from "../../base/index.ts";
import { contactOf } from "../../leg/index.ts";
import { INITIAL_MAX_FORWARDS, RequestDraft } from "../../message/index.ts";
import type { HeldBinding, Upstream } from "../../registration/index.ts";
import { TrunkRound } from "../trunk-round.ts";
import type { PhoneHouse } from "./house.ts";

const NOBODY = { response() {}, failed() {} };

export function leaveRegistrar(
  house: PhoneHouse,
  about: {
    readonly binding: HeldBinding;
    readonly domain: DomainSettings;
    readonly peer: PeerSettings;
    readonly upstream: Upstream;
    readonly credentials: string;
  },
  now: Millis,
): void {
  const { transport, routing, transactions, product } = house;
  const { binding, domain, peer, upstream, credentials } = about;
  const { aor, inside } = binding;
  upstream.seq += 1;
  const { seq, callId, fromTag } = upstream;
  const [best] = routing.targets(peer, now);
  if (best === undefined) return;
  new TrunkRound(transport, routing, [best]).next((place, at) => {
    if (place === undefined) return;
    const { destination } = place;
    const local = transport.localFor(destination);
    const draft = new RequestDraft("REGISTER", `sip:${domain.domain}`)
      .add("Max-Forwards", String(INITIAL_MAX_FORWARDS))
      .add("From", `<${aor}>;tag=${fromTag}`)
      .add("To", `<${aor}>`)
      .add("Call-ID", callId)
      .add("CSeq", `${seq} REGISTER`)
      .add("Contact", `${contactOf(inside, local, destination.protocol, false)};expires=0`)
      .add("Authorization", credentials);
    if (domain.path) draft.add("Path", `<sip:${hostText(local.ip)}:${local.port};lr>`);
    const shown = product(destination.realm);
    if (shown !== undefined) draft.add("User-Agent", shown);
    transactions.request(draft, destination, NOBODY, at);
  }, now);
}
