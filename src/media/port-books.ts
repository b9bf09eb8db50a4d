/** All port books: one for each media address of each realm. */
import { type Family, familyOf, PeerError, type Random, type Settings } from "../base/index.ts";
import type { Local } from "./line.ts";
import { PortBook } from "./port-book.ts";
import type { Leg } from "./session.ts";

export class PortBooks {
  readonly #realms = new Map<string, Map<string, PortBook>>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Books of addresses that are gone are dropped; ports out of them die with their calls. */
  apply(settings: Settings): void {
    for (const name of this.#realms.keys()) if (!settings.realms.has(name)) this.#realms.delete(name);
    for (const { name, media } of settings.realms.values()) {
      const before = this.#realms.get(name);
      const books = new Map<string, PortBook>();
      for (const ip of media.addresses) {
        const book = before?.get(ip);
        book?.resize(media.firstPort, media.lastPort, this.#random);
        books.set(ip, book ?? new PortBook(media.firstPort, media.lastPort, this.#random));
      }
      this.#realms.set(name, books);
    }
  }

  /**
   * Ports for one stream of that leg. `family` given: of that family or PeerError 488; else of the leg's signalling
   * when the realm has it, or of the other. Throws PeerError 503 when none is free.
   */
  reserve({ realm, party }: Leg, family: Family | undefined): Local {
    const ip = mediaAddress(realm.media.addresses, family ?? party.family, family !== undefined);
    if (ip === undefined) throw new PeerError(488, `no IPv${family} media is carried here`, 301);
    const book = this.#realms.get(realm.name)?.get(ip);
    const rtpPort = book?.reserve();
    if (book === undefined || rtpPort === undefined) throw new PeerError(503, "no media port is free");
    const own = familyOf(ip);
    const shown = realm.advertise !== undefined && familyOf(realm.advertise) === own ? realm.advertise : ip;
    return { book, realm: realm.name, family: own, ip, shown, rtpPort, rtcpPort: rtpPort + 1 };
  }

  /** Is one of our streams on this port of this address now, in whatever realm? */
  isOut(ip: string, port: number): boolean {
    for (const books of this.#realms.values()) if (books.get(ip)?.isOut(port)) return true;
    return false;
  }

  release(local: Local): void {
    local.book.release(local.rtpPort);
  }

  inUse(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [name, books] of this.#realms) {
      let pairs = 0;
      for (const book of books.values()) pairs += book.inUse;
      counts.set(name, 2 * pairs);
    }
    return counts;
  }
}

/** What stands in `c=` of a leg that has no stream: the address its next one would get. */
export function shownAddress({ realm, party }: Leg): string {
  const ip = mediaAddress(realm.media.addresses, party.family, false) ?? "0.0.0.0";
  return realm.advertise !== undefined && familyOf(realm.advertise) === familyOf(ip) ? realm.advertise : ip;
}

function mediaAddress(addresses: readonly string[], family: Family, strict: boolean): string | undefined {
  for (const ip of addresses) if (familyOf(ip) === family) return ip;
  return strict ? undefined : addresses[0];
}
