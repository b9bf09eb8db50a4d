/**
 * CPU time a packet whose SRTP is made, or made anew, beside rtpengine doing the same in the same run: packets come and go
 * by AF_XDP rings. As in media.ts otherwise. The callee is sent SRTP under AES_CM_128_HMAC_SHA1_80, or AEAD_AES_128_GCM where
 * the name says gcm. Where it ends in .both the caller sends SRTP of that suite, and the callee gets another: with a cut
 * tag, or of 256 bits. (Of the same suite on both sides rtpengine hands one key on to both, and has no work.)
 */
import { type Bench, compare } from "./bench.ts";
import { haveRtpengine, startRings, startRtpengineFor } from "./media/engines.ts";
import { build, dismantle } from "./media/topology.ts";
import type { Work } from "./media/work.ts";
import { type Cost, compileFlood, measured } from "./media.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 5);

const cases: readonly { readonly name: string; readonly work: Work }[] = [100, 500].flatMap((sessions) => {
  const name = `media.srtp.af_xdp.${sessions}`;
  return [
    { name, work: { sessions, from: undefined, to: "AES_CM_128_HMAC_SHA1_80" } },
    { name: `${name}.both`, work: { sessions, from: "AES_CM_128_HMAC_SHA1_80", to: "AES_CM_128_HMAC_SHA1_32" } },
    { name: `${name}.gcm`, work: { sessions, from: undefined, to: "AEAD_AES_128_GCM" } },
    { name: `${name}.gcm.both`, work: { sessions, from: "AEAD_AES_128_GCM", to: "AEAD_AES_256_GCM" } },
  ] as const;
});

export const bench: Bench = {
  names: cases.map((one) => one.name),

  async run(wanted, report) {
    const flood = compileFlood();
    const peer = haveRtpengine() && process.env["ALONE"] === undefined;
    build(flood);
    try {
      for (const { name, work } of cases.filter((one) => wanted(one.name))) {
        const ours: Cost[] = [];
        const theirs: Cost[] = [];
        for (let round = 0; round < ROUNDS; round += 1) {
          ours.push(await measured(flood, () => startRings(work), work.sessions, work.from));
          if (peer) theirs.push(await measured(flood, () => startRtpengineFor(work), work.sessions, work.from));
        }
        const costs = (all: readonly Cost[]) => all.map((one) => one.ns);
        report(
          compare(name, "cpu-ns/packet", costs(ours), "rtpengine", costs(theirs), {
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
