/**
 * Diversion (RFC 5806) and History-Info (RFC 7044) of an INVITE, each as the other: RFC 7544. Both work on values that
 * may be shown already (diverted.ts).
 */
import type { DiversionPolicy } from "../base/index.ts";
import { Diversion, HistoryInfo, type NameAddr, parseUri, splitList, type Uri } from "../message/index.ts";
import { headersOf, isPrivate } from "./diverted.ts";
import { userOf } from "./redirect.ts";

/** Limit: entries of one INVITE toward a peer; the oldest stay behind, since nobody bills by them. */
const ENTRIES = 20;

type HeaderPair = readonly [name: string, value: string];

/** A redirect that we followed: who was asked for, as it may be shown, and with what the peer sent us on. */
export interface Retarget {
  readonly uri: string;
  readonly status: number;
}

/** RFC 7544 §5 and §6: the reason of one, the cause (RFC 4458) of the other. */
const causeOf: Readonly<Record<string, number>> = {
  unconditional: 302,
  "user-busy": 486,
  "no-answer": 408,
  deflection: 480,
  unavailable: 503,
};
const UNKNOWN_CAUSE = 404;
const reasonOf: ReadonlyMap<number, string> = new Map([
  [UNKNOWN_CAUSE, "unknown"],
  [302, "unconditional"],
  [486, "user-busy"],
  [408, "no-answer"],
  [480, "deflection"],
  [487, "deflection"],
  [503, "unavailable"],
]);

/**
 * The crossing headers of an INVITE as a peer with this policy is to read them. `target`: the Request-URI as that peer
 * sees it. `moves`: the redirects that led there, oldest first; they are told where the form is chosen, or one is in use.
 */
export function tellDiversions(
  headers: readonly HeaderPair[],
  policy: DiversionPolicy,
  target: string,
  moves: readonly Retarget[],
): readonly HeaderPair[] {
  const rest = headers.filter(([name]) => name !== "Diversion" && name !== "History-Info");
  if (policy === "off") return rest;
  const diversions = entriesOf("Diversion", headers).slice(0, ENTRIES);
  const history = entriesOf("History-Info", headers).slice(-ENTRIES);
  if (policy === "pass") return [...rest, ...asTheyCame(diversions, history, target, moves)];
  if (policy === "diversion") {
    // RFC 7544 §3.1: what is in both is told once; the newer form of the two neighbours' is the one that was asked for.
    const told = diversions.length > 0 ? diversions : diversionsOf(history);
    return [...rest, ...pairs("Diversion", movedTo(told, moves))];
  }
  const told = history.length > 0 ? history : historyOf(diversions, target);
  return [...rest, ...pairs("History-Info", historyMoved(told, target, moves))];
}

function asTheyCame(
  diversions: readonly NameAddr[],
  history: readonly NameAddr[],
  target: string,
  moves: readonly Retarget[],
): readonly HeaderPair[] {
  return [
    ...pairs("Diversion", diversions.length > 0 ? movedTo(diversions, moves) : []),
    ...pairs("History-Info", history.length > 0 ? historyMoved(history, target, moves) : []),
  ];
}

// — Diversion: the newest stands first

function movedTo(diversions: readonly NameAddr[], moves: readonly Retarget[]): readonly NameAddr[] {
  const news = moves.map(({ uri }) => ({ uri, params: params({ reason: "unconditional", counter: "1" }) }));
  return [...news.reverse(), ...diversions].slice(0, ENTRIES);
}

/** RFC 7544 §6: every entry with a cause of diversion tells of the one that it was diverted from. */
function diversionsOf(history: readonly NameAddr[]): readonly NameAddr[] {
  const found: NameAddr[] = [];
  for (const [at, entry] of history.entries()) {
    const uri = sipUriOf(entry);
    const reason = reasonOf.get(Number(uri?.params.get("cause")));
    const mapped = entry.params.get("mp");
    const from = mapped === undefined ? history[at - 1] : history.find(({ params }) => params.get("index") === mapped);
    if (reason === undefined || from === undefined) continue;
    const secret = headersOf(sipUriOf(from)?.headers ?? "").secret;
    found.push({
      ...named(from),
      uri: bare(from.uri),
      params: params({ reason, counter: "1", privacy: secret ? "full" : "off" }),
    });
  }
  return found.reverse();
}

// — History-Info: the oldest stands first

/** RFC 7544 §5: one entry for each diversion from the oldest on, and one for whom the call is for now. */
function historyOf(diversions: readonly NameAddr[], target: string): readonly NameAddr[] {
  if (diversions.length === 0) return [];
  const told: NameAddr[] = [];
  let index = "1";
  let cause: number | undefined;
  const add = (uri: string, privacy: string, display?: string): void => {
    const mapped = told.length === 0 ? {} : { mp: index };
    if (told.length > 0) index = `${index}.1`;
    const why = cause === undefined ? uri : withCause(uri, cause);
    const value = {
      uri: privacy === "" ? why : `${asSip(why)}?Privacy=${privacy}`,
      params: params({ index, ...mapped }),
    };
    told.push(display === undefined ? value : { display, ...value });
  };
  for (const diversion of [...diversions].reverse()) {
    // What the counter says was left out stands as placeholders, so that a count of entries is right.
    const counter = Math.min(Number(diversion.params.get("counter") ?? 1) || 1, ENTRIES);
    for (let missing = counter - 1; missing > 0 && told.length < ENTRIES; missing--) {
      add("sip:unknown@unknown.invalid", "");
      cause = UNKNOWN_CAUSE;
    }
    const privacy = diversion.params.get("privacy");
    add(diversion.uri, isPrivate(privacy) ? "history" : privacy === "off" ? "none" : "", diversion.display);
    cause = causeOf[diversion.params.get("reason")?.toLowerCase() ?? ""] ?? UNKNOWN_CAUSE;
  }
  add(target, "");
  return told.slice(-ENTRIES);
}

/** RFC 7044 §10.3: each redirect is one more entry behind the last; its cause stands with the one that came after it. */
function historyMoved(history: readonly NameAddr[], target: string, moves: readonly Retarget[]): readonly NameAddr[] {
  if (moves.length === 0) return history;
  const told = [...history];
  const last = told.at(-1);
  let index = last?.params.get("index") ?? "";
  for (const [at, { uri, status }] of moves.entries()) {
    const reason = `?Reason=SIP%3Bcause%3D${status}`;
    const known = at === 0 && last !== undefined && userAt(last.uri) === userAt(uri);
    if (known) told.pop();
    else index = index === "" ? "1" : `${index}.1`;
    const why = at === 0 ? (known ? bareWithCause(last.uri) : uri) : withCause(uri, 302);
    told.push({ uri: `${asSip(why)}${reason}`, params: params({ index }) });
  }
  told.push({ uri: withCause(target, 302), params: params({ index: `${index}.1`, mp: index }) });
  return told.slice(-ENTRIES);
}

// — Values

function entriesOf(name: string, headers: readonly HeaderPair[]): NameAddr[] {
  const field = name === "Diversion" ? Diversion : HistoryInfo;
  return headers
    .filter(([key]) => key === name)
    .flatMap(([, line]) => splitList(line))
    .map((text) => field.parse(text)); // We wrote them ourselves: what could not be read did not cross.
}

const pairs = (name: string, values: readonly NameAddr[]): readonly HeaderPair[] =>
  values.length === 0 ? [] : [[name, values.map(Diversion.format).join(", ")]];

const params = (values: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(values));

const named = ({ display }: NameAddr): { readonly display?: string } => (display === undefined ? {} : { display });

function sipUriOf({ uri }: NameAddr): Extract<Uri, { scheme: "sip" | "sips" }> | undefined {
  const parsed = parseUri(uri);
  return parsed.scheme === "sip" || parsed.scheme === "sips" ? parsed : undefined;
}

const userAt = (text: string): string => userOf(parseUri(text));

/** Without what only an entry of History-Info carries in its URI. */
const bare = (uri: string): string => withoutHeaders(uri).replace(/;cause=\d+/, "");

const bareWithCause = (uri: string): string => withoutHeaders(uri);

const withoutHeaders = (uri: string): string => {
  const question = uri.indexOf("?", uri.indexOf("@") + 1);
  return question < 0 ? uri : uri.slice(0, question);
};

const withCause = (uri: string, cause: number): string => `${asSip(uri)};cause=${cause}`;

/** RFC 7544 §5: a tel: URI cannot hold a cause or headers; where it lives is not known any more. */
const asSip = (uri: string): string =>
  uri.startsWith("tel:") ? `sip:${uri.slice(4).replace(/;.*/, "")}@unknown.invalid;user=phone` : uri;
