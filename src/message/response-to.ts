import { ResponseDraft } from "./draft.ts";
import type { Request } from "./message.ts";
import { phraseOf } from "./phrases.ts";

/**
 * What every answer has: Via, From, To, Call-ID and CSeq of the request, copied byte for byte. RFC 3261 §8.2.6.2.
 * `toTag` goes into To unless one is there or the answer is a 100; a 100 carries the request's Timestamp (§8.2.6.1).
 */
export function responseTo(
  request: Request,
  status: number,
  toTag?: string,
  reason: string = phraseOf(status),
): ResponseDraft {
  const headers = request.headers;
  const draft = new ResponseDraft(status, reason);
  for (const via of headers.rawAll("Via")) draft.echo("Via", via);
  copy(draft, request, "From");
  const to = headers.raw("To");
  const needsTag = toTag !== undefined && status !== 100 && request.toTag === undefined;
  if (to !== undefined && needsTag) draft.add("To", `${to};tag=${toTag}`);
  else if (to !== undefined) draft.echo("To", to);
  copy(draft, request, "Call-ID");
  copy(draft, request, "CSeq");
  if (status === 100) copy(draft, request, "Timestamp");
  return draft;
}

/** A request that is answered for being broken may lack it. */
function copy(draft: ResponseDraft, request: Request, name: string): void {
  const value = request.headers.raw(name);
  if (value !== undefined) draft.echo(name, value);
}
