/* The other end of SRTP, by libsrtp, and tshark's opinion of frames: readings that are not ours. */
#pragma once

#include <srtp2/srtp.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../../shared/check.h"
#include "../relay_host.h"
#include "frames.h"

namespace secured {

using frames::Bytes;
using sallyport::crypto::Suite;

inline sallyport::io::KeyWords key_of(Suite suite, std::uint8_t seed) {
  sallyport::io::KeyWords key;
  const auto& about = sallyport::crypto::facts(suite);
  key.present = true;
  key.suite = suite;
  key.master_size = std::size_t{about.master_key_bytes} + about.master_salt_bytes;
  for (std::size_t i = 0; i < key.master_size; ++i) key.master[i] = static_cast<std::uint8_t>(i * seed + 3);
  return key;
}

/* One direction of AES_CM_128_HMAC_SHA1_80 or AEAD_AES_128_GCM. */
class Stream {
 public:
  Stream(Suite suite, std::uint8_t seed, bool sends) : key_(key_of(suite, seed)) {
    static const bool begun = srtp_init() == srtp_err_status_ok;
    srtp_policy_t policy{};
    const bool gcm = suite == Suite::kAeadAes128Gcm;
    for (srtp_crypto_policy_t* part : {&policy.rtp, &policy.rtcp}) {
      gcm ? srtp_crypto_policy_set_aes_gcm_128_16_auth(part) : srtp_crypto_policy_set_rtp_default(part);
    }
    policy.ssrc.type = sends ? ssrc_any_outbound : ssrc_any_inbound;
    policy.key = key_.master.data();
    policy.window_size = 1'024;
    EXPECT(begun && srtp_create(&session_, &policy) == srtp_err_status_ok);
  }
  ~Stream() { srtp_dealloc(session_); }
  Stream(const Stream&) = delete;

  Bytes protect(Bytes packet) { return through(srtp_protect, std::move(packet)); }
  /* Empty: it does not authenticate. */
  Bytes unprotect(Bytes packet) { return through(srtp_unprotect, std::move(packet)); }

 private:
  Bytes through(srtp_err_status_t (*what)(srtp_t, void*, int*), Bytes packet) {
    int size = static_cast<int>(packet.size());
    packet.resize(packet.size() + SRTP_MAX_TRAILER_LEN);
    if (what(session_, packet.data(), &size) != srtp_err_status_ok) return {};
    packet.resize(static_cast<std::size_t>(size));
    return packet;
  }
  sallyport::io::KeyWords key_;
  srtp_t session_ = nullptr;
};

/* A line a frame: DSCP, hop limit, and whether all its checksums hold (1), as tshark sees it. */
inline std::vector<std::string> tshark(const std::vector<Bytes>& seen) {
  char path[] = "/tmp/sallyport-paths-XXXXXX";
  const int fd = mkstemp(path);
  FILE* const file = fdopen(fd, "wb");
  const std::uint32_t head[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65'535, 1};
  std::fwrite(head, sizeof head, 1, file);
  std::uint32_t second = 1;
  for (const Bytes& frame : seen) {
    const auto size = static_cast<std::uint32_t>(frame.size());
    const std::uint32_t about[4] = {second++, 0, size, size};
    std::fwrite(about, sizeof about, 1, file);
    std::fwrite(frame.data(), frame.size(), 1, file);
  }
  std::fclose(file);
  std::vector<std::string> lines;
  FILE* const out = popen(("tshark -n -r " + std::string(path) +
                           " -o udp.check_checksum:TRUE -o ip.check_checksum:TRUE -T fields -E separator=/s -e ip.dsfield.dscp -e "
                           "ipv6.tclass.dscp -e ip.ttl -e ipv6.hlim -e udp.checksum.status -e ip.checksum.status 2>/dev/null").c_str(), "r");
  for (char line[256]; std::fgets(line, sizeof line, out) != nullptr;) lines.emplace_back(line, std::strcspn(line, "\n"));
  pclose(out);
  unlink(path);
  return lines;
}

inline bool have_tshark() { return std::system("tshark --version >/dev/null 2>&1") == 0; }

}  // namespace secured
