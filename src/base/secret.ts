/**
 * A value that must not be printed: a key, a password. It shows as `•••` in logs, errors, JSON and templates;
 * only `reveal()` gives it back, so that every use can be found by that word.
 */
export class Secret<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return "•••";
  }

  toJSON(): string {
    return "•••";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "•••";
  }
}

/**
 * The text with `sip:user:…@host` in place of `sip:user:password@host`. RFC 3261 §19.1.1 lets a URI carry a password in
 * the clear; people and logs must not see it. Good URI or bad: whatever looks like a password goes. One pass.
 */
export function withoutPasswords(text: string): string {
  if (!text.includes("@")) return text;
  const parts = text.split("@");
  for (let i = 0; i < parts.length - 1; i++) parts[i] = beforeAt(parts[i] as string);
  return parts.join("@");
}

function beforeAt(part: string): string {
  let start = part.length; // Of the last word: what stands before it is not of this URI.
  while (start > 0 && !BREAKS.has(part[start - 1] as string)) start--;
  const word = part.slice(start);
  const user = /sips?:[^:]*:/i.exec(word);
  return user === null ? part : `${part.slice(0, start + user.index + user[0].length)}…`;
}

const BREAKS = new Set(' \t\r\n<>"');
