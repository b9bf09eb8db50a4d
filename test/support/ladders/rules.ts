/**
 * The named header rules. Every message of the box is held against all of them, whatever the ladder says about it;
 * `README.md` of the ladders tells what each one demands.
 */
import { bodyOf, headerOf, headersOf, tagOf, uriOf } from "../scripted-party.ts";
import type { PartyDialog } from "./dialog.ts";
import type { LadderParty } from "./party.ts";

export interface Judged {
  readonly text: string;
  readonly party: LadderParty;
  readonly dialog: PartyDialog;
  readonly method: string;
  readonly status: number | undefined;
}

type Rule = (judged: Judged) => string | undefined;

const isRequest = ({ status }: Judged): boolean => status === undefined;
const cseqOf = (text: string): number => Number.parseInt(headerOf(text, "CSeq"), 10);
const branchOf = (text: string): string => /branch=([^;,\s]+)/.exec(headerOf(text, "Via"))?.[1] ?? "";

export const RULES: Readonly<Record<string, Rule>> = {
  length: ({ text }) => {
    const said = headerOf(text, "Content-Length");
    return Number(said) === bodyOf(text).length
      ? undefined
      : `Content-Length ${said} with ${bodyOf(text).length} bytes`;
  },

  via: (judged) => {
    const { text, party } = judged;
    const vias = headersOf(text, "Via");
    if (isRequest(judged)) {
      if (vias.length !== 1) return `${vias.length} Via in a request of ours`;
      const right = `SIP/2.0/${party.wire.toUpperCase()} ${party.box}`;
      if (!vias[0]?.startsWith(right)) return `Via "${vias[0]}" should begin with "${right}"`;
      return branchOf(text).startsWith("z9hG4bK") ? undefined : "branch without its cookie";
    }
    return party.wrote.some((sent) => branchOf(sent) === branchOf(text)) ? undefined : "Via of a request never sent";
  },

  mirror: (judged) => {
    if (isRequest(judged)) return undefined;
    const { text, party, method } = judged;
    const request = party.wrote.findLast(
      (one) => branchOf(one) === branchOf(text) && one.startsWith(`${method} `) && cseqOf(one) === cseqOf(text),
    );
    if (request === undefined) return `a response to no ${method} of ours`;
    for (const name of ["From", "Call-ID", "CSeq"]) {
      if (headerOf(request, name) !== headerOf(text, name)) return `${name} differs from that of the request`;
    }
    const [asked, told] = [headerOf(request, "To"), headerOf(text, "To")];
    if (!told.startsWith(asked)) return `To "${told}" of a request to "${asked}"`;
    return judged.status === 100 || tagOf(told) !== "" ? undefined : "To has no tag";
  },

  contact: (judged) => {
    const { text, party, method, status = 0 } = judged;
    const opens = method === "INVITE" && status !== 100 && status < 300;
    if (!opens && headersOf(text, "Contact").length === 0) return undefined;
    if (status >= 300) return undefined;
    const contacts = headersOf(text, "Contact");
    if (contacts.length !== 1) return `${contacts.length} Contact`;
    return uriOf(contacts[0] as string).includes(`@${party.box}`) ? undefined : `Contact ${contacts[0]} is not ours`;
  },

  hops: (judged) => {
    if (!isRequest(judged)) return undefined;
    const left = Number(headerOf(judged.text, "Max-Forwards") || Number.NaN);
    return left > 0 && left <= 70 ? undefined : `Max-Forwards ${left}`;
  },

  dialog: (judged) => {
    const { text, dialog, method } = judged;
    if (!isRequest(judged) || tagOf(headerOf(text, "To")) === "") return undefined;
    if (method === "ACK" && branchOf(text) === branchOf(dialog.asked.get("INVITE") ?? "")) return undefined;
    if (headerOf(text, "Call-ID") !== dialog.callId) return "Call-ID of another dialog";
    if (!dialog.tags.has(tagOf(headerOf(text, "To")))) return "To tag is not that of the dialog";
    if (tagOf(headerOf(text, "From")) !== tagOf(dialog.remote)) return "From tag is not that of the dialog";
    return undefined;
  },

  cseq: (judged) => {
    const { text, dialog, method } = judged;
    if (!isRequest(judged)) return undefined;
    const number = cseqOf(text);
    const invite = cseqOf(dialog.asked.get("INVITE") ?? "");
    if (method === "ACK" || method === "CANCEL")
      return number === invite ? undefined : `CSeq ${number} is not ${invite}`;
    const before = dialog.remoteCseq.get(tagOf(headerOf(text, "To"))) ?? dialog.remoteCseq.get("") ?? 0;
    return number > before ? undefined : `CSeq ${number} after ${before}`;
  },

  target: (judged) => {
    const { text, dialog, party, method } = judged;
    if (!isRequest(judged) || method === "CANCEL" || tagOf(headerOf(text, "To")) === "") return undefined;
    if (method === "ACK" && branchOf(text) === branchOf(dialog.asked.get("INVITE") ?? "")) return undefined;
    const uri = text.split(" ")[1] as string;
    const contacts = party.wrote.flatMap((one) => headersOf(one, "Contact").map(uriOf));
    return contacts.includes(uri) ? undefined : `Request-URI ${uri} is no Contact of ours`;
  },

  branch: (judged) => {
    const { text, dialog, method } = judged;
    if (!isRequest(judged)) return undefined;
    const invite = branchOf(dialog.asked.get("INVITE") ?? "");
    if (method === "CANCEL") return branchOf(text) === invite ? undefined : "CANCEL on another branch";
    if (method === "ACK") return undefined;
    return branchOf(text) !== invite ? undefined : "the branch of the INVITE before";
  },

  sdp: ({ text, party, dialog }) => {
    if (!/^Content-Type: *application\/sdp/im.test(text)) return undefined;
    const body = bodyOf(text);
    const hosts = [...body.matchAll(/^[oc]=.*IN IP[46] (\S+)/gm)].map((match) => match[1]);
    if (hosts.length < 2 || hosts.some((host) => host !== party.boxIp && host !== "0.0.0.0"))
      return `o= or c= of ${hosts}`;
    const [, id = "", version = ""] = /^o=\S+ (\d+) (\d+)/m.exec(body) ?? [];
    const [idBefore, versionBefore, bodyBefore] = dialog.origin.split("\n\n");
    const lines = body.match(/^m=/gm)?.length ?? 0;
    const before = dialog.lines;
    dialog.origin = [id, version, body].join("\n\n");
    dialog.lines = lines;
    if (lines < before) return `${lines} m-lines after ${before}`;
    if (idBefore === undefined || versionBefore === undefined || idBefore === "") return undefined;
    if (id !== idBefore) return "another session id in o=";
    const step = BigInt(version) - BigInt(versionBefore);
    if (step !== 0n && step !== 1n) return `session version goes by ${step}`;
    return step === 0n && body !== bodyBefore ? "a changed description under the same version" : undefined;
  },

  private: ({ text, party }) => {
    const credentials = party.account ? [] : ["Authorization", "Proxy-Authorization"];
    const carried = ["Record-Route", "Path", "Service-Route"];
    const found = [...carried, ...credentials].find((name) => headersOf(text, name).length > 0);
    return found === undefined ? undefined : `${found} in a message of ours`;
  },
};

/** What is wrong with this message of the box. */
export function broken(judged: Judged): string[] {
  return Object.entries(RULES).flatMap(([name, rule]) => {
    const problem = rule(judged);
    return problem === undefined ? [] : [`rule ${name}: ${problem}`];
  });
}
