/** How SIP bytes travel. `ws` and `wss`: WebSocket, RFC 7118. */
export type Protocol = "udp" | "tcp" | "tls" | "ws" | "wss";

/** What has connections. */
export type StreamProtocol = Exclude<Protocol, "udp">;

/** An IP address in its shortest text form, without brackets, and a port. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

export type Family = 4 | 6;

export const familyOf = (ip: string): Family => (ip.includes(":") ? 6 : 4);

/** `10.0.0.1` or `[2001:db8::1]`, as hosts stand in SIP (RFC 3261 §25.1 hostport). */
export const hostText = (ip: string): string => (ip.includes(":") ? `[${ip}]` : ip);

export const addressText = (address: Address): string => `${hostText(address.ip)}:${address.port}`;

export const sameAddress = (a: Address, b: Address): boolean => a.port === b.port && a.ip === b.ip;

const PORTS: Readonly<Record<Protocol, number>> = { udp: 5060, tcp: 5060, tls: 5061, ws: 80, wss: 443 };

/** RFC 3261 §19.1.2, RFC 7118 §5.5. */
export const defaultPort = (protocol: Protocol): number => PORTS[protocol];

/** Nobody on the way reads it: TLS, with or without WebSocket. */
export const isSecure = (protocol: Protocol): boolean => protocol === "tls" || protocol === "wss";

/** One message a frame; and whoever opened the connection is found by it alone (RFC 7118 §5). */
export const isWeb = (protocol: Protocol): boolean => protocol === "ws" || protocol === "wss";

/** What a URI says of the way to it; of TLS nothing when its scheme is `sips` (RFC 3261 §26.2.2). */
export function transportParam(protocol: Protocol, sips: boolean): string {
  if (protocol === "udp") return "";
  if (isWeb(protocol)) return ";transport=ws"; // RFC 7118 §5.2: with and without TLS.
  if (protocol === "tcp") return ";transport=tcp";
  return sips ? "" : ";transport=tls";
}

/** Reliable below SIP: nothing is resent, and timers D, I, J, K are zero (RFC 3261 §17). */
export const isReliable = (protocol: Protocol): boolean => protocol !== "udp";
