import { openDgramUdp } from "./udp-dgram.ts";
import { openNativeUdp, type UdpOptions, type UdpPort } from "./udp-native.ts";

/** The errors of a missing or unfit addon; any other means that the address cannot be had. */
const noAddon = new Set(["MODULE_NOT_FOUND", "ERR_DLOPEN_FAILED"]);

/** UDP through the addon where there is one, else by node:dgram. Rejects (with `code`) when the address cannot be bound. */
export async function openUdp(options: UdpOptions): Promise<UdpPort> {
  try {
    return openNativeUdp(options);
  } catch (error) {
    if (!noAddon.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return openDgramUdp(options);
  }
}
