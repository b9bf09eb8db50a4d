import type { RequestDraft, ResponseDraft } from "../message/index.ts";

/** What the call puts into a message beyond what the leg writes itself: headers that may cross, and a body. */
export interface Parcel {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** Value of Content-Type; `undefined` without a body. */
  readonly type: string | undefined;
}

export const NOTHING: Parcel = { headers: [], body: "", type: undefined };

export const withHeaders = (...headers: (readonly [string, string])[]): Parcel => ({
  headers,
  body: "",
  type: undefined,
});

export function fill(draft: RequestDraft | ResponseDraft, parcel: Parcel): void {
  for (const [name, value] of parcel.headers) draft.add(name, value);
  if (parcel.type !== undefined) {
    draft.add("Content-Type", parcel.type);
    draft.body = parcel.body;
  }
}

export const carriesSdp = (parcel: Parcel): boolean => parcel.type === "application/sdp";
