/** `registration` of the operator's file, and the users that it names. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { differences, faultText, readSettings } from "../../../src/manage/index.ts";

const folder = mkdtempSync(join(tmpdir(), "users-"));
afterAll(() => rmSync(folder, { recursive: true }));
const MD5 = "939e7578ed9e3c518a452acee763bce9";
const SHA = "f".repeat(64);

function users(text: string): void {
  writeFileSync(join(folder, "users"), text);
  chmodSync(join(folder, "users"), 0o640);
}

test("defaults: a minute on UDP, an hour inside, a hundred a second, a file in the state directory", () => {
  const { registration } = settingsOf({ registrar: "pbx" });
  expect(registration).toMatchObject({
    file: "/var/lib/sallyport/edge.registrations",
    bindings: 100_000,
    perSecond: 100,
  });
  expect(registration?.domains.get("example.test")).toMatchObject({
    ...{ realm: "outside", registrar: "pbx", digestRealm: "example.test", calls: "challenge", fork: "parallel" },
    ...{ datagramSeconds: 60, streamSeconds: 600, registrarSeconds: 3_600, contacts: 10, users: undefined },
  });
});

test("users by digest, for one realm; asked for by what all of them have", () => {
  users(
    `# ours\nalice:example.test:${MD5}\nalice:example.test:SHA-256:${SHA}\nbob:example.test:MD5:${MD5.toUpperCase()}\n`,
  );
  const domain = settingsOf({ registrar: "local", users: "users" }).registration?.domains.get("example.test");
  const table = domain?.users?.kind === "table" ? domain.users.table.reveal() : undefined;
  expect([table?.size, table?.ha1("alice", "SHA-256"), table?.ha1("bob", "MD5"), table?.ha1("bob", "SHA-256")]).toEqual(
    [2, SHA, MD5, undefined],
  );
  expect(domain?.algorithms).toEqual(["MD5"]);
  expect(faultsOf({ registrar: "local", users: "users", algorithms: ["SHA-256"] })).toEqual([
    "registration.domains.example.test.algorithms: some users have no digest by SHA-256; add it, or do not ask for it",
  ]);
});

test("a reload sees that users have changed, and tells nothing of them", () => {
  users(`alice:example.test:${MD5}\n`);
  const before = settingsOf({ registrar: "local", users: "users" });
  users(`alice:example.test:${"0".repeat(32)}\n`);
  const changes = differences(before, settingsOf({ registrar: "local", users: "users" }));
  expect(changes.map(({ path }) => path)).toEqual([expect.stringContaining("registration.domains.example.test.users")]);
  expect(JSON.stringify(changes)).not.toMatch(/alice|939e|0000/);
});

test.each([
  [{ registrar: "local" }, 'registrar: nobody is known to it; write "users"'],
  [{ registrar: "pxb" }, 'registrar: there is no peer "pxb"; did you mean "pbx"?'],
  [{ registrar: "pbx", realm: "nowhere" }, 'realm: there is no realm "nowhere"'],
  [
    { registrar: "pbx", shortestSeconds: 90 },
    "shortestSeconds: 90 s are more than the longest time that is granted; write less",
  ],
  [{ registrar: "local", users: "missing" }, "missing does not exist; make it, or name another"],
  [{ registrar: "local", users: "http://u:p@127.0.0.1/" }, "it has a user or a password in it; take them out"],
])("%j is a fault", (domain, fault) => {
  expect(faultsOf(domain).join("\n")).toContain(fault);
});

test("a line that is no user is told by its number, never shown", () => {
  users("alice:secret\n");
  const faults = faultsOf({ registrar: "local", users: "users" });
  expect(faults.join()).toContain("line 1 of");
  expect(faults.join()).not.toContain("secret");
});

test("routes: registered and registration need phones", () => {
  const faults = read({ domain: undefined, routes: [{ when: { registered: true }, to: ["registration"] }] });
  expect(faults).toEqual([
    'routes[0].when.registered: no phone can register here; write "registration", or take it out',
    'routes[0].to[0]: no phone can register here; write "registration", or take it out',
  ]);
});

interface Wanted {
  readonly domain: object | undefined;
  readonly routes?: readonly object[];
}

function loaded({ domain, routes = [] }: Wanted) {
  const realm = {
    trust: "none",
    listen: ["udp:127.0.0.1:5060"],
    media: { address: "127.0.0.1", ports: "20000-20999" },
    srtp: "off",
  };
  const inside = {
    ...realm,
    trust: "full",
    listen: ["udp:127.0.0.1:5070"],
    media: { address: "127.0.0.1", ports: "30000-30999" },
  };
  const config = {
    name: "edge",
    realms: { outside: realm, inside },
    peers: { pbx: { realm: "inside", targets: ["udp:127.0.0.1:5080"] } },
    ...(domain && { registration: { domains: { "example.test": { realm: "outside", ...domain } } } }),
    routes,
  };
  return readSettings(join(folder, "sallyport.json"), JSON.stringify(config), 0);
}

function settingsOf(domain: object) {
  const result = loaded({ domain });
  if (!result.ok) throw new Error(result.faults.map(faultText).join("\n"));
  return result.settings;
}

function read(wanted: Wanted): string[] {
  const result = loaded(wanted);
  return result.ok ? [] : result.faults.map((fault) => faultText(fault).replace(/^[^ ]* /, ""));
}

const faultsOf = (domain: object): string[] => read({ domain });
