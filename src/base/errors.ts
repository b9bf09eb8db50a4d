/** The operator's mistake. Shown by `check` and in the alarm: one line, no secrets. */
export class ConfigError extends Error {
  /** Where, as the operator typed it: `realms.outside.media.ports`. */
  readonly path: string;

  /** `problem`: what we found and why it cannot work, with the numbers. `remedy`: what to do now, as an order. */
  constructor(path: string, problem: string, remedy: string) {
    super(`${path}: ${problem}; ${remedy}`);
    this.name = "ConfigError";
    this.path = path;
  }
}

/** The peer's mistake. We answer it with `status`, count it against the peer, and go on. */
export class PeerError extends Error {
  readonly status: number;
  /** What of a session description cannot be used, as a Warning code of RFC 3261 §20.43; 0: there is nothing to add. */
  readonly warning: number;

  constructor(status: number, message: string, warning = 0) {
    super(message);
    this.name = "PeerError";
    this.status = status;
    this.warning = warning;
  }
}

/** Our own mistake: the process must not go on with a state that nobody designed. */
export function assert(holds: boolean, belief: string): asserts holds {
  if (!holds) throw new Error(`bug: ${belief}`);
}
