import { below, type Random } from "../../src/base/index.ts";

/** One lie: a message that is wrong in one place. `whole`: on a stream, which others share, it ends where it says. */
export function garble(text: string, random: Random, whole: boolean): string {
  const lie = oneLie(text, random, whole);
  const end = lie.indexOf("\r\n\r\n");
  return whole && end >= 0
    ? lie.replace(/\r\nContent-Length: \d+/, `\r\nContent-Length: ${lie.length - end - 4}`)
    : lie;
}

function oneLie(text: string, random: Random, whole: boolean): string {
  switch (below(random, 8)) {
    case 0:
      return text.replace(/;tag=/, ";tag=x");
    case 1:
      return text.replace(/CSeq: (\d+)/, (_, number) => `CSeq: ${Number(number) + 1 + below(random, 3)}`);
    case 2:
      return text.replace(/^SIP\/2\.0 \d+/, `SIP/2.0 ${100 + below(random, 600)}`);
    case 3:
      return text.replace(/\r\nm=audio/, "\r\nm=video 9 RTP/AVP 31\r\nm=audio");
    case 4:
      return text.replace(/\r\nc=IN IP[46] \S+/, "\r\nc=IN IP4 0.0.0.0");
    case 5:
      return whole ? text.replace(/\r\nCSeq: /, "\r\nCSeq: x") : text.slice(0, below(random, text.length));
    case 6:
      return text.replace(/\r\n(From|To|Call-ID|Contact|Via): /, "\r\nX-$1: ");
    default:
      return text.replace(/v=0/, "v=zero");
  }
}
