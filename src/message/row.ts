/**
 * What an index of header lines is made of. Its first slots hold the first row of each core header, by the number of its
 * name, and 0 when there is none; slot 0 is not used. Then come the rows, one for each line.
 */
import { limits } from "./limits.ts";
import { LAST_CORE } from "./names.ts";

export const FIRST_ROW = LAST_CORE + 1;
export const FULL = FIRST_ROW + limits.headerLines;
/** A row is one number: where the line begins, and what it is, which is the number of its name or one of these. */
export const KIND_BITS = 8;
export const KIND = (1 << KIND_BITS) - 1;
/** The line has not been named yet: only what all are asked for is. */
export const UNNAMED = KIND;
/** The same, but its name is one, and the first colon stands right behind it. */
export const TO_BE_NAMED = KIND - 2;
/** The line's name is no name: the line does not exist for anybody. */
export const NAMELESS = KIND - 1;
