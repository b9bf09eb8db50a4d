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

/** `wallMs`: milliseconds since 1970. `path`: what carries the packets of every stream. */
export function liveCall(view: CallView, wallMs: number, path: string): LiveCall {
  const since = new Date(wallMs - view.ageMs).toISOString();
  const media = view.media && {
    ...view.media,
    streams: view.media.streams.map((stream) => ({ ...stream, path })),
  };
  return { id: view.call, since, ...view, media };
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
