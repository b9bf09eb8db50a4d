/** Runs the flows of `sipp-flows` through a box between namespaces: each flow has a number to dial and a callee. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child } from "./child.ts";
import { twoDoors } from "./configurations.ts";
import type { Hosts } from "./network-namespaces.ts";
import type { Flow } from "./sipp-flows.ts";

export type Direction = "inbound" | "outbound";
export const directions = ["inbound", "outbound"] as const;

const CALLEE_PORT = 7_000;
const CALLER_PORT = 6_000;
/** Per sipp: it takes its media ports in pairs. */
const MEDIA_PORTS = 40;

/** `twoDoors` with a peer and a number for each flow on each side, and session timers as short as they may be. */
export function flowConfig(hosts: Hosts, flows: readonly Flow[]): object {
  const { ip } = hosts;
  const base = twoDoors({ ...ip, srtp: "off", carrier: `udp:${ip.outside}:5060`, pbx: `udp:${ip.inside}:5060` }) as {
    peers: object;
    routes: object[];
  };
  const peers = flows.flatMap((flow, at) => [
    [`in-${flow.name}`, { realm: "inside", targets: [`udp:${ip.inside}:${CALLEE_PORT + at}`] }],
    [`out-${flow.name}`, { realm: "outside", targets: [`udp:${ip.outside}:${CALLEE_PORT + at}`] }],
  ]);
  const routes = flows.flatMap((flow, at) => [
    { when: { from: "carrier", number: `^${numberOf(at)}$` }, to: [`in-${flow.name}`] },
    { when: { from: "pbx", number: `^${numberOf(at)}$` }, to: [`out-${flow.name}`] },
  ]);
  return {
    ...base,
    sessionTimer: { seconds: 90, minimum: 90 },
    peers: { ...base.peers, ...Object.fromEntries(peers) },
    routes: [...routes, ...base.routes],
  };
}

const numberOf = (at: number): string => String(100 + at);

export interface FlowOptions {
  readonly folder: string;
  readonly hosts: Hosts;
  readonly flow: Flow;
  /** As given to `flowConfig`. */
  readonly all: readonly Flow[];
  readonly direction: Direction;
  readonly calls: number;
  /** New calls a second. */
  readonly rate: number;
  readonly limitSeconds?: number;
}

export interface FlowRun {
  readonly caller: Child;
  readonly callee: Child;
  /** What each has not liked; absent when it liked all. */
  readonly callerErrors: string;
  readonly calleeErrors: string;
}

/** Both end by themselves, with status 0 when every call went as its script says. */
export function startFlow(options: FlowOptions): FlowRun {
  const { folder, hosts, flow, all, direction, calls, rate, limitSeconds = 90 } = options;
  const at = all.indexOf(flow);
  const [callerHost, calleeHost] =
    direction === "inbound" ? (["outside", "inside"] as const) : (["inside", "outside"] as const);
  const target = direction === "inbound" ? hosts.ip.boxOutside : hosts.ip.boxInside;
  const errorsOf = (side: string): string => join(folder, `${flow.name}-${direction}-${side}.log`);
  const start = (
    side: "caller" | "callee",
    host: "outside" | "inside",
    port: number,
    more: readonly string[],
  ): Child => {
    const name = `${flow.name}-${direction}-${side}`;
    const script = join(folder, `${name}.xml`);
    writeFileSync(script, flow[side].toXml());
    const media = String(20_000 + (port - CALLER_PORT) * MEDIA_PORTS);
    const args = ["-sf", script, "-i", hosts.ip[host], "-p", String(port), "-mp", media, "-m", String(calls)];
    return new Child(
      "sipp",
      [...args, "-nostdin", "-timeout", `${limitSeconds}s`, "-trace_err", "-error_file", errorsOf(side), ...more],
      { netns: hosts[host], cwd: folder, env: { TERM: "xterm" } },
    );
  };
  const callee = start("callee", calleeHost, CALLEE_PORT + at, []);
  const caller = start("caller", callerHost, CALLER_PORT + at, [
    "-s",
    numberOf(at),
    "-r",
    String(rate),
    `${target}:5060`,
  ]);
  return { caller, callee, callerErrors: errorsOf("caller"), calleeErrors: errorsOf("callee") };
}
