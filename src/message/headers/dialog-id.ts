/** Header fields that name another dialog: Replaces (RFC 3891 §6.1), Join (RFC 3911 §7.1), Target-Dialog (RFC 4538 §7). */
import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { skip, WORD } from "../grammar.ts";
import { NO_PARAMS, type ParamMap, readParams } from "../params.ts";

/** Tags as the receiver of the header sees them. */
export interface DialogName {
  readonly callId: string;
  readonly toTag: string;
  readonly fromTag: string;
  /** Replaces only: only when that dialog is still early. */
  readonly earlyOnly?: boolean;
}

function readDialog(header: string, text: string, toName: string, fromName: string): DialogName {
  const end = skip(WORD, text, 0, text.length);
  const params: ParamMap | undefined = end === text.length ? NO_PARAMS : readParams(text, end, text.length);
  if (end === 0 || params === undefined) throw malformed(header, "no Call-ID and parameters");
  const toTag = params.get(toName);
  const fromTag = params.get(fromName);
  if (toTag === undefined || fromTag === undefined) throw malformed(header, "a tag is missing");
  const callId = text.slice(0, end);
  return params.has("early-only") ? { callId, toTag, fromTag, earlyOnly: true } : { callId, toTag, fromTag };
}

function dialogField(name: string, toName = "to-tag", fromName = "from-tag"): HeaderField<DialogName> {
  return {
    name,
    parse: (text) => readDialog(name, text, toName, fromName),
    format: ({ callId, toTag, fromTag, earlyOnly }) =>
      `${callId};${toName}=${toTag};${fromName}=${fromTag}${earlyOnly === true ? ";early-only" : ""}`,
  };
}

export const Replaces = dialogField("Replaces");
export const Join = dialogField("Join");
/** Here `local-tag` is the receiver's own tag, as to-tag is in Replaces. */
export const TargetDialog = dialogField("Target-Dialog", "local-tag", "remote-tag");
