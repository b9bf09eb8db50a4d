import type { PeerSettings, RealmSettings } from "../base/index.ts";
import type { MediaParty } from "../media/index.ts";
import type { Request, Uri } from "../message/index.ts";
import type { Binding, RegisteredCaller } from "../registration/index.ts";
import type { Call } from "./call.ts";
import type { Introduction } from "./introduction.ts";
import type { Asked100rel } from "./reliability.ts";
import type { Pickup } from "./setup.ts";

/** What is known of a call before it begins. */
export interface CallStart {
  readonly id: string;
  readonly request: Request;
  readonly uri: Uri;
  readonly fromPeer: PeerSettings | undefined;
  readonly realm: RealmSettings;
  readonly party: MediaParty;
  /** Address and port that the INVITE came from. */
  readonly remote: string;
  readonly peers: readonly PeerSettings[];
  readonly pickup: Pickup | undefined;
  readonly maxForwards: number;
  readonly sdp: string | undefined;
  readonly caller100rel: Asked100rel;
  /** The transfer that it is made for; `undefined`: somebody called. */
  readonly introduction?: Introduction;
  /** A dialog that is not ours is to be taken over, by its name, in the one realm where that means anything. */
  readonly replaces?: { readonly realm: string; readonly value: string } | undefined;
  /** The call that this one is the echo of, when our own INVITE came back with another address (a spiral). */
  readonly cameFrom: Call | undefined;
  /** The registered phone that calls; `undefined`: somebody else does. */
  readonly phone?: RegisteredCaller | undefined;
  /** The one contact that is meant, where the inside registrar has asked for it by our name. */
  readonly contact?: Binding | undefined;
}
