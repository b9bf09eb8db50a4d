/**
 * CPU time a packet whose SRTP is made, or made anew, beside rtpengine doing the same in the same run: packets come and go
 * by AF_XDP rings. The cost is counted as in media.ts. The callee is sent SRTP under AES_CM_128_HMAC_SHA1_80, or
 * AEAD_AES_128_GCM where the name says gcm. Where it ends in .both the caller sends SRTP of that suite, and the callee gets
 * another: with a cut tag, or of 256 bits. (Of the same suite on both sides rtpengine hands one key on to both, and has no work.)
 *
 * The generator is carousel.cpp, for both engines: a closed loop of WINDOW packets, which reach the relay as frames in pages,
 * as from a NIC, and in bunches, as from one that holds its interrupts back for MODERATION_US. (Without that a relay that
 * sends packets one by one gets them one by one: worth 5 µs a packet to rtpengine.) Where a name ends in .flood it is
 * flood.cpp, a process: packets of a process a cable between two namespaces copies into pages at the receiver's cost where an
 * XDP program waits for them, ours, and nothing of the kind where sockets do, rtpengine's. That is what a softphone on the
 * same machine would cost us.
 */
import { type Bench, compare } from "./bench.ts";
import { haveRtpengine, startRings, startRtpengineFor } from "./media/engines.ts";
import { build, dismantle, hurryField, moderate } from "./media/topology.ts";
import type { Suite, Work } from "./media/work.ts";
import { type Cost, compileFlood, flooding, measured, type Send, sendFromField } from "./media.ts";
import { type Burst, compileWithProgram } from "./media-xdp.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
/** Ours is through with a packet so soon that it is given more of them. */
const OUR_PACKETS = Number(process.env["OUR_PACKETS"] ?? 500_000);
const THEIR_PACKETS = Number(process.env["PACKETS"] ?? 150_000);
/** Small enough that no queue of a cable (256 packets) overflows. */
const WINDOW = 240;
const MODERATION_US = 100;

interface Case {
  readonly name: string;
  readonly generator: "carousel" | "flood";
  readonly work: Work;
}

const works = (sessions: number): readonly (readonly [string, Work])[] => [
  ["", { sessions, from: undefined, to: "AES_CM_128_HMAC_SHA1_80" }],
  [".both", { sessions, from: "AES_CM_128_HMAC_SHA1_80", to: "AES_CM_128_HMAC_SHA1_32" }],
  [".gcm", { sessions, from: undefined, to: "AEAD_AES_128_GCM" }],
  [".gcm.both", { sessions, from: "AEAD_AES_128_GCM", to: "AEAD_AES_256_GCM" }],
];

const cases: readonly Case[] = [
  ...[100, 500].flatMap((sessions) =>
    works(sessions).map(([ending, work]) => {
      return { name: `media.srtp.af_xdp.${sessions}${ending}`, generator: "carousel", work } as const;
    }),
  ),
  ...works(500).map(([ending, work]) => {
    return { name: `media.srtp.af_xdp.500${ending}.flood`, generator: "flood", work } as const;
  }),
];

export const bench: Bench = {
  names: cases.map((one) => one.name),

  async run(wanted, report) {
    const flood = compileFlood();
    const carousel = compileWithProgram("carousel", ["-lbpf", "-lsrtp2"]);
    const peer = haveRtpengine() && process.env["ALONE"] === undefined;
    build(flood);
    try {
      hurryField();
      for (const { name, generator, work } of cases.filter((one) => wanted(one.name))) {
        moderate(generator === "carousel" ? MODERATION_US : 0);
        const send =
          generator === "carousel" ? turning(carousel, work.from) : flooding(flood, work.sessions, work.from);
        const ours: Cost[] = [];
        const theirs: Cost[] = [];
        for (let round = 0; round < ROUNDS; round += 1) {
          ours.push(await measured(send, () => startRings(work), work.sessions, OUR_PACKETS));
          if (peer) theirs.push(await measured(send, () => startRtpengineFor(work), work.sessions, THEIR_PACKETS));
        }
        const costs = (all: readonly Cost[]) => all.map((one) => one.ns);
        report(
          compare(name, "cpu-ns/packet", costs(ours), "rtpengine", costs(theirs), {
            generator,
            lost: [ours, theirs].map((all) => Math.max(...all.map((one) => one.lost))),
            busy: [ours, theirs].map((all) => Math.min(...all.map((one) => one.busy))),
          }),
        );
      }
    } finally {
      dismantle();
    }
  },
};

function turning({ program, object }: Burst, from: Suite | undefined): Send {
  return (engine, packets, sequence) =>
    sendFromField([program, object], engine, packets, [String(WINDOW)], sequence, from);
}
