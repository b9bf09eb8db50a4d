import type { PeerSettings, RouteSettings, Settings } from "../../../src/base/index.ts";
import { boxSettings, byName, peerSettings } from "../../support/settings.ts";
import { realm } from "../policy/realms.ts";

export const peer = (name: string, set: Partial<PeerSettings> = {}): PeerSettings =>
  peerSettings(name, "inside", {
    targets: [{ kind: "host", protocol: "udp", host: "10.0.0.9", port: 5080 }],
    ...set,
  });

export const settings = (
  peers: readonly PeerSettings[],
  routes: readonly RouteSettings[] = [],
  realms = [realm("outside"), realm("inside")],
): Settings => boxSettings(realms, { peers: byName(peers), routes, limits: { calls: 1_000 } });
