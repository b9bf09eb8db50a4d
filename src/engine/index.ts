/** What stands at the edge of the box, for those who carry it to the machine. */
export type {
  DtlsAssociation,
  DtlsFingerprint,
  DtlsIdentity,
  DtlsKeys,
  DtlsMaster,
  FlowPath,
  IceCredentials,
  RelayChange,
  RelayCommand,
  RelayEvent,
  RelaySide,
  SecuredBy,
  SideCounters,
  SrtpKey,
  SrtpSuite,
} from "../media/index.ts";
export type { TransportInput, TransportOutput } from "../transport/index.ts";
export { Engine, type EngineInput, type EngineOptions, type EngineOutput } from "./engine.ts";
export type { PhoneOutput } from "./phones/house.ts";
export type { KeptLine } from "./phones/registrar.ts";
export type { RegistrationsView } from "./phones/view.ts";
export type { TraceEntry } from "./recorder.ts";
export type { EngineView, StatusView } from "./view.ts";
