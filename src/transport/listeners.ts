/** Who we are on each side: listening addresses, what stands in Via and Contact, and who speaks for a realm. */
import {
  type Address,
  type Family,
  familyOf,
  type Hop,
  hostText,
  isSecure,
  type ListenerSettings,
  type Protocol,
  type RealmSettings,
  type Settings,
} from "../base/index.ts";
import type { LocalAddress } from "./words.ts";

/** Slots of the hop cache: enough for the neighbours of a busy trunk; a miss costs one small object. */
const HOPS = 256;

/** One address we listen on, with our name there. Connections keep theirs when a reload takes it away. */
export class Listener {
  readonly id: string;
  readonly realm: RealmSettings;
  readonly protocol: Protocol;
  readonly family: Family;
  readonly port: number;
  /** As the other side sees us: the advertised address behind 1:1 NAT. */
  readonly ip: string;
  /** As it stands in our Via. */
  readonly sentBy: string;
  readonly local: LocalAddress;
  readonly #hops: (Hop | undefined)[] = new Array<Hop | undefined>(HOPS).fill(undefined);

  constructor(settings: ListenerSettings, realm: RealmSettings) {
    this.id = settings.id;
    this.realm = realm;
    this.protocol = settings.protocol;
    this.family = familyOf(settings.address.ip);
    this.port = settings.address.port;
    const { advertise } = realm;
    this.ip = advertise !== undefined && familyOf(advertise) === this.family ? advertise : settings.address.ip;
    this.sentBy = `${hostText(this.ip)}:${this.port}`;
    this.local = { host: realm.domain ?? hostText(this.ip), port: this.port, ip: this.ip };
  }

  /** The hop of a datagram. Neighbours send many: they share one object, so that little lives on with each message. */
  datagramHop(remote: Address): Hop {
    const { ip, port } = remote;
    const slot = (port ^ (ip.charCodeAt(ip.length - 1) * 31) ^ (ip.charCodeAt(ip.length - 2) * 7)) & (HOPS - 1);
    const kept = this.#hops[slot];
    if (kept !== undefined && kept.remote.port === port && kept.remote.ip === ip) return kept;
    const hop: Hop = {
      realm: this.realm.name,
      listener: this.id,
      protocol: "udp",
      remote,
      connection: 0,
      tlsNames: [],
    };
    this.#hops[slot] = hop;
    return hop;
  }
}

export class Listeners {
  readonly #byId = new Map<string, Listener>();
  readonly #byRealm = new Map<string, Listener[]>();

  constructor(settings: Settings) {
    for (const realm of settings.realms.values()) {
      const own = realm.listeners.map((listener) => new Listener(listener, realm));
      this.#byRealm.set(realm.name, own);
      for (const listener of own) this.#byId.set(listener.id, listener);
    }
  }

  get(id: string): Listener | undefined {
    return this.#byId.get(id);
  }

  /** The realm's first listener for that protocol and family. */
  find(realm: string, protocol: Protocol, family: Family): Listener | undefined {
    for (const listener of this.#byRealm.get(realm) ?? []) {
      if (listener.protocol === protocol && listener.family === family) return listener;
    }
    return undefined;
  }

  /**
   * Whose address and Via a request goes out with. A stream needs no listener of its own protocol, since answers come
   * back on the connection; TLS needs the realm's certificate.
   */
  speaker(realm: string, protocol: Protocol, family: Family): Listener | undefined {
    const own = this.find(realm, protocol, family);
    if (own !== undefined || protocol === "udp") return own;
    const other = this.#byRealm.get(realm)?.find((listener) => listener.family === family);
    return isSecure(protocol) && other?.realm.tls === undefined ? undefined : other;
  }

  /** Any listener of the realm, when a question about it must have an answer. */
  any(realm: string): Listener | undefined {
    return this.#byRealm.get(realm)?.[0];
  }

  values(): IterableIterator<Listener> {
    return this.#byId.values();
  }
}
