/** The other end of the control socket: what the commands beside `run` and `check` use. */
import { request } from "node:http";

/** Limit: an answer over this is refused. In bytes. */
const MAX_ANSWER_BYTES = 256 * 1_024 * 1_024;
/** Limit: a box that does not answer for so long is taken for hung. */
const ANSWER_LIMIT_MS = 30_000;

/** There is no box at that socket, or it did not answer as it should. One line, for the operator. */
export class NoAnswer extends Error {
  constructor(message: string) {
    super(message);
    this.name = "NoAnswer";
  }
}

export interface ControlAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Rejects with NoAnswer. */
export function askControl(socketPath: string, method: string, path: string, body?: object): Promise<ControlAnswer> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers =
      text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const asked = request({ socketPath, method, path, headers, timeout: ANSWER_LIMIT_MS }, (answer) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      answer.on("data", (part: Buffer) => {
        bytes += part.length;
        if (bytes > MAX_ANSWER_BYTES) asked.destroy(new Error("the answer is too large"));
        else parts.push(part);
      });
      answer.on("end", () => {
        try {
          resolve({ status: answer.statusCode ?? 0, body: JSON.parse(Buffer.concat(parts).toString("utf8")) });
        } catch {
          reject(new NoAnswer(`${socketPath} does not speak as a box does`));
        }
      });
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer")));
    asked.on("error", (error: NodeJS.ErrnoException) => reject(new NoAnswer(whyNot(socketPath, error))));
    asked.end(text);
  });
}

function whyNot(socketPath: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return `no box is running at ${socketPath}; start one, or name its socket with --control PATH`;
    case "EACCES":
      return `this user may not open ${socketPath}; run as the user of the box`;
    default:
      return `${socketPath}: ${error.code ?? error.message}`;
  }
}
