#include "porter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

#include "address.h"

// The object file, as native/xdp/CMakeLists.txt puts it into the library.
extern "C" const char sallyport_porter_object[], sallyport_porter_object_end[];

namespace sallyport::io {
namespace {

constexpr std::size_t kPortsBytes = (std::size_t{PORTER_ADDRESSES} << 15) * sizeof(porter_doors);
/// Room for the first packets of a thousand calls that begin at once (the kernel doubles it, and counts 4.3 kB a packet).
constexpr int kRoomBytes = 4 * 1024 * 1024;

std::string told(int error) { return strerrordesc_np(error < 0 ? -error : error); }

std::uint16_t port_of(const endpoint& local) noexcept { return static_cast<std::uint16_t>(local.port[0] << 8 | local.port[1]); }

/// A socket bound to loopback, since one that is bound nowhere may not be given to: its own address never matters.
int open_porter_socket(bool v4) noexcept {
  const int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const int on = 1;
  endpoint local{};
  if (v4) std::memcpy(local.ip, kMappedPrefix, sizeof kMappedPrefix), local.ip[12] = 127;
  local.ip[15] = 1;
  if (v4) setsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &on, sizeof on);
  else setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), setsockopt(fd, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, &on, sizeof on);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kRoomBytes, sizeof kRoomBytes) != 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kRoomBytes, sizeof kRoomBytes);
  SocketAddress address;
  const socklen_t size = to_socket_address(local, address);
  if (bind(fd, &address.any, size) == 0) return fd;
  const int error = errno;
  ::close(fd);
  return -error;
}

}  // namespace

std::unique_ptr<Porter> Porter::start(std::size_t threads, std::string& why) {
  std::unique_ptr<Porter> made(new Porter);
  if (threads > PORTER_THREADS) threads = PORTER_THREADS;
  libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });  // What matters comes back as an error.
  const auto bytes = static_cast<std::size_t>(sallyport_porter_object_end - sallyport_porter_object);
  made->object_ = bpf_object__open_mem(sallyport_porter_object, bytes, nullptr);
  const int error = made->object_ == nullptr ? errno : bpf_object__load(made->object_);
  if (error != 0) {
    why = told(error);
    return nullptr;
  }
  made->note_ephemeral_ports();
  made->note_taken_ports();
  if (!made->open_sockets(threads, why) || !made->attach(why)) return nullptr;
  return made;
}

Porter::~Porter() {
  if (link_ >= 0) ::close(link_);
  for (const int fd : sockets_) {
    if (fd >= 0) ::close(fd);
  }
  if (ports_ != nullptr) munmap(ports_, kPortsBytes);
  if (object_ != nullptr) bpf_object__close(object_);
}

bool Porter::open_sockets(std::size_t threads, std::string& why) {
  const int map = bpf_object__find_map_fd_by_name(object_, "porter_sockets");
  for (std::uint32_t number = 0; number < threads * 2; ++number) {
    const bool v4 = number % 2 == 0;
    const int fd = sockets_.emplace_back(open_porter_socket(v4));
    const int error = fd < 0 ? -fd : bpf_map_update_elem(map, &number, &fd, BPF_ANY);
    if (error == 0) continue;
    if (fd >= 0) ::close(fd);
    sockets_.back() = -1;
    if (!v4) continue;  // IPv6 may be off.
    why = told(error);
    return false;
  }
  return true;
}

bool Porter::attach(std::string& why) {
  addresses_fd_ = bpf_object__find_map_fd_by_name(object_, "porter_addresses");
  void* const ports = mmap(nullptr, kPortsBytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_object__find_map_fd_by_name(object_, "porter_ports"), 0);
  const int space = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  const int program = bpf_program__fd(bpf_object__find_program_by_name(object_, "sallyport_porter"));
  if (ports != MAP_FAILED) ports_ = static_cast<porter_doors*>(ports);
  link_ = ports_ == nullptr || space < 0 ? -errno : bpf_link_create(program, space, BPF_SK_LOOKUP, nullptr);
  if (link_ < 0) why = told(link_);
  if (space >= 0) ::close(space);
  return link_ >= 0;
}

/// What programs get that ask for any port, less what is reserved from that (Box reserves the media ports first).
void Porter::note_ephemeral_ports() {
  unsigned low = 0, high = 0;
  FILE* const range = std::fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
  if (range == nullptr) return;
  if (std::fscanf(range, "%u %u", &low, &high) == 2) {
    for (unsigned port = low; port <= high && port < taken_.size(); ++port) taken_.set(port);
  }
  std::fclose(range);
  FILE* const reserved = std::fopen("/proc/sys/net/ipv4/ip_local_reserved_ports", "re");
  if (reserved == nullptr) return;
  for (unsigned first; std::fscanf(reserved, "%u", &first) == 1;) {
    unsigned last = first;
    int next = std::fgetc(reserved);
    if (next == '-' && std::fscanf(reserved, "%u", &last) == 1) next = std::fgetc(reserved);
    for (unsigned port = first; port <= last && port < taken_.size(); ++port) taken_.reset(port);
    if (next != ',') break;
  }
  std::fclose(reserved);
}

/// Whoever is bound to a port of that number, at whatever address: too many rather than too few.
void Porter::note_taken_ports() {
  for (const char* const table : {"/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"}) {
    FILE* const list = std::fopen(table, "re");
    if (list == nullptr) continue;
    char line[512];
    while (std::fgets(line, sizeof line, list) != nullptr) {
      unsigned port;
      if (std::sscanf(line, " %*u: %*[0-9A-Fa-f]:%x", &port) == 1 && port < taken_.size()) taken_.set(port);
    }
    std::fclose(list);
  }
}

std::uint32_t Porter::slot_of(const std::uint8_t* ip) const noexcept {
  const std::uint32_t count = address_count_.load(std::memory_order_acquire);
  std::uint32_t slot = 0;
  while (slot < count && std::memcmp(addresses_[slot].data(), ip, 16) != 0) slot += 1;
  return slot < count ? slot : PORTER_ADDRESSES;
}

std::uint32_t Porter::word_of(const endpoint& local) const noexcept { return slot_of(local.ip) << 16 | port_of(local); }

endpoint Porter::endpoint_of(std::uint32_t word) const noexcept {
  endpoint local{};
  std::memcpy(local.ip, addresses_[word >> 16].data(), sizeof local.ip);
  local.port[0] = static_cast<std::uint8_t>(word >> 8);
  local.port[1] = static_cast<std::uint8_t>(word);
  return local;
}

bool Porter::add_address(const std::uint8_t* ip) noexcept {
  const std::uint32_t slot = address_count_.load(std::memory_order_relaxed);
  if (slot == PORTER_ADDRESSES || bpf_map_update_elem(addresses_fd_, ip, &slot, BPF_ANY) != 0) return false;
  std::memcpy(addresses_[slot].data(), ip, 16);
  address_count_.store(slot + 1, std::memory_order_release);
  return true;
}

std::uint32_t* Porter::door(const endpoint& local) const noexcept {
  const std::uint32_t slot = slot_of(local.ip);
  if (slot == PORTER_ADDRESSES) return nullptr;
  porter_doors& both = ports_[slot << 15 | port_of(local) >> 1];
  return port_of(local) & 1 ? &both.odd : &both.even;
}

bool Porter::serves(const endpoint& local, std::size_t thread, std::uint32_t flow) noexcept {
  static constexpr std::uint8_t kAny[16] = {};
  const bool v4 = is_v4(local.ip);
  if (port_of(local) == 0) return false;  // The kernel's choice.
  if (thread * 2 >= sockets_.size() || socket_of(thread, v4) < 0 || flow >= PORTER_FLOWS || taken_.test(port_of(local))) return false;
  if (std::memcmp(local.ip + (v4 ? 12 : 0), kAny, v4 ? 4 : 16) == 0) return false;  // A socket for every address is no door of one.
  return slot_of(local.ip) != PORTER_ADDRESSES || add_address(local.ip);
}

bool Porter::open(const endpoint& local, std::size_t thread, std::uint32_t flow) noexcept {
  std::atomic_ref at(*door(local));
  std::uint32_t nobody = 0;
  return at.compare_exchange_strong(nobody, (flow + 1) | static_cast<std::uint32_t>(thread) << DOOR_THREAD_SHIFT, std::memory_order_acq_rel);
}

void Porter::close(const endpoint& local) noexcept {
  if (std::uint32_t* const at = door(local)) std::atomic_ref(*at).store(0, std::memory_order_release);
}

void Porter::step_aside(const endpoint& local) noexcept {
  if (std::uint32_t* const at = door(local)) std::atomic_ref(*at).fetch_or(DOOR_HAS_SOCKET, std::memory_order_acq_rel);
}

std::uint32_t Porter::flow_at(const endpoint& local) const noexcept {
  std::uint32_t* const at = door(local);
  const std::uint32_t flow = at == nullptr ? 0 : std::atomic_ref(*at).load(std::memory_order_acquire) & DOOR_FLOW_MASK;
  return flow == 0 ? kNobody : flow - 1;
}

}  // namespace sallyport::io
