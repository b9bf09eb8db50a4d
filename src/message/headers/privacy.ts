import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { isToken, trimmed } from "../grammar.ts";

/** Lower-case words between semicolons: `id`, `header`, `session`, `user`, `none`, `critical`. RFC 3323 §4.2. */
export const Privacy: HeaderField<readonly string[]> = {
  name: "Privacy",
  parse(text) {
    // Real equipment separates them by commas, too.
    const words = text.split(/[;,]/).map((word) => trimmed(word).toLowerCase());
    if (!words.every(isToken)) throw malformed("Privacy", "not a list of words");
    return words;
  },
  format: (words) => words.join(";"),
};
