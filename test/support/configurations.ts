/** Configurations of the box that several tests share, as an operator would write them. */
import type { Hosts } from "./network-namespaces.ts";

export interface Wishes {
  readonly outside: string;
  readonly boxOutside: string;
  readonly boxInside: string;
  readonly inside: string;
  readonly srtp?: "required" | "preferred" | "off";
  readonly srtpKeys?: readonly ("sdes" | "dtls")[];
  readonly ice?: "lite" | "answer" | "off";
  readonly sdesWithoutTls?: boolean;
  /** Targets of the two peers. */
  readonly carrier: string;
  readonly pbx: string;
}

/** A carrier outside, a PBX inside, one route each way. */
export function twoDoors(wishes: Wishes): object {
  const dscp = { signalling: "CS3", audio: "EF", video: "AF41" };
  const [out, ins] = [bracketed(wishes.boxOutside), bracketed(wishes.boxInside)];
  return {
    name: "two-doors",
    realms: {
      outside: {
        trust: "none",
        listen: [`udp:${out}:5060`, `tcp:${out}:5060`, `tls:${out}:5061`],
        tls: { certificate: "tls/sbc.crt", key: "tls/sbc.key", ca: "tls/ca.pem", verify: "none" },
        media: {
          address: wishes.boxOutside,
          ports: "20000-29999",
          ...(wishes.ice === undefined ? {} : { ice: wishes.ice }),
        },
        srtp: wishes.srtp ?? "required",
        srtpKeys: wishes.srtpKeys ?? ["sdes"],
        sdesWithoutTls: wishes.sdesWithoutTls ?? false,
        dscp,
      },
      inside: {
        trust: "full",
        listen: [`udp:${ins}:5060`, `tcp:${ins}:5060`],
        media: { address: wishes.boxInside, ports: "30000-39999" },
        srtp: "off",
        dscp,
      },
    },
    peers: {
      carrier: { realm: "outside", targets: [wishes.carrier] },
      pbx: { realm: "inside", targets: [wishes.pbx] },
    },
    routes: [
      { when: { from: "carrier" }, to: ["pbx"] },
      { when: { from: "pbx" }, to: ["carrier"] },
    ],
  };
}

/** `twoDoors` for namespaces over IPv4. */
export const betweenHosts = ({ ip }: Hosts, more: Pick<Wishes, "carrier" | "pbx"> & Partial<Wishes>): object =>
  twoDoors({ ...ip, ...more });

const bracketed = (ip: string): string => (ip.includes(":") ? `[${ip}]` : ip);
