import { type Millis, SECOND } from "../../base/index.ts";
import { type HeldBinding, hostIn, placeOf, userIn } from "../../registration/index.ts";

/** One binding, as `registrations --json` shows it. */
export interface RegistrationsView {
  readonly user: string;
  readonly domain: string;
  readonly contact: string;
  readonly realm: string;
  /** Where it is reached. */
  readonly flow: string;
  readonly nat: boolean;
  readonly q: number;
  readonly expiresSeconds: number;
  /** At the inside registrar: `held`, `due`, `owed`; `local`: the box itself is the registrar. */
  readonly registrar: string;
  readonly registrarSeconds: number;
  readonly instance: string | undefined;
  readonly regId: number | undefined;
  readonly push: string | undefined;
}

export function viewOf(binding: HeldBinding, now: Millis): RegistrationsView {
  const { upstream, aor, contact, flow, nated, q, expiresAt, instance, regId, push } = binding;
  const left = (until: Millis): number => Math.max(0, Math.ceil((until - now) / SECOND));
  return {
    user: userIn(aor),
    domain: hostIn(aor),
    contact,
    realm: flow.realm,
    flow: placeOf(binding),
    nat: nated,
    q: q / 1_000,
    expiresSeconds: left(expiresAt),
    registrar: upstream?.state ?? "local",
    registrarSeconds: upstream === undefined ? 0 : left(upstream.until),
    instance,
    regId: regId === 0 ? undefined : regId,
    push: push?.provider,
  };
}
