/** Messages out of the frames of a WebSocket. */
import { PeerError } from "../base/index.ts";
import { type Frame, limits } from "../message/index.ts";

/** How messages are found in what a connection brings. */
export interface Framing {
  /** Bytes held of a message that is not complete. */
  readonly buffered: number;
  readonly failed: PeerError | undefined;
  push(text: string): readonly Frame[];
}

const PING: readonly Frame[] = ["ping"];
const PONG: readonly Frame[] = ["pong"];
const NOTHING: readonly Frame[] = [];

/**
 * RFC 7118 §5: each message has one frame, and each frame one message, so that there is nothing to look for; §6: CRLFs
 * keep a connection alive as they do on other streams.
 */
export const WEB_FRAMES: Framing = {
  buffered: 0,
  failed: undefined,

  push(text) {
    if (text.length > 4) {
      if (text.length > limits.messageBytes) throw new PeerError(413, `a message of over ${limits.messageBytes} bytes`);
      return [text];
    }
    if (text === "\r\n\r\n") return PING;
    return text === "\r\n" ? PONG : NOTHING;
  },
};
