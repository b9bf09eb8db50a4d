/**
 * What the media of the called side is told: who it is that may answer. Phones that ring at once may be of several kinds,
 * which cannot take the same description: a browser's has DTLS and ICE, one over TLS has keys, a desk phone's neither. Each
 * kind gets an offer of its own, and the answer says by its dialog which one it answers.
 */
import { familyOf, isSecure, isWeb, PeerError, type PeerSettings } from "../base/index.ts";
import type { Branch, Dialog } from "../leg/index.ts";
import type { MediaParty } from "../media/index.ts";
import type { Binding } from "../registration/index.ts";
import type { Call } from "./call.ts";
import type { Place } from "./invite-words.ts";
import { branchTo, wayTo } from "./phones.ts";

type Party = { -readonly [K in keyof MediaParty]: MediaParty[K] };

/** An offer of its own for one kind of phones; `sdp` is `undefined` where the phones make the offer. */
interface Kind {
  readonly name: string;
  readonly party: Party;
  readonly sdp: string | undefined;
}

export class CalledMedia {
  readonly #call: Call;
  /** Of whoever is asked now: their places in the list are the alternatives of the media. */
  #kinds: Kind[] = [];
  /** Is there a media session? */
  open = false;

  constructor(call: Call) {
    this.#call = call;
  }

  /** For this place; `sdp`: the caller's offer, and the one for the place comes back. Throws PeerError. */
  describe(place: Place, peer: PeerSettings | undefined, sdp: string | undefined): string | undefined {
    const { house, id, callerParty: caller } = this.#call;
    const callee = partyAt(place, peer);
    if (this.open) house.media.setParty(id, "callee", callee);
    else house.media.open(id, { caller, callee });
    this.open = true;
    const offer = sdp === undefined ? undefined : house.media.offer(id, "caller", sdp);
    const [first] = place.contacts?.bindings ?? [];
    this.#kinds = [{ name: first === undefined ? "" : kindOf(first), party: callee, sdp: offer }];
    return offer;
  }

  /** One request for each phone, and its other flows to fall back on. Throws PeerError where a kind gets no offer. */
  branchesTo(place: Place, lost: (error: PeerError) => void): readonly Branch[] | undefined {
    if (place.contacts === undefined) return undefined;
    const { phones } = this.#call.house;
    const branches: Branch[] = [];
    for (const binding of place.contacts.bindings) {
      const ways = [binding, ...(phones?.otherFlows(binding) ?? [])].flatMap((way) => {
        const alternative = this.#alternativeFor(way, place, lost);
        return alternative === undefined ? [] : [branchTo(way, alternative)];
      });
      const [best, ...spares] = ways;
      if (best !== undefined) branches.push(spares.length === 0 ? best : { ...best, spares });
    }
    return branches;
  }

  /** A phone answers from where its flow ends: of several that rang it is known only now. */
  speaks({ alternative, hop }: Dialog): void {
    const party = this.#kinds[alternative]?.party;
    if (party?.nat === true && hop !== undefined) party.signallingSource = hop.remote.ip;
  }

  /** It makes the offer that the INVITE had none of. */
  offers({ alternative }: Dialog): void {
    const party = alternative === 0 ? undefined : this.#kinds[alternative]?.party;
    if (party !== undefined) this.#call.house.media.setParty(this.#call.id, "callee", party);
  }

  /** `undefined`: nothing can be offered to that kind. */
  #alternativeFor(binding: Binding, place: Place, lost: (error: PeerError) => void): Branch["alternative"] | undefined {
    const name = kindOf(binding);
    const known = this.#kinds.findIndex((kind) => kind.name === name);
    if (known >= 0) return { number: known, sdp: known === 0 ? undefined : this.#kinds[known]?.sdp };
    const { house, id } = this.#call;
    const party = partyAt({ ...place, destination: wayTo(binding) }, undefined);
    try {
      const asked = this.#kinds[0]?.sdp !== undefined;
      const sdp = asked ? house.media.alternative(id, party) : undefined;
      this.#kinds.push({ name, party, sdp });
      return { number: this.#kinds.length - 1, sdp };
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      lost(error);
      return undefined;
    }
  }
}

/** Where nothing can be said to its first phone: the others, as far as they are of other kinds. */
export function withoutFirstKind(place: Place): Place | undefined {
  const { contacts } = place;
  const [first] = contacts?.bindings ?? [];
  if (contacts === undefined || first === undefined) return undefined;
  const bindings = contacts.bindings.filter((binding) => kindOf(binding) !== kindOf(first));
  const [next] = bindings;
  return next === undefined ? undefined : { ...place, destination: wayTo(next), contacts: { ...contacts, bindings } };
}

/** Those of one kind can take the same offer. */
const kindOf = ({ flow: { protocol, remote } }: Binding): string =>
  `${isWeb(protocol) ? "web" : isSecure(protocol) ? "secure" : "open"} ${familyOf(remote.ip)}`;

const partyAt = ({ destination, realm, contacts }: Place, peer: PeerSettings | undefined): Party => ({
  realm: realm.name,
  secureSignalling: isSecure(destination.protocol),
  web: isWeb(destination.protocol),
  family: familyOf(destination.remote.ip),
  signallingSource: destination.remote.ip,
  nat: contacts !== undefined, // It may have learnt what it looks like from here, and say so in all but its SDP.
  rules: peer?.media,
  preconditions: peer?.preconditions,
});
