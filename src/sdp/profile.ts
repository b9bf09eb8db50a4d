/** The RTP profiles: RFC 3551 (AVP), RFC 4585 (AVPF), RFC 3711 (SAVP), RFC 5124 (SAVPF). */
export interface Profile {
  readonly name: string;
  /** Media is encrypted, by the profile's word. */
  readonly secure: boolean;
  /** Early RTCP feedback. */
  readonly feedback: boolean;
  /** Keys come by DTLS on the media path. RFC 5764 §8. */
  readonly dtls: boolean;
}

const named = (name: string, secure: boolean, feedback: boolean, dtls = false): Profile => ({
  name,
  secure,
  feedback,
  dtls,
});

const PROFILES: ReadonlyMap<string, Profile> = new Map(
  [
    named("RTP/AVP", false, false),
    named("RTP/AVPF", false, true),
    named("RTP/SAVP", true, false),
    named("RTP/SAVPF", true, true),
    named("UDP/TLS/RTP/SAVP", true, false, true),
    named("UDP/TLS/RTP/SAVPF", true, true, true),
  ].map((profile) => [profile.name, profile]),
);

/** `undefined`: not RTP over UDP. */
export const profileOf = (protocol: string): Profile | undefined =>
  PROFILES.get(protocol) ?? PROFILES.get(protocol.toUpperCase());

/** T.38 over UDP, in the clear (ITU-T T.38 Annex D) or in records of DTLS (RFC 7345). */
export const isUdptl = (protocol: string): boolean => /^(?:udp\/tls\/)?udptl$/i.test(protocol);

/** Over UDP; of DTLS when keys come by it. */
export function profileName(secure: boolean, feedback: boolean, dtls = false): string {
  if (dtls) return feedback ? "UDP/TLS/RTP/SAVPF" : "UDP/TLS/RTP/SAVP";
  if (secure) return feedback ? "RTP/SAVPF" : "RTP/SAVP";
  return feedback ? "RTP/AVPF" : "RTP/AVP";
}
