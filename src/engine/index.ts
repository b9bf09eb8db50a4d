export { Engine, type EngineInput, type EngineOptions, type EngineOutput } from "./engine.ts";
export type { TraceEntry } from "./recorder.ts";
export type { EngineView, StatusView } from "./view.ts";
