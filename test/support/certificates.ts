/** A certificate authority for one test: it signs what the test asks for, and is gone with the test's folder. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Identity {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export class Authority {
  readonly file: string;
  readonly #folder: string;
  readonly #name: string;
  #issued = 0;

  /** Puts `NAME.pem` and `NAME.key` into `folder`. */
  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    this.file = join(folder, `${name}.pem`);
    this.#openssl("req", "-x509", ...NEW_KEY, "-nodes", "-days", "2", "-subj", `/CN=${name}`, ...authority(name));
  }

  /** A certificate for a host, with the SIP URI that RFC 5922 wants beside the DNS name. */
  issue(host: string): Identity {
    const name = `${this.#name}-${++this.#issued}`;
    const extensions = `subjectAltName=DNS:${host},URI:sip:${host}\nextendedKeyUsage=serverAuth,clientAuth\n`;
    writeFileSync(join(this.#folder, `${name}.ext`), extensions);
    const request = ["-subj", `/CN=${host}`, "-keyout", `${name}.key`, "-out", `${name}.csr`];
    this.#openssl("req", "-new", ...NEW_KEY, "-nodes", ...request);
    const signer = ["-CA", `${this.#name}.pem`, "-CAkey", `${this.#name}.key`, "-set_serial", String(this.#issued)];
    const files = ["-in", `${name}.csr`, "-extfile", `${name}.ext`, "-out", `${name}.crt`];
    this.#openssl("x509", "-req", "-days", "2", ...signer, ...files);
    return { cert: this.#read(`${name}.crt`), key: this.#read(`${name}.key`) };
  }

  #openssl(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.#folder, stdio: "pipe" });
  }

  #read(file: string): Buffer {
    return readFileSync(join(this.#folder, file));
  }
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

const authority = (name: string): string[] => [
  "-addext",
  "basicConstraints=critical,CA:TRUE",
  "-keyout",
  `${name}.key`,
  "-out",
  `${name}.pem`,
];
