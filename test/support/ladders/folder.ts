import { join } from "node:path";

export const CALL_FLOWS = join(import.meta.dirname, "../../../../shared/testdata/call-flows");
