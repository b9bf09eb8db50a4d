import type { Millis, TargetSettings } from "../base/index.ts";
import type { Destination, LegTransport } from "../leg/index.ts";

/** What the calls need of the transport, as a shape. */
export interface CallTransport extends LegTransport {
  resolve(
    target:
      | { readonly realm: string; readonly uri: string }
      | { readonly realm: string; readonly target: TargetSettings },
    done: (found: readonly Destination[], now: Millis) => void,
    now: Millis,
  ): void;
}
