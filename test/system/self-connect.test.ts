import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

/** With one ephemeral port, a connection to that port has it as its source, too. */
const ONLY_PORT = 40_000;
const CONNECT = `
  import { Streams } from "./src/io/streams.ts";
  const listener = { id: "l", realm: "inside", protocol: "tcp", address: { ip: "127.0.0.1", port: 5060 } };
  const realm = { listeners: [listener], dscp: { signalling: 24 } };
  const settings = { realms: new Map([["inside", realm]]), limits: { connections: 10 } };
  const streams = new Streams(settings, () => undefined, { input: (input) => console.log(JSON.stringify(input)), fact: () => {} });
  streams.connect({ connection: 1, realm: "inside", protocol: "tcp", listener: "l", remote: { ip: "127.0.0.1", port: ${ONLY_PORT} } });
`;

test("a connection that the kernel made to itself is refused like any port where nobody listens", () => {
  const setUp = `ip link set lo up && echo ${ONLY_PORT} ${ONLY_PORT} > /proc/sys/net/ipv4/ip_local_port_range`;
  const run = `exec "$0" --input-type=module -e "$1"`;
  const output = execFileSync("unshare", ["--net", "sh", "-c", `${setUp} && ${run}`, process.execPath, CONNECT], {
    encoding: "utf8",
    timeout: 20_000,
  });
  expect(output.trim()).toBe('{"in":"closed","connection":1,"reason":"ECONNREFUSED"}');
});
