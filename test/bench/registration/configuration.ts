/** The box as a registration cache between phones and one registrar. */
export function configurationFor(wanted: {
  readonly folder: string;
  /** Of the phones' side; the two next ones are ours and the registrar's inside. */
  readonly port: number;
  readonly perSecond: number;
}): object {
  const { folder, port, perSecond } = wanted;
  return {
    name: "bench",
    control: `${folder}/control.sock`,
    realms: {
      outside: {
        trust: "none",
        listen: [`udp:127.0.0.1:${port}`],
        media: { address: "127.9.0.1", ports: "10000-10999" },
        srtp: "off",
      },
      inside: {
        trust: "full",
        listen: [`udp:127.0.0.1:${port + 1}`],
        media: { address: "127.9.0.2", ports: "10000-10999" },
        srtp: "off",
      },
    },
    peers: { pbx: { realm: "inside", targets: [`udp:127.0.0.1:${port + 2}`] } },
    registration: {
      file: `${folder}/registrations`,
      perSecond,
      domains: {
        "bench.example.test": {
          ...{ realm: "outside", registrar: "pbx", datagramSeconds: 3_600, registrarSeconds: 86_400 },
          keepalive: "off", // Another cost, and no registration's.
        },
      },
    },
  };
}
