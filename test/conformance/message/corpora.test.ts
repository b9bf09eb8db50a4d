/** Messages that others wrote or printed: what is whole parses, what is broken gets the documented error, nothing else. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { PeerError } from "../../../src/base/index.ts";
import { MessageError, parseUri } from "../../../src/message/index.ts";
import { asSent, dataPath, samples, verdict } from "./corpus.ts";

/** Messages that are broken, and by what. The rest of each set must parse. */
const broken: Record<string, Record<string, string>> = {
  "sip-messages-vendor": {
    "jsip-torture-001.sip": "Request-URI in angle brackets (RFC 4475 §3.1.2.7)",
    "jsip-torture-003.sip": "white space within the Request-URI (RFC 4475 §3.1.2.8)",
    "jsip-torture-004.sip": "two spaces in the start line (RFC 4475 §3.1.2.10)",
    "jsip-torture-006.sip": "headers in the Request-URI (RFC 4475 §3.1.2.11)",
    "jsip-torture-018.sip": "a header line without a colon",
    "jsip-torture-025.sip": "no From",
    "jsip-torture-056.sip": "a header line without a colon",
    "jsip-torture-061.sip": "another SIP version",
    "jsip-torture-092.sip": "an ACK whose CSeq says INVITE",
    "jsip-torture-359.sip": "two To (RFC 4475 §3.3.8)",
    "jsip-torture-365.sip": "empty Via parameters (RFC 4475 §3.1.2.1)",
    "jsip-torture-370.sip": "an unclosed quote (RFC 4475 §3.1.2.6)",
    "jsip-torture-372.sip": "white space within the Request-URI (RFC 4475 §3.1.2.8)",
    "jsip-torture-373.sip": "two spaces in the start line (RFC 4475 §3.1.2.9)",
    "jsip-torture-375.sip": "headers in the Request-URI (RFC 4475 §3.1.2.11)",
    "jsip-torture-378.sip": "white space within a URI (RFC 4475 §3.1.2.14)",
    "jsip-torture-379.sip": "a comma in an unquoted display name (RFC 4475 §3.1.2.15)",
    "jsip-torture-380.sip": "another SIP version (RFC 4475 §3.1.2.16)",
    "jsip-torture-382.sip": "a CSeq of another method (RFC 4475 §3.1.2.18)",
    "jsip-torture-393.sip": "two Content-Length (RFC 4475 §3.3.9)",
    "kamailio-bad_uri.sip": "no Via",
    "kamailio-inv_srv.sip": "no To",
    "kamailio-invite1.sip": "no To",
    "kamailio-invite3-callid.sip": "broken To parameters",
    "kamailio-invite4-cseq.sip": "CSeq without a method",
    "kamailio-invite5-callid.sip": "a header line without a colon",
    "kamailio-invite6-badbranch-via.sip": "a Via parameter without a value",
    "kamailio-message02.sip": "a header line without a colon",
    "kamailio-no_eom_reply.sip": "no From",
    "kamailio-req1.sip": "no From",
    "kamailio-req2.sip": "no From",
    "kamailio-rport.sip": "a header line without a colon",
    "kamailio-short_reply.sip": "no From",
  },
  "call-flows": {
    "rfc3261/009-INVITE.sip": "printed From without a scheme",
    "rfc3666/015-INVITE.sip": "printed with a space too much in the start line",
    "rfc3666/033-ACK.sip": "printed with the fold of To in the wrong place",
    "rfc3666/072-INVITE.sip": "printed with a space too much in the start line",
    "rfc3666/119-BYE.sip": "printed without From",
    "rfc3666/122-INVITE.sip": "printed with an empty Contact",
    "rfc3666/154-INVITE.sip": "printed with a space too much in the start line",
    "rfc3842/004-200_NOTIFY.sip": "printed without Via and with two words for its length",
    "rfc5589/005-INVITE.sip": "printed with the CSeq of the REFER",
    "rfc5589/010-NOTIFY.sip": "printed with the CSeq of another method",
    "rfc5589/011-INVITE.sip": "printed with the CSeq of another method",
    "rfc5589/012-NOTIFY.sip": "printed with the CSeq of another method",
    "rfc5626/001-REGISTER.sip": "printed with two semicolons in Contact",
    "rfc7118/003-INVITE.sip": "printed with a line break within a URI",
    "rfc7118/005-INVITE.sip": "printed with a line break within a URI",
    "rfc7433/001-INVITE.sip": "printed without CSeq",
  },
  "isup-sip": {},
};

/** Sets whose texts print only what matters there: without Via, or without a length that is a number. */
const excerpts = /^rfc(?:3842|3891|3911|5626)\//;

for (const [set, exceptions] of Object.entries(broken)) {
  test(`${set}: every message parses but those that are listed as broken`, () => {
    const messages = samples(set, /\.sip$/);
    expect(messages.length).toBeGreaterThan(set === "isup-sip" ? 1 : 100);
    const refused = new Map<string, string>();
    for (const { name, text } of messages) {
      verdict(text); // As it lies there: any verdict, but no other error.
      const found = verdict(asSent(text));
      if (!(found instanceof MessageError)) continue;
      if (excerpts.test(name) && found.message === "Via: missing") continue;
      refused.set(name, found.message);
    }
    expect([...refused.keys()].sort()).toEqual(Object.keys(exceptions).sort());
  });
}

test("advisory-messages: accepted or refused, and what is refused can be answered", () => {
  const verdicts = samples("advisory-messages", /\.sip$/).map(({ name, text }) => {
    const found = verdict(text);
    return `${name} ${found instanceof MessageError ? `${found.status} ${found.answerTo !== undefined}` : "accepted"}`;
  });
  expect(verdicts).toEqual([
    "ES2017-01-cseq-overflow.sip 400 true",
    "ES2018-01-subscribe-accept.sip accepted",
    "ES2018-02-sdp-fmtp-nul.sip accepted",
    "ES2020-03-sdp-media-type-overflow.sip accepted",
    "ES2021-07-message-noauth.sip accepted",
    "drachtio-243-contact-percent.sip 400 true",
  ]);
});

test("fuzz-seeds: any verdict, but no other error", () => {
  let count = 0;
  for (const { text } of samples("fuzz-seeds", /^(?!.*\.xz$)/)) {
    count += 1;
    verdict(text);
    verdict(text.replace(/\r?\n/g, "\r\n"));
    for (const line of text.split(/\r?\n/)) expectPeerErrorOnly(() => parseUri(line));
  }
  expect(count).toBeGreaterThan(200);
});

/** The placeholders of a case, filled in as its own program would. */
const fillings: Record<string, string> = {
  "<To>": "bob@192.0.2.1",
  "<From>": "alice@192.0.2.2",
  "<From-Address>": "192.0.2.2",
  "<From-IP>": "192.0.2.2",
  "<Local-Port>": "5060",
  "<Branch-ID>": "z9hG4bK1",
  "<Call-ID>": "1@192.0.2.2",
  "<CSeq>": "1",
  "<Content-Length>": "0",
  "<Teardown-Method>": "CANCEL",
};

test("protos-c07-sip: every message of every case gets a verdict, and the valid ones are accepted", () => {
  const tar = execFileSync("tar", ["-xJOf", dataPath("protos-c07-sip/testcases.tar.xz"), "--wildcards", "*/0*"], {
    maxBuffer: 1 << 30,
    encoding: "latin1",
  });
  let messages = 0;
  let accepted = 0;
  for (let at = 0; at < tar.length; ) {
    const length = /^\s*(\d{1,6}) /.exec(tar.slice(at, at + 16));
    if (length === null) break;
    at += length[0].length;
    const text = tar.slice(at, at + Number(length[1])).replace(/<[A-Z][A-Za-z-]+>/g, (word) => fillings[word] ?? word);
    at += Number(length[1]);
    messages += 1;
    if (!(verdict(text) instanceof MessageError)) accepted += 1;
  }
  expect(messages).toBeGreaterThan(2_000);
  expect(accepted).toBeGreaterThan(0);
});

function expectPeerErrorOnly(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(PeerError);
  }
}
