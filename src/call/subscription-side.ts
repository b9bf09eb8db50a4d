/** One side of a subscription: how we are called there, and the connection that its other end speaks to us on. */
import type { Destination, Hop, RealmSettings } from "../base/index.ts";
import { hostText, token } from "../base/index.ts";
import {
  type Authenticator,
  contactOf,
  type Dialog,
  type DialogOwner,
  type FlowHolder,
  type LegHouse,
} from "../leg/index.ts";
import { type CallHouse, productFor } from "./house.ts";

const CONTACT_CHARS = 12;

export type SideDialog = Dialog<SubscriptionSide>;

export class SubscriptionSide implements DialogOwner {
  readonly house: LegHouse;
  readonly settings: RealmSettings;
  readonly nated: boolean;
  readonly tcpForLargeRequests: boolean;
  /** Who answers the challenges of its other end. */
  readonly authenticator: Authenticator | undefined;
  /** The registered phone that is there: it is reached by the flow that it has. */
  readonly phones: readonly FlowHolder[] | undefined;
  readonly contact: string;
  /** Our name there, as in a URI. */
  readonly host: string;
  readonly product: string | undefined;
  #connection = 0;
  #gone = false;

  constructor(
    house: CallHouse,
    settings: RealmSettings,
    place: Hop | Destination,
    options: {
      readonly secure: boolean;
      readonly nated: boolean;
      readonly tcpForLargeRequests: boolean;
      readonly authenticator: Authenticator | undefined;
      readonly phone: FlowHolder | undefined;
    },
  ) {
    this.house = house.legs;
    this.settings = settings;
    this.nated = options.nated;
    this.tcpForLargeRequests = options.tcpForLargeRequests;
    this.authenticator = options.authenticator;
    this.phones = options.phone === undefined ? undefined : [options.phone];
    const local = house.transport.localFor(place);
    this.host = local.host.startsWith("[") ? local.host : hostText(local.host);
    this.contact = contactOf(token(house.random, CONTACT_CHARS), local, place.protocol, options.secure);
    this.product = productFor(settings, house.version);
  }

  get realm(): string {
    return this.settings.name;
  }

  /** The connection stays open for as long as this side lives; 0: it is spoken to over UDP. */
  hold(connection: number): void {
    if (connection === this.#connection || this.#gone) return;
    if (connection !== 0) this.house.transport.hold(connection);
    if (this.#connection !== 0) this.house.transport.release(this.#connection);
    this.#connection = connection;
  }

  release(): void {
    if (this.#connection !== 0) this.house.transport.release(this.#connection);
    this.#connection = 0;
    this.#gone = true;
  }
}
