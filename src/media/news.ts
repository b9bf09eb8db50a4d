/** What the relay's events mean to a call. */
import { addressText, type StreamQuality } from "../base/index.ts";
import type { MediaSide } from "./party.ts";
import { sideAt } from "./party.ts";
import { type Counted, streamQuality } from "./quality.ts";
import type { RelayEvent, SecuredBy } from "./relay-command.ts";
import type { OpenPair, Relays } from "./relays.ts";

/** `stream`: position of the m-line. */
export type MediaNews =
  | {
      readonly news: "latched";
      readonly session: string;
      readonly side: MediaSide;
      readonly stream: number;
      readonly remote: string;
    }
  /** A handshake is through: what the keys are that it agreed on. */
  | {
      readonly news: "secured";
      readonly session: string;
      readonly side: MediaSide;
      readonly stream: number;
      readonly suite: SecuredBy;
    }
  /** A side that owes media has sent none for the realm's silence limit. `heard`: it sends again. */
  | {
      readonly news: "silent" | "heard";
      readonly session: string;
      readonly side: MediaSide;
      readonly stream: number;
    }
  /**
   * It allows us to send no more (RFC 7675), and so nothing of it counts any more; each line of a bundle is told. `owes`: it is
   * one of whom media is awaited.
   */
  | {
      readonly news: "consent-lost";
      readonly session: string;
      readonly side: MediaSide;
      readonly stream: number;
      readonly owes: boolean;
    }
  /** An RFC 4733 event of that side, by its code. `taken`: it was not passed on, and has to cross in another way. */
  | {
      readonly news: "digit";
      readonly session: string;
      readonly side: MediaSide;
      readonly digit: number;
      readonly durationMs: number;
      readonly taken: boolean;
    }
  /** A key comes to its end (`packetsLeft` 0: has ended): ours toward that side, or its own. */
  | {
      readonly news: "key-lifetime";
      readonly session: string;
      readonly side: MediaSide;
      readonly stream: number;
      readonly whose: "ours" | "theirs";
      readonly packetsLeft: number;
    }
  | {
      readonly news: "failed";
      readonly session: string;
      readonly side: MediaSide;
      readonly stream: number;
      readonly reason: string;
    }
  /** Its counters are final. A stream that moved to other ports is closed more than once. */
  | {
      readonly news: "closed";
      readonly session: string;
      readonly stream: number;
      readonly kind: string;
      readonly quality: { readonly caller: StreamQuality; readonly callee: StreamQuality };
      /** The session is deleted, and nothing of it is left to close. */
      readonly last: boolean;
    };

export function newsOf(event: RelayEvent, relays: Relays): readonly MediaNews[] {
  const open = relays.get(event.pair);
  if (open === undefined) return [];
  if (event.event === "exported") return []; // Whoever asked the relay for it reads it there.
  if (event.event === "closed") return closedNews(relays.closed(event.pair), event.counters);
  if (open.closing) return [];

  const { stream } = open;
  const session = open.session.id;
  const side = sideAt(event.side);
  switch (event.event) {
    case "latched": {
      const news: MediaNews[] = [{ news: "latched", session, side, stream, remote: addressText(event) }];
      for (const other of sharing(open, event.side)) {
        if (other !== stream) news.push({ news: "heard", session, side, stream: other });
      }
      return news;
    }
    case "secured": {
      const relay = open.session.relays[stream];
      if (relay !== undefined) relay.secured[event.side] = event.suite;
      return [{ news: "secured", session, side, stream, suite: event.suite }];
    }
    case "expired":
      return sharing(open, event.side).map((each): MediaNews => {
        const owes = (open.session.relays[each]?.sides[event.side].silenceLimitMs ?? 0) !== 0;
        return { news: "consent-lost", session, side, stream: each, owes };
      });
    case "silent":
    case "heard":
      // It may have been put on hold while the event was under way.
      if (open.session.relays[stream]?.sides[event.side].silenceLimitMs === 0) return [];
      return [{ news: event.event, session, side, stream }];
    case "digit": {
      const taken = open.session.relays[stream]?.sides[event.side].digits?.take === true;
      return [{ news: "digit", session, side, digit: event.digit, durationMs: event.durationMs, taken }];
    }
    case "keyLifetime":
      return [{ news: "key-lifetime", session, side, stream, whose: event.whose, packetsLeft: event.packetsLeft }];
    case "failed":
      return [{ news: "failed", session, side, stream, reason: event.reason }];
  }
}

/** The streams that go by this one's transport, itself among them. */
function sharing({ session, stream }: OpenPair, side: 0 | 1): readonly number[] {
  const carrier = session.relays[stream]?.sides[side].bundle?.pair;
  if (carrier === undefined) return [stream];
  return session.relays.flatMap((relay, at) => (relay?.sides[side].bundle?.pair === carrier ? [at] : []));
}

function closedNews(closed: OpenPair | undefined, counters: Counted): readonly MediaNews[] {
  if (closed === undefined) return [];
  const { session, stream, kind, codecs } = closed;
  const quality = {
    caller: streamQuality(counters, 0, kind, codecs),
    callee: streamQuality(counters, 1, kind, codecs),
  };
  const last = session.deleted && session.pairs === 0;
  return [{ news: "closed", session: session.id, stream, kind, quality, last }];
}
