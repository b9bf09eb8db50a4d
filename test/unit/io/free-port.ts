import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below the range from which the kernel gives ports to those who ask for any: nobody is given one of these meanwhile. */
const FIRST = 10_000;
const LAST = 19_999;
/** How far one process may walk before it comes to where another may have begun. */
const STRIDE = 50;

/** Test files run side by side in processes of their own: each begins somewhere else. */
let candidate = FIRST + ((process.pid * STRIDE) % (LAST + 1 - FIRST));

/** A port on 127.0.0.1 that nobody has, and that is not given twice to this process before all others were. */
export async function freePort(protocol: "udp" | "tcp"): Promise<number> {
  for (;;) {
    candidate = candidate === LAST ? FIRST : candidate + 1;
    if (await (protocol === "udp" ? isFreeForUdp : isFreeForTcp)(candidate)) return candidate;
  }
}

async function isFreeForUdp(port: number): Promise<boolean> {
  const socket = createSocket("udp4");
  try {
    await once(socket.bind(port, "127.0.0.1"), "listening");
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

async function isFreeForTcp(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
  } catch {
    return false;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
}
