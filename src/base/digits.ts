/** Digits of a telephone by their RFC 4733 event codes (§3.2): 0 to 9, *, #, A to D; 16 was the flash of RFC 2833. */
const DIGITS = "0123456789*#ABCD!";

/** `?`: no digit has this code. */
export const digitOfEvent = (event: number): string => DIGITS[event] ?? "?";

/** -1: it is no digit. */
export const eventOfDigit = (digit: string): number => (digit.length === 1 ? DIGITS.indexOf(digit.toUpperCase()) : -1);
