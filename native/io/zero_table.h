/// A table whose entries are zero until written, and cost no memory until then: for as many calls as may be, on a box that
/// has few.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <type_traits>

namespace sallyport::io {

template <typename T>
class ZeroTable {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  explicit ZeroTable(std::size_t count) : count_(count) {
    void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    entries_ = static_cast<T*>(memory);
  }
  ~ZeroTable() { munmap(entries_, bytes()); }
  ZeroTable(const ZeroTable&) = delete;
  ZeroTable& operator=(const ZeroTable&) = delete;

  T& operator[](std::size_t at) noexcept { return entries_[at]; }
  T* begin() noexcept { return entries_; }
  T* end() noexcept { return entries_ + count_; }

 private:
  std::size_t bytes() const noexcept { return (count_ ? count_ : 1) * sizeof(T); }
  std::size_t count_;
  T* entries_ = nullptr;
};

}  // namespace sallyport::io
