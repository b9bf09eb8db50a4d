import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { readWorded } from "./words.ts";

/** RFC 7989: two halves that identify a session end to end, each 32 hexadecimal digits. */
export interface SessionIdValue {
  readonly local: string;
  /** Absent in the form of RFC 7329. */
  readonly remote?: string;
}

const HALF = /^[0-9a-f]{32}$/;

export const SessionId: HeaderField<SessionIdValue> = {
  name: "Session-ID",
  parse(text) {
    const { word, params } = readWorded("Session-ID", text);
    const local = word.toLowerCase();
    const remote = params.get("remote")?.toLowerCase();
    if (!HALF.test(local) || (remote !== undefined && !HALF.test(remote)))
      throw malformed("Session-ID", "not 32 hexadecimal digits");
    return remote === undefined ? { local } : { local, remote };
  },
  format: ({ local, remote }) => (remote === undefined ? local : `${local};remote=${remote}`),
};
