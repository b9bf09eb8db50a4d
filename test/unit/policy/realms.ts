import type { RealmSettings } from "../../../src/base/index.ts";
import { realmSettings } from "../../support/settings.ts";

/** A realm with one UDP listener, as `manage/config` would make it. */
export function realm(name: string, set: Partial<RealmSettings> = {}): RealmSettings {
  const isOutside = name === "outside";
  return realmSettings(name, isOutside ? "203.0.113.1" : "10.0.0.1", {
    trust: isOutside ? "none" : "full",
    domain: isOutside ? "sbc.example.test" : undefined,
    ...set,
  });
}
