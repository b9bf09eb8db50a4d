/**
 * The same text in a piece of its own. Nearly every text here is a cut of a message, which keeps all of that message in memory, or
 * a chain of parts: neither is fit for what outlives the message, and a fact with one in it costs JSON twice as much.
 */
export const inOnePiece = (text: string): string =>
  text.length < SHORT ? text : [text.slice(0, 1), text.slice(1)].join("");

/** Shorter ones are copied whenever they are cut or joined. */
const SHORT = 13;
