export { mediaLimits } from "./limits.ts";
export type { MediaNews } from "./news.ts";
export type { MediaParty, MediaSide } from "./party.ts";
export type * from "./relay-command.ts";
export type { Gate } from "./session.ts";
export { type AnswerOptions, type MediaOptions, MediaSessions } from "./sessions.ts";
export { padded, type Standing } from "./standing.ts";
export type { EndView, MediaView, StreamView } from "./view.ts";
export type { Spoken } from "./voice.ts";
