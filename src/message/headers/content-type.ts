import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { skip, skipSpace, TOKEN } from "../grammar.ts";
import { formatParams, type ParamMap, readParams } from "../params.ts";

/** `application/sdp;charset=…`. RFC 3261 §20.15, §20.1. */
export interface MediaType {
  /** Lower case. */
  readonly type: string;
  /** Lower case. */
  readonly subtype: string;
  readonly params: ParamMap;
}

const SLASH = 0x2f;

function readMediaType(header: string, text: string): MediaType {
  const typeEnd = skip(TOKEN, text, 0, text.length);
  const slash = skipSpace(text, typeEnd, text.length);
  const start = skipSpace(text, slash + 1, text.length);
  const end = skip(TOKEN, text, start, text.length);
  if (typeEnd === 0 || text.charCodeAt(slash) !== SLASH || end <= start) throw malformed(header, "no type/subtype");
  const params = readParams(text, skipSpace(text, end, text.length), text.length);
  if (params === undefined) throw malformed(header, "broken parameters");
  return { type: text.slice(0, typeEnd).toLowerCase(), subtype: text.slice(start, end).toLowerCase(), params };
}

const formatMediaType = ({ type, subtype, params }: MediaType): string => `${type}/${subtype}${formatParams(params)}`;

export const ContentType: HeaderField<MediaType> = {
  name: "Content-Type",
  compact: "c",
  parse: (text) => readMediaType("Content-Type", text),
  format: formatMediaType,
};

/** RFC 3261 §20.1: an empty one means that no type is acceptable; `getAll` then gives an empty list. */
export const Accept: HeaderField<MediaType> = {
  name: "Accept",
  list: true,
  parse: (text) => readMediaType("Accept", text),
  format: formatMediaType,
};
