/**
 * What a final or provisional answer of one side becomes on the other. The phrase is always ours: a phrase of the other
 * side is free text that may name its hosts.
 */

/** RFC 3261 §21 and the registered codes since. A code that is not here becomes the x00 of its class (§8.1.3.2). */
const PHRASES: Readonly<Record<number, string>> = {
  100: "Trying",
  180: "Ringing",
  181: "Call Is Being Forwarded",
  182: "Queued",
  183: "Session Progress",
  199: "Early Dialog Terminated",
  200: "OK",
  202: "Accepted",
  204: "No Notification",
  400: "Bad Request",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  410: "Gone",
  412: "Conditional Request Failed",
  413: "Request Entity Too Large",
  414: "Request-URI Too Long",
  415: "Unsupported Media Type",
  416: "Unsupported URI Scheme",
  417: "Unknown Resource-Priority",
  420: "Bad Extension",
  421: "Extension Required",
  422: "Session Interval Too Small",
  423: "Interval Too Brief",
  424: "Bad Location Information",
  428: "Use Identity Header",
  433: "Anonymity Disallowed",
  436: "Bad Identity Info",
  437: "Unsupported Credential",
  438: "Invalid Identity Header",
  469: "Bad Info Package",
  480: "Temporarily Unavailable",
  481: "Call/Transaction Does Not Exist",
  482: "Loop Detected",
  483: "Too Many Hops",
  484: "Address Incomplete",
  485: "Ambiguous",
  486: "Busy Here",
  487: "Request Terminated",
  488: "Not Acceptable Here",
  489: "Bad Event",
  491: "Request Pending",
  493: "Undecipherable",
  500: "Server Internal Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Server Time-out",
  505: "Version Not Supported",
  513: "Message Too Large",
  555: "Push Notification Service Not Supported",
  580: "Precondition Failure",
  600: "Busy Everywhere",
  603: "Decline",
  604: "Does Not Exist Anywhere",
  606: "Not Acceptable",
  607: "Unwanted",
  608: "Rejected",
};

/** Codes that mean something between the answering side and us alone. */
const OURS_ALONE: Readonly<Record<number, number>> = {
  401: 403, // We answer challenges only for configured trunks; the caller has no account over there.
  407: 403,
  494: 500, // RFC 3329: agreed between two neighbours.
  503: 500, // RFC 3261 §16.7: that the next hop is full says nothing about us.
};

/** Why an answer without a phrase of its own still reads well. */
export const reasonPhrase = (status: number): string =>
  PHRASES[status] ?? PHRASES[Math.floor(status / 100) * 100] ?? "Unknown";

/** The status and phrase that the other leg gets for `status`, which a peer sent. */
export function mapStatus(status: number): { readonly status: number; readonly reason: string } {
  const mapped = mapCode(status);
  return { status: mapped, reason: reasonPhrase(mapped) };
}

function mapCode(status: number): number {
  const ours = OURS_ALONE[status];
  if (ours !== undefined) return ours;
  if (PHRASES[status] !== undefined) return status;
  if (status < 200) return 183;
  if (status >= 300 && status < 400) return 480; // Its Contacts are addresses of that side, and we do not follow them.
  if (status >= 700) return 500;
  return Math.floor(status / 100) * 100;
}
