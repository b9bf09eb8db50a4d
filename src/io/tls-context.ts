/** What a realm's TLS settings mean to node:tls. Files are read here, at start and at every reload. */
import { constants, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { type ConnectionOptions, createSecureContext, type SecureContext, type TlsOptions } from "node:tls";
import type { CertificateFiles, TlsSettings } from "../base/index.ts";
import { askedFor, belongsTo, namesAskedBy } from "./tls-names.ts";

/** Limit: a handshake that takes longer is broken off. */
export const HANDSHAKE_LIMIT_MS = 10_000;

/** Everything of a realm's TLS that is read from files, so that a reload sees new ones. */
export interface TlsIdentity {
  readonly verify: TlsSettings["verify"];
  readonly context: SecureContext;
  /** The certificates beside the first one, by the names that clients ask for them by. */
  readonly others: ReadonlyMap<string, SecureContext>;
  readonly server: TlsOptions;
}

/** Throws when a file cannot be read or used: `manage` has checked them, but they may have changed since. */
export function readIdentity(settings: TlsSettings): TlsIdentity {
  const ca = settings.ca === undefined ? undefined : readFileSync(settings.ca);
  const read = (from: CertificateFiles) => ({
    cert: readFileSync(from.certificate),
    key: readFileSync(from.key),
    ...(ca !== undefined && { ca }),
    minVersion: "TLSv1.2" as const,
    // A peer that renegotiates can make us do public-key work for ever; nobody in SIP needs it.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
  });
  const files = read(settings);
  const others = new Map<string, SecureContext>();
  for (const other of settings.others ?? []) {
    const one = read(other);
    const context = createSecureContext(one);
    for (const name of namesAskedBy(new X509Certificate(one.cert))) if (!others.has(name)) others.set(name, context);
  }
  const isMutual = settings.verify === "mutual";
  return {
    verify: settings.verify,
    context: createSecureContext(files),
    others,
    server: {
      ...files,
      requestCert: isMutual,
      rejectUnauthorized: isMutual,
      handshakeTimeout: HANDSHAKE_LIMIT_MS,
    },
  };
}

/** What a client is shown that asks for `name`; `undefined`: the first certificate. RFC 6066 §3. */
export const contextFor = (identity: TlsIdentity, name: string): SecureContext | undefined =>
  askedFor(identity.others, name);

/** `name`: what must stand in the server's certificate, unless `verify` is `none`. RFC 5922 §7.3. */
export function clientOptions(identity: TlsIdentity, name: string): ConnectionOptions {
  return {
    secureContext: identity.context,
    minVersion: "TLSv1.2",
    rejectUnauthorized: identity.verify !== "none",
    checkServerIdentity: (_host, certificate) => {
      const { subjectaltname: subjectAltName, subject } = certificate;
      const commonName = typeof subject.CN === "string" ? `CN=${subject.CN}` : "";
      return belongsTo({ subject: commonName, subjectAltName }, name)
        ? undefined
        : Object.assign(new Error(`the certificate is not for ${name}`), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    },
  };
}
