/** What a peer is told by Reason (RFC 3326; in responses RFC 6432), when it is to be told more or less than what came. */
import type { ReasonPolicy } from "../base/index.ts";
import { Reason, type ReasonValue, splitList } from "../message/index.ts";
import { causeOfStatus, isQ850Cause, NORMAL_CLEARING, statusOfCause } from "./causes.ts";

/** Limit: values of one Reason that we look at. RFC 3326 §2 has at most one of each protocol; the rest stays behind. */
const VALUES = 8;

/**
 * The value of Reason in a BYE or CANCEL toward a peer with this policy; "": none. `value` is one that we may send, as it
 * came and was cleaned or of our own making.
 */
export function reasonToward(policy: ReasonPolicy, value: string): string {
  if (policy === "pass" || value === "") return value;
  if (policy === "off") return "";
  const values = valuesOf(value);
  const q850 = values.find(isQ850);
  const sip = values.find(isSip);
  if (policy !== "sip" && q850 === undefined && sip?.cause !== undefined) values.push(q850Value(sip.cause));
  if (policy !== "q850" && sip === undefined && q850?.cause !== undefined) {
    const status = statusOfCause(q850.cause);
    if (status !== undefined) values.push({ protocol: "SIP", cause: status });
  }
  return values.map(Reason.format).join(", ");
}

/**
 * The headers of a final response toward a peer with this policy. A response has its status: of the two only the Q.850
 * cause is ever missing (RFC 6432 §2).
 */
export function reasonHeadersToward(
  policy: ReasonPolicy,
  headers: readonly (readonly [string, string])[],
  status: number,
): readonly (readonly [string, string])[] {
  if (policy === "pass" || policy === "sip") return headers;
  if (policy === "off") return headers.filter(([name]) => name !== "Reason");
  if (status < 300 || headers.some(([name, value]) => name === "Reason" && valuesOf(value).some(isQ850)))
    return headers;
  return [...headers, ["Reason", Reason.format(q850Value(status))]];
}

/** All that the Reason headers among these say, as one value; `undefined`: nothing. */
export function reasonAmong(headers: readonly (readonly [string, string])[]): string | undefined {
  let found: string | undefined;
  for (const [name, value] of headers)
    if (name === "Reason") found = found === undefined ? value : `${found}, ${value}`;
  return found;
}

/** The Q.850 cause that a Reason value tells, whatever else it tells. */
export function q850In(value: string): number | undefined {
  return valuesOf(value).find(isQ850)?.cause;
}

/**
 * The Q.850 cause of a call that ended, for its record: what the end that ended it said, or what the table makes of it.
 * `reason`: the value of Reason; `refused`: nobody hung up, the INVITE got `status`.
 */
export function q850Of(reason: string, status: number, refused: boolean): number {
  const values = valuesOf(reason);
  const told = values.find(isQ850)?.cause;
  if (told !== undefined) return told;
  if (refused) return causeOfStatus(status);
  const sip = values.find(isSip)?.cause ?? 0;
  return sip >= 300 ? causeOfStatus(sip) : NORMAL_CLEARING; // A 200 says that another fork answered.
}

const q850Value = (status: number): ReasonValue => ({ protocol: "Q.850", cause: causeOfStatus(status) });

const isQ850 = ({ protocol, cause }: ReasonValue): boolean => protocol.toUpperCase() === "Q.850" && isQ850Cause(cause);

const isSip = ({ protocol, cause }: ReasonValue): boolean => protocol.toUpperCase() === "SIP" && cause !== undefined;

function valuesOf(line: string): ReasonValue[] {
  const values: ReasonValue[] = [];
  for (const part of splitList(line)) {
    if (values.length === VALUES) break;
    try {
      values.push(Reason.parse(part));
    } catch {
      // Somebody else's value: it is left out rather than guessed at.
    }
  }
  return values;
}
