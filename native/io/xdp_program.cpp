#include "xdp_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

// The object file, as native/xdp/CMakeLists.txt puts it into the library.
extern "C" const char sallyport_flow_object[], sallyport_flow_object_end[];

namespace sallyport::io {
namespace {

std::string told(int error) { return strerrordesc_np(error < 0 ? -error : error); }

/// RTP alone is forwarded, and has a state; what goes to a ring may be RTCP on a port of its own as well.
constexpr std::uint32_t kKeysPerFlow = 2;

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
  bpf_map__set_max_entries(bpf_object__find_map_by_name(made->object_, "flows"), flows * kKeysPerFlow);
  bpf_map__set_max_entries(bpf_object__find_map_by_name(made->object_, "states"), flows);
  if (const int error = bpf_object__load(made->object_); error != 0) {
    why = told(error);
    return nullptr;
  }
  const auto map = [&](const char* name) { return bpf_object__find_map_fd_by_name(made->object_, name); };
  made->program_fd_ = bpf_program__fd(bpf_object__find_program_by_name(made->object_, "sallyport_flows"));
  made->flows_fd_ = map("flows");
  made->hops_fd_ = map("hops");
  made->devices_fd_ = map("devices");
  made->xsks_fd_ = map("xsks");
  void* states = mmap(nullptr, flows * sizeof(flow_state), PROT_READ | PROT_WRITE, MAP_SHARED, map("states"), 0);
  if (states == MAP_FAILED) {
    why = told(errno);
    return nullptr;
  }
  made->states_ = static_cast<flow_state*>(states);
  made->flow_limit_ = flows;
  return made;
}

XdpProgram::~XdpProgram() {
  for (const Attachment& attachment : attachments_) close(attachment.link);
  if (states_ != nullptr) munmap(states_, flow_limit_ * sizeof(flow_state));
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

bool XdpProgram::put_flow(const flow_key& key, const flow_entry& entry) noexcept {
  return bpf_map_update_elem(flows_fd_, &key, &entry, BPF_ANY) == 0;
}

bool XdpProgram::remove_flow(const flow_key& key) noexcept { return bpf_map_delete_elem(flows_fd_, &key) == 0; }

bool XdpProgram::put_hop(std::uint32_t number, const next_hop& hop) noexcept {
  return bpf_map_update_elem(hops_fd_, &number, &hop, BPF_ANY) == 0;
}

bool XdpProgram::put_xsk(std::uint32_t place, int socket) noexcept {
  return bpf_map_update_elem(xsks_fd_, &place, &socket, BPF_ANY) == 0;
}

bool XdpProgram::remove_xsk(std::uint32_t place) noexcept { return bpf_map_delete_elem(xsks_fd_, &place) == 0; }

}  // namespace sallyport::io
