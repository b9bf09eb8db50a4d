/// The rings of a socket that the port has opened, as they lie in this process's memory: how many frames each holds, and
/// a completion ring that the port does not get to see.
#pragma once

#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "../../shared/check.h"
#include "../af_xdp_frames.h"

namespace sallyport::io::test {

class SeenRings {
 public:
  explicit SeenRings(int socket) : socket_(socket) {
    xdp_mmap_offsets offsets{};
    socklen_t size = sizeof offsets;
    EXPECT(getsockopt(socket, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) == 0);
    fill_ = {find(socket, XDP_UMEM_PGOFF_FILL_RING), offsets.fr};
    completed_ = {find(socket, XDP_UMEM_PGOFF_COMPLETION_RING), offsets.cr};
    transmit_ = {find(socket, XDP_PGOFF_TX_RING), offsets.tx};
    bytes_ = (offsets.cr.desc + kRingEntries * sizeof(std::uint64_t) + 4'095) / 4'096 * 4'096;
  }
  SeenRings(const SeenRings&) = delete;

  std::uint32_t to_be_filled() const { return fill_.produced() - fill_.consumed(); }
  /// On their way out, or out and not yet told to the port.
  std::uint32_t in_flight() const { return transmit_.produced() - completed_.consumed(); }
  /// Packets that the kernel had for this queue and could not bring.
  std::uint64_t lost() const {
    xdp_statistics counts{};
    socklen_t size = sizeof counts;
    EXPECT(getsockopt(socket_, SOL_XDP, XDP_STATISTICS, &counts, &size) == 0);
    return counts.rx_ring_full + counts.rx_dropped;
  }
  /// All that was ever put on the transmit ring has left, and its frames are back.
  bool at_rest() const { return in_flight() == 0; }

  /// From now on the port sees the completion ring as it is now, whatever leaves: as if a NIC kept the frames. Only while the
  /// packet thread is held, and the rings are at rest.
  void hide_completions() {
    aside_ = mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    Bytes as_it_is(completed_.at, completed_.at + bytes_);
    EXPECT(mremap(completed_.at, bytes_, bytes_, MREMAP_MAYMOVE | MREMAP_FIXED, aside_) == aside_);
    EXPECT(mmap(completed_.at, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == completed_.at);
    std::memcpy(completed_.at, as_it_is.data(), bytes_);
  }
  /// Only while the packet thread is held. The frames that came back meanwhile are there at once.
  void show_completions() {
    if (aside_ == nullptr) return;
    EXPECT(mremap(aside_, bytes_, bytes_, MREMAP_MAYMOVE | MREMAP_FIXED, completed_.at) == completed_.at);
    aside_ = nullptr;
  }

 private:
  using Bytes = std::vector<std::uint8_t>;
  struct Ring {
    std::uint8_t* at;
    xdp_ring_offset offset;
    std::uint32_t read(std::uint64_t where) const { return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(at + where)).load(); }
    std::uint32_t produced() const { return read(offset.producer); }
    std::uint32_t consumed() const { return read(offset.consumer); }
  };
  /// Where the ring at this offset of the socket is mapped. The kernel maps no ring of a bound socket a second time.
  static std::uint8_t* find(int socket, std::uint64_t offset) {
    struct stat about{};
    fstat(socket, &about);
    const std::string name = "socket:[" + std::to_string(about.st_ino) + "]";
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      unsigned long start = 0, there = 0;
      if (!line.ends_with(name) || std::sscanf(line.c_str(), "%lx-%*x %*s %lx", &start, &there) != 2 || there != offset) continue;
      return reinterpret_cast<std::uint8_t*>(start);
    }
    EXPECT(!"the ring is mapped");
    std::abort();
  }

  int socket_;
  Ring fill_{}, completed_{}, transmit_{};
  std::size_t bytes_ = 0;
  void* aside_ = nullptr;
};

}  // namespace sallyport::io::test
