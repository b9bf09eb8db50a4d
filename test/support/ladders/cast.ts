/** Who may stand in a ladder: fixed addresses and host names, those of the RFCs' own examples where they have some. */
export interface Member {
  readonly ip: string;
  readonly host: string;
  readonly domain: string;
}

export const CAST: Readonly<Record<string, Member>> = {
  alice: { ip: "192.0.2.101", host: "client.atlanta.example.com", domain: "atlanta.example.com" },
  bob: { ip: "192.0.2.201", host: "client.biloxi.example.com", domain: "biloxi.example.com" },
  carol: { ip: "192.0.2.222", host: "client.chicago.example.com", domain: "chicago.example.com" },
  dave: { ip: "192.0.2.233", host: "client.denver.example.com", domain: "denver.example.com" },
  gateway: { ip: "192.0.2.144", host: "ngw1.a.example.com", domain: "a.example.com" },
  erin: { ip: "2001:db8:e::51", host: "client.erie.example.com", domain: "erie.example.com" },
  frank: { ip: "2001:db8:f::61", host: "client.fargo.example.com", domain: "fargo.example.com" },
  server: { ip: "192.0.2.155", host: "server.example.com", domain: "server.example.com" },
};

/** Other names that stand in the RFCs' messages for the same machines. */
const ALSO: Readonly<Record<string, string>> = {
  "pc33.atlanta.example.com": "alice",
  "alice-phone.example.com": "alice",
  "phone.example.org": "alice",
  "client.a.example.com": "alice",
  "pc33.atlanta.com": "alice",
  "ngw2.a.example.com": "gateway",
  "gw1.a.example.com": "gateway",
  "nwg3.a.example.com": "gateway",
  "ngw3.a.example.com": "gateway",
  "vmail.example.com": "server",
};

export const NAMES: Readonly<Record<string, string>> = Object.fromEntries([
  ...Object.values(CAST).flatMap(({ ip, host, domain }) => [
    [host, ip],
    [domain, ip],
  ]),
  ...Object.entries(ALSO).map(([name, member]) => [name, CAST[member]?.ip]),
]);
