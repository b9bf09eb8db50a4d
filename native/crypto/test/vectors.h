/// Reads the published vectors where they lie, beside the repository; none is copied into it.
#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "crypto/test/harness.h"

namespace vectors {

inline std::string read(const std::string& name) {
  const char* place = std::getenv("SALLYPORT_TESTDATA");
  const std::string path = std::string(place ? place : SALLYPORT_TESTDATA_DEFAULT) + "/srtp-vectors/" + name;
  std::ifstream file(path);
  if (!file) std::fprintf(stderr, "%s: cannot be read; set SALLYPORT_TESTDATA\n", path.c_str());
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline bool is_hex_line(const std::string& line) {
  return line.find_first_not_of(" \r0123456789abcdefABCDEF") == std::string::npos &&
         line.find_first_not_of(" \r") != std::string::npos;
}

/// The hex digits behind `label`, found after `section`: on its line and on those that follow.
inline harness::Bytes after(const std::string& text, const std::string& section, const std::string& label) {
  std::size_t at = text.find(section);
  if (at != std::string::npos) at = text.find(label, at);
  if (at == std::string::npos) return {};
  std::istringstream lines(text.substr(at + label.size()));
  std::string digits;
  std::string line;
  for (bool first = true, any = false; std::getline(lines, line); first = false) {
    const auto note = line.find('(');
    if (note != std::string::npos) line.resize(note);
    const bool blank = line.find_first_not_of(" \r") == std::string::npos;
    if (blank && any) break;
    if (!blank && !is_hex_line(line) && !first) break;
    if (!blank && is_hex_line(line)) digits += line, any = true;
  }
  return harness::hex(digits);
}

/// A value of a flat JSON object of hex strings.
inline harness::Bytes json(const std::string& text, const std::string& name) {
  const std::size_t at = text.find('"' + name + '"');
  if (at == std::string::npos) return {};
  const std::size_t from = text.find('"', text.find(':', at)) + 1;
  return harness::hex(text.substr(from, text.find('"', from) - from));
}

}  // namespace vectors
