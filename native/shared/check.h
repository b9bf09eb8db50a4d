/* As much of a test framework as the native tests need: named beliefs, a count, an exit code. */
#ifndef SALLYPORT_SHARED_CHECK_H
#define SALLYPORT_SHARED_CHECK_H

#include <cstdio>
#include <cstring>
#include <string>

namespace check {

inline int failures = 0;
inline const char* current = "";

struct Test {
  const char* name;
  void (*body)();
  Test* next;
  static inline Test* first = nullptr;
  static inline Test** last = &first;
  Test(const char* n, void (*b)()) : name(n), body(b), next(nullptr) { *last = this, last = &next; }
};

inline void expect(bool holds, const char* belief, const char* file, int line) {
  if (holds) return;
  failures += 1;
  std::fprintf(stderr, "%s:%d: %s: not so: %s\n", file, line, current, belief);
}

/* Runs the tests whose names contain `only`. */
inline int run(int count, char** words) {
  int ran = 0;
  for (Test* test = Test::first; test != nullptr; test = test->next) {
    if (count > 1 && std::strstr(test->name, words[1]) == nullptr) continue;
    current = test->name;
    ran += 1;
    test->body();
  }
  std::printf("%d tests, %d failures\n", ran, failures);
  return ran == 0 || failures != 0;
}

}  // namespace check

#define CHECK_JOIN2(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN2(a, b)
/* TEST("a sentence about the world") { ... } */
#define TEST(name)                                                                             \
  static void CHECK_JOIN(test_, __LINE__)();                                                   \
  static check::Test CHECK_JOIN(entry_, __LINE__)(name, CHECK_JOIN(test_, __LINE__));          \
  static void CHECK_JOIN(test_, __LINE__)()
#define EXPECT(belief) check::expect((belief), #belief, __FILE__, __LINE__)

#endif
