/** Throw-away certificates in a directory of their own, made once a test file. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("../../../config/make-test-tls.sh", import.meta.url));

export interface TestTls {
  readonly directory: string;
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
  remove(): void;
}

export function makeTestTls(): TestTls {
  const directory = mkdtempSync(join(tmpdir(), "sallyport-tls-"));
  execFileSync(script, [directory], { stdio: "ignore" });
  return {
    directory,
    certificate: join(directory, "sbc.crt"),
    key: join(directory, "sbc.key"),
    ca: join(directory, "ca.pem"),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
