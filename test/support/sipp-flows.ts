/** What two sipp do to each other through the box: both ends of each flow. */
import { SippScript, sdp } from "./sipp-script.ts";

export interface Flow {
  readonly name: string;
  readonly caller: SippScript;
  readonly callee: SippScript;
}

const ALLOW = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, INFO, REFER, NOTIFY, OPTIONS";

function flow(name: string, write: (caller: SippScript, callee: SippScript) => void): Flow {
  const caller = new SippScript(name, "caller");
  const callee = new SippScript(name, "callee");
  write(caller, callee);
  return { name, caller, callee };
}

/** From the INVITE to the ACK. */
function connect(caller: SippScript, callee: SippScript, headers: readonly string[] = []): void {
  caller.invite({ headers: [ALLOW, ...headers], body: sdp() });
  caller.expect(100, { optional: true }).expect(180, { optional: true }).expect(200).request("ACK");
  callee
    .expect("INVITE")
    .reply("180 Ringing")
    .reply("200 OK", { headers: [ALLOW], body: sdp() }, true)
    .expect("ACK");
}

function hangUp(by: SippScript, other: SippScript): void {
  by.request("BYE").expect(200);
  other.expect("BYE").replyInside("200 OK");
}

/** A re-INVITE of one end. */
function reinvite(by: SippScript, other: SippScript, offered: string, answered: string, version: number): void {
  by.request("INVITE", { body: sdp(offered, version) });
  by.expect(100, { optional: true }).expect(200).request("ACK");
  other
    .expect("INVITE")
    .replyInside("200 OK", { headers: [ALLOW], body: sdp(answered, version) }, true)
    .expect("ACK");
}

const plain = flow("plain", (caller, callee) => {
  connect(caller, callee);
  caller.pause(200);
  hangUp(caller, callee);
});

const hungUpByCallee = flow("hung-up-by-callee", (caller, callee) => {
  connect(caller, callee);
  callee.pause(200);
  hangUp(callee, caller);
});

const prack = flow("prack", (caller, callee) => {
  caller.invite({ headers: [ALLOW, "Supported: 100rel"], body: sdp() });
  caller.expect(100, { optional: true });
  caller.expect(183, { keep: { header: "RSeq", pattern: "[0-9]+", name: "rseq" } });
  caller.request("PRACK", { headers: ["RAck: [$rseq] 1 INVITE"] }).expect(200);
  caller.expect(180, { optional: true }).expect(200);
  callee
    .expect("INVITE")
    .reply("183 Session Progress", { headers: ["Require: 100rel", "RSeq: 4711", ALLOW], body: sdp() }, true);
  callee.expect("PRACK").replyInside("200 OK");
  callee.reply("200 OK", { headers: [ALLOW] }, true).expect("ACK");
  caller.request("ACK");
  hangUp(caller, callee);
});

const cancelled = flow("cancelled", (caller, callee) => {
  caller.invite({ body: sdp() }).expect(100, { optional: true }).expect(180).pause(100);
  caller.cancel().expect(200).expect(487).ackRefusal();
  callee.expect("INVITE").reply("180 Ringing").expect("CANCEL").replyToCancel();
  callee.reply("487 Request Terminated", {}, true).expect("ACK");
});

const busy = flow("busy", (caller, callee) => {
  caller.invite({ body: sdp() }).expect(100, { optional: true }).expect(486).ackRefusal();
  callee.expect("INVITE").reply("486 Busy Here", {}, true).expect("ACK");
});

const holdAndResume = flow("hold-and-resume", (caller, callee) => {
  connect(caller, callee);
  reinvite(caller, callee, "sendonly", "recvonly", 2);
  reinvite(caller, callee, "sendrecv", "sendrecv", 3);
  callee.pause(200); // Until the caller's ACK is through: before it the box says 491.
  reinvite(callee, caller, "inactive", "inactive", 4);
  reinvite(callee, caller, "sendrecv", "sendrecv", 5);
  hangUp(caller, callee);
});

const lateOffer = flow("late-offer", (caller, callee) => {
  caller
    .invite({ headers: [ALLOW] })
    .expect(100, { optional: true })
    .expect(180, { optional: true })
    .expect(200);
  caller.request("ACK", { body: sdp() });
  callee
    .expect("INVITE")
    .reply("180 Ringing")
    .reply("200 OK", { headers: [ALLOW], body: sdp() }, true)
    .expect("ACK");
  hangUp(caller, callee);
});

const updated = flow("updated", (caller, callee) => {
  connect(caller, callee);
  for (const [by, other, direction, version] of [
    [caller, callee, "sendonly", 2],
    [callee, caller, "sendrecv", 3],
  ] as const) {
    by.request("UPDATE", { headers: [ALLOW], body: sdp(direction, version) }).expect(200);
    other.expect("UPDATE");
    const answer = direction === "sendonly" ? "recvonly" : "sendrecv";
    other.replyInside("200 OK", { headers: [ALLOW], body: sdp(answer, version) });
  }
  hangUp(caller, callee);
});

const info = flow("info", (caller, callee) => {
  connect(caller, callee);
  caller.request("INFO", { headers: ["Content-Type: application/dtmf-relay"], body: "Signal=5\nDuration=160\n" });
  caller.expect(200);
  callee.expect("INFO").replyInside("200 OK");
  hangUp(callee, caller);
});

/** The referrer stays until the referee has told how it went. */
const referred = flow("referred", (caller, callee) => {
  connect(caller, callee);
  caller.request("REFER", {
    headers: ["Refer-To: <sip:4711@[remote_ip]:[remote_port]>", "Referred-By: <sip:caller@[local_ip]>"],
  });
  caller.expect(202);
  callee.expect("REFER").replyInside("202 Accepted");
  for (const [state, line] of [
    ["active;expires=60", "SIP/2.0 100 Trying"],
    ["terminated;reason=noresource", "SIP/2.0 200 OK"],
  ] as const) {
    const headers = ["Event: refer", `Subscription-State: ${state}`, "Content-Type: message/sipfrag;version=2.0"];
    callee.request("NOTIFY", { headers, body: `${line}\n` }).expect(200);
    caller.expect("NOTIFY").replyInside("200 OK");
  }
  hangUp(caller, callee);
});

/** The caller refreshes its leg; the box refreshes the callee's, whose interval it has asked for itself. */
export const sessionTimer = flow("session-timer", (caller, callee) => {
  caller.invite({
    headers: [ALLOW, "Supported: timer", "Session-Expires: 90;refresher=uac", "Min-SE: 90"],
    body: sdp(),
  });
  caller.expect(100, { optional: true }).expect(180, { optional: true });
  caller
    .expect(200, { keep: { header: "Session-Expires", pattern: "90;refresher=uac", name: "session" } })
    .request("ACK");
  callee.expect("INVITE", { keep: { header: "Session-Expires", pattern: "90", name: "session" } }).reply("180 Ringing");
  const headers = [ALLOW, "Require: timer", "Supported: timer", "Session-Expires: 90;refresher=uac"];
  callee.reply("200 OK", { headers, body: sdp() }, true).expect("ACK");
  // The box is due at half of the interval, and so are we.
  callee.expect("UPDATE").replyInside("200 OK", { headers });
  caller.pause(46_000);
  caller.request("UPDATE", { headers: [ALLOW, "Supported: timer", "Session-Expires: 90;refresher=uac"] }).expect(200);
  caller.pause(2_000);
  hangUp(caller, callee);
});

/** Those that take a second or so. */
export const flows: readonly Flow[] = [
  plain,
  hungUpByCallee,
  prack,
  cancelled,
  busy,
  holdAndResume,
  lateOffer,
  updated,
  info,
  referred,
];
