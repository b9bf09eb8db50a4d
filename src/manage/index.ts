export { askControl, NoAnswer } from "./client.ts";
export { type Fault, faultText } from "./config/fault.ts";
export { DEFAULT_CONTROL, type Loaded, loadSettings, readSettings } from "./config/load.ts";
export { schemaDocument } from "./config/schema.ts";
export {
  type Control,
  ControlError,
  type ControlledBox,
  type DiffAnswer,
  type ReloadAnswer,
  serveControl,
} from "./control.ts";
export { type Change, changeText, differences, touched } from "./difference.ts";
export { ladderText } from "./ladder.ts";
export { callsText, type LiveCall, liveCall } from "./live-call.ts";
export { type Log, logTo } from "./log.ts";
export { listText, tableText } from "./show.ts";
