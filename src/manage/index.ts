export { fileTrouble } from "./config/certificates.ts";
export { type Fault, faultText } from "./config/fault.ts";
export { DEFAULT_CONTROL, type Loaded, loadSettings, readSettings } from "./config/load.ts";
export { schemaDocument } from "./config/schema.ts";
