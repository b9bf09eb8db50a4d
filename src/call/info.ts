/** INFO and its packages: RFC 6086. What one end sends has to be what the other end said that it takes. */
import type { Dialog } from "../leg/index.ts";
import { InfoPackage, type Request } from "../message/index.ts";

/**
 * The packages that the other end takes instead, for Recv-Info of a 469; `undefined`: the INFO may cross. One without a
 * package is older than packages are, and its body alone says what it means (RFC 6086 §9). Throws PeerError(400).
 */
export function packagesInstead(request: Request, twin: Dialog): string | undefined {
  if (!request.headers.has("info-package")) return undefined;
  const wanted = request.get(InfoPackage)?.toLowerCase() ?? "";
  const taken = (twin.receivesInfo ?? "").split(",").map((one) => nameOf(one));
  return taken.includes(wanted) ? undefined : taken.filter((one) => one !== "" && one !== "nil").join(", ");
}

/** Parameters of a package are its own affair. */
const nameOf = (entry: string): string => (entry.split(";")[0] ?? "").trim().toLowerCase();
