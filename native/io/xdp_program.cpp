#include "xdp_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

// The object file, as native/xdp/CMakeLists.txt puts it into the library.
extern "C" const char sallyport_flow_object[], sallyport_flow_object_end[];

namespace sallyport::io {
namespace {

std::string told(int error) { return strerrordesc_np(error < 0 ? -error : error); }

constexpr std::size_t kDoorBytes = (std::size_t{FLOW_ADDRESSES} << 15) * sizeof(flow_doors);

/// libbpf speaks on stderr; what matters comes back as an error.
int say_nothing(libbpf_print_level, const char*, va_list) { return 0; }

}  // namespace

std::unique_ptr<XdpProgram> XdpProgram::load(std::uint32_t flows, std::string& why) {
  libbpf_set_print(say_nothing);
  std::unique_ptr<XdpProgram> made(new XdpProgram);
  const auto bytes = static_cast<std::size_t>(sallyport_flow_object_end - sallyport_flow_object);
  made->object_ = bpf_object__open_mem(sallyport_flow_object, bytes, nullptr);
  if (made->object_ == nullptr) {
    why = told(errno);
    return nullptr;
  }
  bpf_map__set_max_entries(bpf_object__find_map_by_name(made->object_, "entries"), flows);
  bpf_map__set_max_entries(bpf_object__find_map_by_name(made->object_, "states"), flows);
  if (const int error = bpf_object__load(made->object_); error != 0) {
    why = told(error);
    return nullptr;
  }
  const auto map = [&](const char* name) { return bpf_object__find_map_fd_by_name(made->object_, name); };
  made->program_fd_ = bpf_program__fd(bpf_object__find_program_by_name(made->object_, "sallyport_flows"));
  made->addresses_fd_ = map("addresses");
  made->nics_fd_ = map("nics");
  made->hops_fd_ = map("hops");
  made->devices_fd_ = map("devices");
  made->xsks_fd_ = map("xsks");
  made->flow_limit_ = flows;
  const auto mapped = [&](const char* name, std::size_t length) -> void* {
    void* const at = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, map(name), 0);
    if (at == MAP_FAILED) why = told(errno);
    return at == MAP_FAILED ? nullptr : at;
  };
  made->rows_.reserve(FLOW_ADDRESSES);
  made->states_ = static_cast<flow_state*>(mapped("states", flows * sizeof(flow_state)));
  made->doors_ = static_cast<flow_doors*>(mapped("doors", kDoorBytes));
  made->entries_ = static_cast<flow_entry*>(mapped("entries", flows * sizeof(flow_entry)));
  if (made->states_ == nullptr || made->doors_ == nullptr || made->entries_ == nullptr) return nullptr;
  return made;
}

XdpProgram::~XdpProgram() {
  for (const Attachment& attachment : attachments_) close(attachment.link);
  if (states_ != nullptr) munmap(states_, flow_limit_ * sizeof(flow_state));
  if (doors_ != nullptr) munmap(doors_, kDoorBytes);
  if (entries_ != nullptr) munmap(entries_, flow_limit_ * sizeof(flow_entry));
  if (object_ != nullptr) bpf_object__close(object_);
}

std::string XdpProgram::attach(unsigned interface, AttachMode mode) {
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = mode == AttachMode::kNative ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
  const int link = bpf_link_create(program_fd_, static_cast<int>(interface), BPF_XDP, &options);
  if (link < 0) return told(link);
  attachments_.push_back({interface, link});
  return "";
}

void XdpProgram::detach(unsigned interface) noexcept {
  std::erase_if(attachments_, [&](const Attachment& attachment) {
    if (attachment.interface != interface) return false;
    close(attachment.link);
    return true;
  });
}

std::string XdpProgram::add_device(unsigned interface) {
  const int error = bpf_map_update_elem(devices_fd_, &interface, &interface, BPF_ANY);
  return error == 0 ? "" : told(error);
}

/// A row nobody has doors in may become another address's; the one without doors for any time is as good as another.
bool XdpProgram::row_of(const flow_key& key, bool make, std::uint32_t& row) noexcept {
  flow_key address = key;
  std::memset(address.to.port, 0, sizeof address.to.port);
  for (row = 0; row < rows_.size(); ++row) {
    if (std::memcmp(&rows_[row].address, &address, sizeof address) == 0) return true;
  }
  if (!make) return false;
  if (rows_.size() < FLOW_ADDRESSES) {
    rows_.emplace_back();
  } else {
    for (row = 0; row < FLOW_ADDRESSES && rows_[row].open != 0;) row += 1;
    if (row == FLOW_ADDRESSES) return false;
    bpf_map_delete_elem(addresses_fd_, &rows_[row].address);
  }
  rows_[row] = {address, 0};
  if (bpf_map_update_elem(addresses_fd_, &address, &row, BPF_ANY) == 0) return true;
  rows_[row] = {};
  return false;
}

std::uint32_t& XdpProgram::door(std::uint32_t row, const flow_key& key) noexcept {
  flow_doors& both = doors_[row << 15 | static_cast<std::uint32_t>(key.to.port[0] << 7 | key.to.port[1] >> 1)];
  return key.to.port[1] & 1 ? both.odd : both.even;
}

/// The program may be reading what was there: it sees the generation change, and lets the packet be.
void XdpProgram::write_entry(const flow_key& key, const flow_entry& entry) noexcept {
  flow_entry& place = entries_[entry.slot];
  std::atomic_ref generation(place.generation);
  generation.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  flow_entry made = entry;
  made.generation = 0;
  std::memcpy(made.port, key.to.port, sizeof made.port);
  std::memcpy(static_cast<void*>(&place), &made, sizeof made);
  generation.store(entry.generation, std::memory_order_release);
}

bool XdpProgram::put_flow(const flow_key& key, const flow_entry& entry) noexcept {
  const std::lock_guard lock(doors_mutex_);
  std::uint32_t row, leads_to = 0;
  if (!row_of(key, true, row)) return false;
  if (entry.action == FLOW_FORWARD) {
    if (entry.slot >= flow_limit_) return false;
    write_entry(key, entry);
    leads_to = entry.slot + 1;
  } else if (entry.action == FLOW_TO_XSK) {
    const std::uint32_t nic = entry.xsk / FLOW_QUEUES_PER_NIC;
    if (nic >= FLOW_NICS) return false;
    if (nics_[nic] != entry.arrives_by && bpf_map_update_elem(nics_fd_, &nic, &entry.arrives_by, BPF_ANY) != 0) return false;
    nics_[nic] = entry.arrives_by;
    leads_to = DOOR_TO_XSK | nic;
  }
  std::atomic_ref at(door(row, key));
  rows_[row].open += (leads_to != 0) - (at.load(std::memory_order_relaxed) != 0);
  at.store(leads_to, std::memory_order_release);
  return true;
}

bool XdpProgram::remove_flow(const flow_key& key) noexcept {
  const std::lock_guard lock(doors_mutex_);
  std::uint32_t row;
  if (!row_of(key, false, row)) return false;
  std::atomic_ref at(door(row, key));
  if (at.exchange(0) == 0) return false;
  rows_[row].open -= 1;
  return true;
}

bool XdpProgram::put_hop(std::uint32_t number, const next_hop& hop) noexcept {
  return bpf_map_update_elem(hops_fd_, &number, &hop, BPF_ANY) == 0;
}

bool XdpProgram::put_xsk(std::uint32_t place, int socket) noexcept {
  return bpf_map_update_elem(xsks_fd_, &place, &socket, BPF_ANY) == 0;
}

bool XdpProgram::remove_xsk(std::uint32_t place) noexcept { return bpf_map_delete_elem(xsks_fd_, &place) == 0; }

}  // namespace sallyport::io
