/// tshark's opinion of frames: a reading that is not ours.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace sallyport::io::test {

/// A line a frame: DSCP, hop limit, and whether all its checksums hold (1), as tshark sees it.
inline std::vector<std::string> tshark(const std::vector<std::vector<std::uint8_t>>& seen) {
  char path[] = "/tmp/sallyport-frames-XXXXXX";
  const int fd = mkstemp(path);
  FILE* const file = fdopen(fd, "wb");
  const std::uint32_t head[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65'535, 1};
  std::fwrite(head, sizeof head, 1, file);
  std::uint32_t second = 1;
  for (const std::vector<std::uint8_t>& frame : seen) {
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

}  // namespace sallyport::io::test
