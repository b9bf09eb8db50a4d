/** Loads the native addon once. It is built by CMake to `build/native/sallyport.node` under the repository root. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Addon } from "../../native/addon/relay.d.ts";

const path = fileURLToPath(new URL("../../build/native/sallyport.node", import.meta.url));
let loaded: Addon | undefined;

/** Throws when the addon is not built, or was built for a newer Node-API than this Node has. */
export function loadAddon(): Addon {
  loaded ??= createRequire(import.meta.url)(path) as Addon;
  return loaded;
}
