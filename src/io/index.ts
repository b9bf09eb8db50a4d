export { Box, type BoxOptions } from "./box.ts";
export { KernelRandom } from "./kernel-random.ts";
export { LineWriter } from "./line-writer.ts";
export { ListenError } from "./listeners.ts";
export { EngineLoop, type EnginePort, type LoopOptions, type RelayPort } from "./loop.ts";
export { Pauses } from "./pauses.ts";
export { type Relay, type RelayOptions, startRelay } from "./relay.ts";
