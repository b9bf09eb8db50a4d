/** How SIP bytes travel. WebSocket joins with the phones. */
export type Protocol = "udp" | "tcp" | "tls";

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

export const defaultPort = (protocol: Protocol): number => (protocol === "tls" ? 5061 : 5060);

/** Reliable below SIP: nothing is resent, and timers D, I, J, K are zero (RFC 3261 §17). */
export const isReliable = (protocol: Protocol): boolean => protocol !== "udp";
