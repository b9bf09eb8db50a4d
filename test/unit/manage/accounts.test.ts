/** `peers.X.auth` of the operator's file. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { changeText, differences, faultText, readSettings } from "../../../src/manage/index.ts";

const folder = mkdtempSync(join(tmpdir(), "accounts-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a password in the file, as bytes of UTF-8, shown to nobody", () => {
  const auth = authOf('{ "user": "ä", "password": "geheim", "realm": "carrier" }');
  expect(auth).toMatchObject({ user: "\xc3\xa4", realm: "carrier", hashes: ["MD5", "SHA-256", "SHA-512-256"] });
  expect(auth.password?.reveal()).toBe("geheim");
  expect(JSON.stringify(auth)).not.toContain("geheim");
});

test("a password from a file beside: its first line; one that everybody may read is worth a warning", () => {
  const file = join(folder, "carrier.password");
  writeFileSync(file, "from a file\r\nnot this\n");
  chmodSync(file, 0o640);
  const written = '{ "user": "u", "passwordFile": "carrier.password" }';
  expect(authOf(written).password?.reveal()).toBe("from a file");
  expect(read(written).warnings).toEqual([]);
  chmodSync(file, 0o644);
  expect(read(written).warnings.map(({ problem }) => problem)).toEqual([`every user of this machine may read ${file}`]);
  writeFileSync(file, "\n");
  expect(faultsOf(written)).toEqual([
    `peers.p.auth.passwordFile: the first line of ${file} is empty; write the password there`,
  ]);
  expect(faultsOf('{ "user": "u", "passwordFile": "nowhere" }')).toEqual([
    `peers.p.auth.passwordFile: ${join(folder, "nowhere")} does not exist; make it, or name another`,
  ]);
});

test("a digest in place of the password, for one realm and its algorithm", () => {
  const digest = "939E7578ED9E3C518A452ACEE763BCE9";
  const auth = authOf(`{ "user": "u", "realm": "r", "ha1": { "MD5": "${digest}" } }`);
  expect(auth.ha1.get("MD5")?.reveal()).toBe(digest.toLowerCase());
  expect(faultsOf(`{ "user": "u", "ha1": { "MD5": "${digest}" } }`)).toEqual([
    "peers.p.auth.ha1: a digest is good for one realm only; write that realm",
  ]);
  expect(faultsOf(`{ "user": "u", "realm": "r", "ha1": { "MD5": "${digest}" }, "algorithms": ["SHA-256"] }`)).toEqual([
    "peers.p.auth.ha1: it has none of the algorithms that may be used; write one of theirs",
  ]);
});

test("faults do not show the secret that is wrong", () => {
  const faults = [
    ...faultsOf('{ "user": "u", "realm": "r", "ha1": { "MD5": "5ecret" } }'),
    ...faultsOf('{ "user": "u", "password": 5551234 }'),
  ];
  expect(faults).toEqual([
    "peers.p.auth.ha1.MD5: this is no digest; write 32 hex digits for MD5, 64 for the others",
    'peers.p.auth.password: "•••" is not a text in double quotes; write a text in double quotes',
  ]);
});

test("one way to prove the user, not none and not two", () => {
  expect(faultsOf('{ "user": "u" }')).toEqual([
    "peers.p.auth: there is nothing to prove the user by; write password, passwordFile or ha1",
  ]);
  expect(faultsOf('{ "user": "u", "password": "a", "passwordFile": "b" }')[0]).toBe(
    "peers.p.auth.passwordFile: password is there as well; keep one of them",
  );
});

test("a new password is a change that does not tell it", () => {
  const [one, two] = ['"first"', '"second"'].map((text) => {
    const loaded = read(`{ "user": "u", "password": ${text} }`);
    if (!loaded.ok) throw new Error("the sample is wrong");
    return loaded.settings;
  });
  if (one === undefined || two === undefined) throw new Error("two samples");
  expect(differences(one, one)).toEqual([]);
  const changes = differences(one, two).map(changeText);
  expect(changes).toHaveLength(1);
  expect(changes[0]).toMatch(/^peers\.p\.auth\.password: "••• \([0-9a-f]{8}\)" -> "••• \([0-9a-f]{8}\)"; at once/);
});

test("a registration: the account of record and what it is made of", () => {
  expect(registerOf('{ "aor": "sip:+4930123@Carrier.example" }')).toEqual({
    aor: "sip:+4930123@carrier.example",
    scheme: "sip",
    user: "+4930123",
    host: "carrier.example",
    contactUser: "+4930123",
    everySeconds: 600,
    gin: false,
  });
  expect(registerOf('{ "aor": "SIP:a@b", "contactUser": "x", "everySeconds": 3600 }')).toMatchObject({
    scheme: "sip",
    contactUser: "x",
    everySeconds: 3_600,
  });
});

test("no address of record, numbers and a user at once, and a time that would hammer are faults", () => {
  for (const [register, fault] of [
    [
      '{ "aor": "carrier.example" }',
      'aor: "carrier.example" is no address of record; write it as in sip:12345@carrier.example.com',
    ],
    ['{ "aor": "sips:a@b" }', "aor: a sips: account needs TLS; write tls: targets, or sip:"],
    [
      '{ "aor": "sip:a@b:5060" }',
      'aor: "sip:a@b:5060" is no address of record; write it as in sip:12345@carrier.example.com',
    ],
    [
      '{ "aor": "sip:a@b", "gin": true, "contactUser": "x" }',
      "contactUser: with gin the numbers are the users; take one of both out",
    ],
    [
      '{ "aor": "sip:a@b", "contactUser": "x y" }',
      'contactUser: "x y" is no user; write 1 to 64 letters, digits, dots, -, + and _',
    ],
    ['{ "aor": "sip:a@b", "everySeconds": 5 }', "everySeconds: 5 is out of range; write 60 to 86400"],
  ] as const) {
    expect(faultsOf('{ "user": "u", "password": "p" }', register)).toEqual([`peers.p.register.${fault}`]);
  }
});

test("two accounts at one address are told apart by their Contacts; two bulk ones are not", () => {
  const twin = (more: string) =>
    read(
      '{ "user": "u", "password": "p" }',
      `{ "aor": "sip:a@b"${more} } }, "q": { "realm": "a", "targets": ["udp:127.0.0.9:5060"], "register": { "aor": "sip:c@b"${more} }`,
    );
  expect(twin("").warnings).toEqual([]);
  expect(twin(', "gin": true').warnings.map(({ problem }) => problem)).toEqual([
    'requests from 127.0.0.9 are already taken for those of "p"',
  ]);
});

function registerOf(register: string) {
  const loaded = read('{ "user": "u", "password": "p" }', register);
  return loaded.ok ? loaded.settings.peers.get("p")?.register : loaded.faults;
}

function authOf(auth: string) {
  const loaded = read(auth);
  const settings = loaded.ok ? loaded.settings.peers.get("p")?.auth : undefined;
  if (settings === undefined) throw new Error(faultsOf(auth).join("\n"));
  return settings;
}

const faultsOf = (auth: string, register?: string): string[] => {
  const loaded = read(auth, register);
  return loaded.ok ? [] : loaded.faults.map((fault) => faultText(fault).replace(/^[^:]*:\d+:\d+: /, ""));
};

const read = (auth: string, register?: string) =>
  readSettings(
    join(folder, "x.jsonc"),
    `{ "realms": { "a": { "trust": "full", "listen": ["udp:127.0.0.1:5060"], "media": { "address": "127.0.0.1", "ports": "20000-59999" }, "srtp": "off" } },
       "peers": { "p": { "realm": "a", "targets": ["udp:127.0.0.9:5060"], "auth": ${auth}${register === undefined ? "" : `, "register": ${register}`} } } }`,
    1_790_000_000_000,
  );
