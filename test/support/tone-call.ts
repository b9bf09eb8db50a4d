/** One call between two baresip through the box: who dials, what each plays, and what each heard. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { Softphone, type SoftphoneOptions } from "./baresip.ts";
import { hear } from "./tone.ts";

type Fixed = "folder" | "name" | "hertz" | "seconds" | "dial" | "firstRtpPort" | "ca" | "certificate";
export type End = Omit<SoftphoneOptions, Fixed>;

export interface ToneCall {
  readonly folder: string;
  readonly tls: string;
  readonly caller: End;
  readonly callee: End;
  readonly dial: string;
  readonly seconds: number;
}

/** Makes the call and expects each end to have heard the other's tone for more than a quarter of the time: of it a caller lives, begins and shakes hands. */
export async function expectTones(call: ToneCall): Promise<void> {
  mkdirSync(call.folder, { recursive: true });
  const files = { ca: join(call.tls, "ca.pem"), certificate: join(call.tls, "sbc.pem") };
  const common = { ...files, folder: call.folder };
  const callee = new Softphone({
    ...call.callee,
    ...common,
    name: "callee",
    hertz: 1_000,
    firstRtpPort: 23_000,
    seconds: call.seconds + 10,
  });
  await callee.ready();
  const caller = new Softphone({
    ...call.caller,
    ...common,
    name: "caller",
    hertz: 440,
    firstRtpPort: 21_000,
    seconds: call.seconds,
    dial: call.dial,
  });
  await caller.child.exited;
  await callee.child.line(/session closed|terminated|: closed/i, 15_000).catch(() => "");
  await callee.child.stop("SIGINT");
  expectTone(callee, 440, call.seconds);
  expectTone(caller, 1_000, call.seconds);
}

function expectTone(listener: Softphone, hertz: number, seconds: number): void {
  const file = listener.recording;
  const story = listener.child.lines.slice(-40).join("\n");
  expect(file, `no recording:\n${story}`).toBeDefined();
  const heard = hear(file as string, hertz);
  expect(heard.share, `share of ${hertz} Hz in ${file}:\n${story}`).toBeGreaterThan(0.8);
  expect(heard.seconds, `seconds in ${file}:\n${story}`).toBeGreaterThan(seconds / 4);
}
