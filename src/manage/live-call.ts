/** A live call as `sallyport calls` shows it: to machines whole, to people in one line that fits a screen. */
import type { EngineView } from "../engine/index.ts";
import { tableText } from "./show.ts";

type CallView = ReturnType<EngineView["calls"]>[number];
type Party = CallView["from"];
type Stream = NonNullable<CallView["media"]>["streams"][number];

export interface LiveCall extends CallView {
  readonly id: string;
  /** When it began, ISO 8601. */
  readonly since: string;
}

/** `wallMs`: milliseconds since 1970. */
export function liveCall(view: CallView, wallMs: number): LiveCall {
  const since = new Date(wallMs - view.ageMs).toISOString();
  const media = view.media && {
    ...view.media,
    streams: view.media.streams.map((stream) => ({ ...stream, path: pathOf(stream) })),
  };
  return { id: view.call, since, ...view, media };
}

/** Each direction has a path of its own; a held one stays with the sockets. */
function pathOf({ caller, callee }: Stream): string {
  const paths = new Set([caller.path ?? "socket", callee.path ?? "socket"]);
  return paths.size > 1 ? "mixed" : String([...paths][0]);
}

export function callsText(calls: readonly LiveCall[]): string {
  const rows = calls.map(({ id, state, ageMs, from, to, media }) => ({
    id,
    state,
    seconds: Math.round(ageMs / 1_000),
    from: partyText(from),
    to: to === undefined ? "-" : partyText(to),
    media: (media?.streams ?? []).map(streamText).join(", ") || "-",
  }));
  return tableText(rows, "no calls");
}

const partyText = ({ user, peer, realm, remote }: Party): string =>
  `${user === "" ? "?" : user} ${peer ?? "stranger"}/${realm}${remote === "" ? "" : ` ${remote}`}`;

const streamText = ({ kind, caller, callee }: Stream): string => `${kind} ${endText(caller)} <-> ${endText(callee)}`;

const endText = ({ codecs, keys, suite }: Stream["caller"]): string =>
  `${codecs.join("+")} ${keys === "none" ? "RTP" : `${keys === "dtls" ? "DTLS-SRTP" : "SRTP"} ${suite ?? "(shaking hands)"}`}`;
