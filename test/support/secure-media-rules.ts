/**
 * What one end may say of DTLS, ICE and shared ports, by itself and in answer to the other: RFC 8122, 8842, 8839, 5761, 8858,
 * 9143, 8285. Text against text: nothing here knows how the product does it.
 */
import { all, type Description, type Section } from "./offer-answer.ts";

const FINGERPRINT = /^(sha-256 ([0-9A-F]{2}:){31}|sha-384 ([0-9A-F]{2}:){47}|sha-512 ([0-9A-F]{2}:){63})[0-9A-F]{2}$/;

const only = (lines: readonly string[], beginning: string): string => all(lines, beginning).join("|");

/** A line that is on, as the box says it. `first`: nothing was said in this dialog before. */
export function faultsOfLine(
  what: Description,
  { port, protocol, lines }: Section,
  offer: boolean,
  first: boolean,
): string[] {
  const faults: string[] = [];
  const expect = (holds: boolean, fault: string): void => void (holds || faults.push(fault));
  const fingerprints = all(lines, "a=fingerprint:");
  const setup = only(lines, "a=setup:");
  const crypto = all(lines, "a=crypto:").length > 0;
  const dtls = fingerprints.length > 0;
  if (/SAVP/.test(protocol)) expect(crypto || dtls, "is secure and has no key");
  if (/^UDP\/TLS/.test(protocol)) expect(dtls && !crypto, "is of DTLS, without a fingerprint or with other keys");
  for (const one of fingerprints) expect(FINGERPRINT.test(one), `no fingerprint: ${one}`);
  expect(dtls === (setup !== ""), "a fingerprint without a=setup, or the other way round");
  if (dtls) expect((offer ? /^actpass$/ : /^(active|passive)$/).test(setup), `a=setup:${setup}`);
  if (!offer && dtls) expect(!crypto, "an answer of two keys");
  for (const id of all(lines, "a=tls-id:")) expect(dtls && /^[A-Za-z0-9+/_-]{20,255}$/.test(id), `tls-id ${id}`);
  expect(all(lines, "a=ssrc").length + all(lines, "a=msid").length === 0, "names of streams that are nobody's");

  const mux = lines.includes("a=rtcp-mux");
  const muxOnly = lines.includes("a=rtcp-mux-only");
  expect(!muxOnly || (offer && mux), "rtcp-mux-only in an answer, or without rtcp-mux");
  const [ufrag, password] = [only(lines, "a=ice-ufrag:"), only(lines, "a=ice-pwd:")];
  expect((ufrag === "") === (password === ""), "one half of ICE");
  const candidates = all(lines, "a=candidate:").map((line) => line.split(" "));
  if (ufrag === "") {
    expect(candidates.length === 0, "candidates without ICE");
    return faults;
  }
  expect(/^[A-Za-z0-9+/]{4,256}$/.test(ufrag) && /^[A-Za-z0-9+/]{22,256}$/.test(password), "ICE credentials");
  expect(what.session.includes("a=ice-lite"), "ICE, and not lite");
  const ip = (all(lines, "c=")[0] ?? all(what.session, "c=")[0] ?? "").split(" ")[2];
  // While it is not agreed that both share a port, there is a second one to fall back to: RFC 8839 §4.2.2.
  const counts = !mux ? [2] : !offer || muxOnly ? [1] : first ? [2] : [1, 2];
  expect(counts.includes(candidates.length), `${candidates.length} candidates`);
  for (const [, component, transport, , address, at, ...type] of candidates) {
    expect(transport === "UDP" && address === ip && type.join(" ") === "typ host", "a candidate of another address");
    const rtcp = Number(only(lines, "a=rtcp:") || port + 1);
    expect(Number(at) === (component === "1" ? port : rtcp), `component ${component} at ${at}`);
  }
  return faults;
}

/** Beside the line that it answers. */
export function faultsOfAnswer(offer: Description, offered: Section, answered: Section): string[] {
  const faults: string[] = [];
  const expect = (holds: boolean, fault: string): void => void (holds || faults.push(fault));
  const asked = (beginning: string): string[] => {
    const own = all(offered.lines, beginning);
    return own.length > 0 ? own : all(offer.session, beginning);
  };
  const setup = only(answered.lines, "a=setup:");
  if (setup !== "") {
    expect(asked("a=fingerprint:").length > 0, "a handshake that was not offered");
    const wanted = asked("a=setup:")[0] ?? "active";
    const fits = wanted === "actpass" || setup === (wanted === "active" ? "passive" : "active");
    expect(fits, `a=setup:${setup} answers ${wanted}`);
    const named = all(offered.lines, "a=tls-id:").length > 0;
    expect(named === all(answered.lines, "a=tls-id:").length > 0, "a tls-id on one end alone");
  }
  if (all(answered.lines, "a=ice-ufrag:").length > 0) expect(asked("a=ice-ufrag:").length > 0, "ICE, not offered");
  for (const beginning of ["a=extmap:", "a=rtcp-fb:"]) {
    const known = all(offered.lines, beginning).map(plain);
    for (const one of all(answered.lines, beginning)) {
      const fits = known.includes(plain(one)) || known.includes(plain(one).replace(/^\S+/, "*"));
      expect(fits, `${beginning}${one} was not offered`);
    }
  }
  return faults;
}

const plain = (value: string): string =>
  value
    .trim()
    .toLowerCase()
    .replace(/^(\d+)\/\w+/, "$1");

/** Groups of BUNDLE that the box names: their lines are on and have their RTCP with them, and payload types tell them apart. */
export function faultsOfBundles({ session, sections }: Description): string[] {
  return all(session, "a=group:BUNDLE").flatMap((group) => {
    const lines = group
      .trim()
      .split(" ")
      .map((tag) => sections.find((each) => each.lines.includes(`a=mid:${tag}`)));
    const right = lines.every((line) => line !== undefined && line.port !== 0 && line.lines.includes("a=rtcp-mux"));
    const named = lines.every((line) => line?.lines.some((each) => /^a=extmap:\d+ \S+:sdes:mid$/.test(each)));
    const types = lines.flatMap((line) => line?.formats ?? []);
    const told = named || new Set(types).size === types.length;
    return right && told ? [] : [`a bundle that is none: ${group}`];
  });
}

/** What an association and an ICE session are known by. */
interface Session {
  readonly ours: string;
  readonly name: string;
  readonly theirs: string;
  readonly setup: string;
}

/** One line of one dialog: what may change with an exchange, and what may not. */
export class LineSecurity {
  #dtls: Session | undefined;
  #ice: Session | undefined;

  /** An exchange has ended well. `weAnswered`: theirs was the offer. */
  agreed(us: Section, them: Section, theirSession: readonly string[], weAnswered: boolean): string[] {
    const faults: string[] = [];
    const theirs = (beginning: string): string => {
      const own = only(them.lines, beginning);
      return own === "" ? only(theirSession, beginning) : own;
    };
    const on = us.port !== 0 && them.port !== 0;
    const dtls = {
      ours: only(us.lines, "a=fingerprint:"),
      name: only(us.lines, "a=tls-id:"),
      theirs: theirs("a=fingerprint:") + theirs("a=tls-id:"),
      setup: weAnswered ? only(us.lines, "a=setup:") : reversed(theirs("a=setup:")),
    };
    const before = this.#dtls;
    const moved = before?.theirs !== dtls.theirs || before.setup !== dtls.setup;
    if (before !== undefined && on && weAnswered && dtls.ours !== "" && before.theirs === dtls.theirs) {
      const wanted = theirs("a=setup:");
      if (wanted === "actpass" && before.setup !== dtls.setup) faults.push("the role changed, and nothing else did");
      const renamed = before.name !== "" && dtls.name !== "" && before.name !== dtls.name;
      if (!moved && (renamed || before.ours !== dtls.ours)) faults.push("another name for the same association");
    }
    this.#dtls = on && dtls.ours !== "" && dtls.theirs !== "" ? dtls : undefined;

    const ice = {
      ours: only(us.lines, "a=ice-ufrag:") + only(us.lines, "a=ice-pwd:"),
      theirs: theirs("a=ice-ufrag:") + theirs("a=ice-pwd:"),
      name: "",
      setup: "",
    };
    if (this.#ice !== undefined && on && weAnswered && ice.ours !== "") {
      const restarted = this.#ice.theirs !== ice.theirs;
      if (restarted === (this.#ice.ours === ice.ours)) faults.push("an ICE restart on one end alone");
    }
    this.#ice = on && ice.ours !== "" && ice.theirs !== "" ? ice : undefined;
    return faults;
  }
}

const reversed = (setup: string): string => (setup === "active" ? "passive" : "active");
