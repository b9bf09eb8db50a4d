/**
 * A real box on loopback addresses of its own, with a carrier, a PBX and a stranger who is nobody's peer. The PBX
 * answers every call at once. After an attack `alive` is what must hold.
 */
import { readdirSync, rmSync } from "node:fs";
import { expect } from "vitest";
import { Box, makeFolder, makeTls } from "../../support/box.ts";
import { mediaIn, type Place, rtp, SipParty, statusOf, type Talk } from "../../support/sip-party.ts";

export interface SiegeWishes {
  readonly srtp?: "required" | "preferred" | "off";
  readonly limits?: object;
  readonly outside?: object;
  readonly carrier?: object;
}

/** Everything lives on 127.0.0.0/8: one address for each part, so that who sends is never in doubt. */
const OUTSIDE = "127.91.0.1";
const INSIDE = "127.91.0.2";
export const STRANGER = "127.91.0.66";
export const CARRIER = "127.91.0.11";
const PBX = "127.91.0.12";
/** Limit: what a box of this size may hold after any attack of these tests, in bytes. */
const MEMORY_LIMIT = 400 * 1024 * 1024;

export interface Status {
  readonly pid: number;
  readonly memoryBytes: number;
  readonly calls: { readonly calls: number; readonly legs: number; readonly dialogs: number };
  readonly transactions: { readonly client: number; readonly server: number; readonly lingering: number };
  readonly transport: { readonly connections: number };
  readonly media: { readonly sessions: number; readonly pairs: number };
  readonly drops: Readonly<Record<string, number>>;
  readonly io: { readonly bugs: number; readonly connections: number };
}

export class Siege {
  readonly box: Box;
  readonly carrier: SipParty;
  readonly pbx: SipParty;
  readonly stranger: SipParty;
  readonly outside = { ip: OUTSIDE, port: 5060 };
  readonly tls = { ip: OUTSIDE, port: 5061 };
  readonly inside = { ip: INSIDE, port: 5060 };

  static async start(name: string, wishes: SiegeWishes = {}): Promise<Siege> {
    const [carrier, pbx, stranger] = [
      await SipParty.start(CARRIER, 5060),
      await SipParty.start(PBX, 5060),
      await SipParty.start(STRANGER, 5060),
    ];
    const folder = makeFolder(`attack-${name}`);
    makeTls(folder);
    try {
      return new Siege(await Box.start(folder, configuration(wishes)), carrier, pbx, stranger);
    } catch (error) {
      for (const party of [carrier, pbx, stranger]) party.close();
      throw error;
    }
  }

  private constructor(box: Box, carrier: SipParty, pbx: SipParty, stranger: SipParty) {
    this.box = box;
    this.carrier = carrier;
    this.pbx = pbx;
    this.stranger = stranger;
  }

  status(): Promise<Status> {
    return this.box.get<Status>("/status");
  }

  /** Descriptors that the process holds. */
  descriptors(): number {
    return readdirSync(`/proc/${this.box.pid}/fd`).length;
  }

  /** OPTIONS and a fresh call with sound both ways, in the process that was started. */
  async alive(): Promise<void> {
    expect(statusOf(await this.carrier.ask(this.carrier.request("OPTIONS", this.outside), this.outside))).toBe(200);
    const talk = await this.carrier.call(this.outside);
    await this.talksBothWays(talk);
    await talk.hangUp();
    await this.sane();
  }

  /** Nobody restarted, nothing thrown, nothing grown. */
  async sane(): Promise<void> {
    const { pid, memoryBytes, io } = await this.status();
    expect(this.box.child.process.exitCode).toBeNull();
    expect(pid).toBe(this.box.pid);
    expect(
      io.bugs,
      this.box.child.lines
        .filter((line) => line.includes('"bug"'))
        .slice(-3)
        .join("\n"),
    ).toBe(0);
    expect(memoryBytes).toBeLessThan(MEMORY_LIMIT);
  }

  /** Sends marked packets from either side and waits until the other has them. */
  async talksBothWays(talk: Talk, mark = `m${++lastMark}`, toPbx = this.pbxMedia()): Promise<void> {
    for (let i = 0; i < 5; i++) this.carrier.media.send(rtp(++lastSequence, `${mark}c`), talk.mediaOfBox);
    await this.pbx.media.until(1, (packet) => packet.includes(`${mark}c`));
    for (let i = 0; i < 5; i++) this.pbx.media.send(rtp(++lastSequence, `${mark}p`), toPbx);
    await this.carrier.media
      .until(1, (packet) => packet.includes(`${mark}p`))
      .catch(async (error: Error) => {
        throw new Error(
          `${error.message}; sent to ${JSON.stringify(toPbx)}; the calls: ${JSON.stringify(await this.box.get("/calls"))}; the PBX got:\n${this.pbx.received.slice(-8).join("\n")}`,
        );
      });
  }

  /** Where the box wants the PBX's media of the newest call. */
  pbxMedia(): Place {
    const invite = this.pbx.received.findLast((message) => message.startsWith("INVITE ")) ?? "";
    return mediaIn(invite);
  }

  /** All calls and transactions gone, as an idle box has it; finished transactions may linger for their 32 s. */
  async empty(limitMs = 5_000): Promise<void> {
    const isEmpty = ({ calls, media, transactions }: Status): boolean =>
      calls.calls + calls.legs + calls.dialogs + media.sessions + media.pairs === 0 && transactions.server === 0;
    await this.box.until<Status>("/status", isEmpty, limitMs);
  }

  /** Messages that the PBX got, by a part of them. */
  pbxGot(mark: string): readonly string[] {
    return this.pbx.received.filter((message) => message.includes(mark));
  }

  async stop(): Promise<void> {
    await this.box.stop();
    for (const party of [this.carrier, this.pbx, this.stranger]) party.close();
    rmSync(this.box.folder, { recursive: true, force: true });
  }
}

function configuration({ srtp = "off", limits, outside, carrier }: SiegeWishes): object {
  return {
    name: "besieged",
    realms: {
      outside: {
        trust: "none",
        listen: [`udp:${OUTSIDE}:5060`, `tcp:${OUTSIDE}:5060`, `tls:${OUTSIDE}:5061`],
        tls: { certificate: "tls/sbc.crt", key: "tls/sbc.key", ca: "tls/ca.pem", verify: "none" },
        media: { address: OUTSIDE, ports: "25000-25999" },
        srtp,
        ...outside,
      },
      inside: {
        trust: "full",
        listen: [`udp:${INSIDE}:5060`, `tcp:${INSIDE}:5060`],
        media: { address: INSIDE, ports: "26000-26999" },
        srtp: "off",
      },
    },
    peers: {
      carrier: { realm: "outside", targets: [`udp:${CARRIER}:5060`], ...carrier },
      pbx: { realm: "inside", targets: [`udp:${PBX}:5060`] },
    },
    routes: [
      { when: { from: "carrier" }, to: ["pbx"] },
      { when: { from: "pbx" }, to: ["carrier"] },
    ],
    ...(limits === undefined ? {} : { limits }),
  };
}

let lastMark = 0;
let lastSequence = 0;
