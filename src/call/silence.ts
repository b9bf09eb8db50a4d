/**
 * Which streams of a call have fallen silent. One is no reason to end it: a phone whose camera is off sends no video and
 * talks on. A leg is silent when every stream is that owes media both ways.
 */
import type { Side } from "../base/index.ts";
import type { MediaView } from "../media/index.ts";

export class Silence {
  readonly #silent: Record<Side, Set<number>> = { caller: new Set(), callee: new Set() };

  /** True when with this stream the whole leg is silent. */
  fell({ side, stream }: { readonly side: Side; readonly stream: number }, { streams }: MediaView): boolean {
    const silent = this.#silent[side].add(stream);
    return streams.every((one) => silent.has(one.stream) || !isTwoWay(one));
  }

  /** The stream is heard, on these ports or on others. */
  ended(side: Side, stream: number): void {
    this.#silent[side].delete(stream);
  }
}

/** Held, or one way only: nobody owes anything (RFC 3264 §8.4). */
const isTwoWay = ({ caller, callee }: MediaView["streams"][number]): boolean =>
  caller.direction === "sendrecv" && callee.direction === "sendrecv";
