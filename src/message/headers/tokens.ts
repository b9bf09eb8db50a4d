/** Header fields that are lists of single words; `getAll` gives the words. */
import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { isToken } from "../grammar.ts";

function tokenField(name: string, compact?: string): HeaderField<string> {
  return {
    name,
    ...(compact === undefined ? {} : { compact }),
    list: true,
    parse(text) {
      if (!isToken(text)) throw malformed(name, "not a list of tokens");
      return text;
    },
    format: (value) => value,
  };
}

/** Option tags: RFC 3261 §19.2, §20.32, §20.37, §20.29, §20.40. */
export const Require = tokenField("Require");
export const Supported = tokenField("Supported", "k");
export const ProxyRequire = tokenField("Proxy-Require");
export const Unsupported = tokenField("Unsupported");
/** Methods. RFC 3261 §20.5. */
export const Allow = tokenField("Allow");
/** Event packages. RFC 6665 §8.2.2. */
export const AllowEvents = tokenField("Allow-Events", "u");
/** RFC 3261 §20.12, §20.2. */
export const ContentEncoding = tokenField("Content-Encoding", "e");
/** Directions that early media may take, by m-line, and what else is said of it. RFC 5009 §9. */
export const PEarlyMedia = tokenField("P-Early-Media");
/** Info packages. RFC 6086 §7. */
export const InfoPackage = tokenField("Info-Package");
export const RecvInfo = tokenField("Recv-Info");
