/**
 * Whom a call was meant for before: single entries of Diversion (RFC 5806) and History-Info (RFC 7044), as another side
 * may see them. Hosts are rebuilt by the caller of these functions; what is kept here is why, when and under whose wish
 * for privacy.
 */
import type { Trust } from "../base/index.ts";
import { type Message, type NameAddr, parseUri, Reason } from "../message/index.ts";

/** RFC 3323 §4.1.1.3. */
const ANONYMOUS = "sip:anonymous@anonymous.invalid";

const INDEX = /^\d{1,4}(?:\.\d{1,4}){0,31}$/;

/** Reasons of other protocols than these may be anything. RFC 7044 §10.2. */
const REASONS: ReadonlySet<string> = new Set(["SIP", "Q.850"]);

/** Limit: headers in the URI of one entry that are looked at. */
const URI_HEADERS = 4;

/**
 * One History-Info entry: its cause (RFC 4458), index, and of the headers in its URI Reason and Privacy. Toward a realm
 * that is not of our own house privacy is carried out instead of asked for (RFC 7044 §10.1.2).
 */
export function cleanHistory(
  value: NameAddr,
  message: Message,
  to: Trust,
  hide: (value: NameAddr) => NameAddr,
): NameAddr {
  const uri = parseUri(value.uri);
  const hidden = hide(value);
  const params = new Map([...hidden.params].filter(([, text]) => text !== undefined && INDEX.test(text)));
  if (uri.scheme !== "sip" && uri.scheme !== "sips") return { ...hidden, params };
  const { reasons, secret, open } = headersOf(uri.headers ?? "");
  const cause = uri.params.get("cause");
  const why = cause !== undefined && /^[3-6]\d\d$/.test(cause) ? `;cause=${cause}` : "";
  const hides = secret || wishesPrivacy(message, "history") || wishesPrivacy(message, "header");
  const anonymous = hides && to !== "full";
  const privacy = anonymous ? "" : secret ? "history" : open ? "none" : "";
  const headers = [...(privacy === "" ? [] : [`Privacy=${privacy}`]), ...reasons].join("&");
  const place = anonymous ? ANONYMOUS : hidden.uri;
  const display = anonymous ? {} : { display: hidden.display };
  return withoutEmpty({ ...display, uri: `${place}${why}${headers === "" ? "" : `?${headers}`}`, params });
}

/** One Diversion entry. RFC 5806 §4: privacy is wished for by `full`, `name` or `uri`. */
export function cleanDiversion(
  value: NameAddr,
  message: Message,
  to: Trust,
  hide: (value: NameAddr) => NameAddr,
): NameAddr {
  const hidden = hide(value);
  const hides = isPrivate(hidden.params.get("privacy")) || wishesPrivacy(message, "header");
  if (!hides || to === "full") return hidden;
  const params = new Map(hidden.params);
  params.delete("privacy");
  return { uri: ANONYMOUS, params };
}

export const isPrivate = (privacy: string | undefined): boolean => /^(?:full|name|uri)$/i.test(privacy ?? "");

/** RFC 3323 §4.2: what the whole message wishes. */
const wishesPrivacy = (message: Message, kind: string): boolean =>
  message.headers.rawAll("privacy").some((line) =>
    line
      .toLowerCase()
      .split(/[\s;,]+/)
      .includes(kind),
  );

/** What the URI of an entry carries behind its question mark. */
export function headersOf(text: string): {
  readonly reasons: readonly string[];
  readonly secret: boolean;
  readonly open: boolean;
} {
  const reasons: string[] = [];
  let secret = false;
  let open = false;
  for (const part of text.split("&", URI_HEADERS)) {
    const equals = part.indexOf("=");
    const name = part.slice(0, equals).toLowerCase();
    const value = decoded(part.slice(equals + 1));
    if (name === "privacy") {
      secret ||= /\bhistory\b/i.test(value);
      open ||= /^none$/i.test(value);
    } else if (name === "reason") reasons.push(...reasonIn(value));
  }
  return { reasons, secret, open };
}

function reasonIn(text: string): readonly string[] {
  try {
    const { protocol, cause } = Reason.parse(text);
    const name = protocol.toUpperCase();
    return REASONS.has(name) && cause !== undefined ? [`Reason=${name}%3Bcause%3D${cause}`] : [];
  } catch {
    return [];
  }
}

/** Escapes of RFC 3261 §25.1; a broken one stays as it is. */
const decoded = (text: string): string =>
  text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

const withoutEmpty = ({
  display,
  uri,
  params,
}: {
  display?: string | undefined;
  uri: string;
  params: NameAddr["params"];
}): NameAddr => (display === undefined ? { uri, params } : { display, uri, params });
