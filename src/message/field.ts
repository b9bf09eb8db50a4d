/** How one header field is read and written. One file of `headers/` each; other rooms may bring their own. */
export interface HeaderField<T> {
  readonly name: string;
  readonly compact?: string;
  /** Values may be separated by commas as well as stand on lines of their own. RFC 3261 §7.3.1. */
  readonly list?: boolean;
  /** `text`: one value, unfolded and trimmed. Throws PeerError(400) when it is malformed. */
  parse(text: string): T;
  format(value: T): string;
}
