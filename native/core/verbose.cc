#include "verbose.h"

#include <strings.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

namespace mcurl {
namespace {

constexpr std::array<std::string_view, 5> kSecrets{
    "Authorization:", "Proxy-Authorization:", "Cookie:", "Set-Cookie:", "X-Api-Key:"};

void append(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      char escape[5];
      std::snprintf(escape, sizeof escape, "\\x%02x", byte);
      out += escape;
    }
  }
}

void writeLine(char mark, std::string_view line) {
  std::string out{mark, ' '};
  std::string_view shown = line;
  for (const std::string_view secret : kSecrets) {
    if (line.size() >= secret.size() &&
        strncasecmp(line.data(), secret.data(), secret.size()) == 0) {
      shown = line.substr(0, secret.size());
    }
  }
  append(out, shown);
  if (shown.size() < line.size()) out += " [not shown]";
  out += '\n';
  if (::write(STDERR_FILENO, out.data(), out.size()) < 0) return;  // a closed stderr ends nothing
}

}  // namespace

int onDebug(CURL*, curl_infotype type, char* data, size_t size, void*) noexcept {
  const char mark = type == CURLINFO_TEXT ? '*' : type == CURLINFO_HEADER_IN ? '<' : '>';
  if (type > CURLINFO_HEADER_OUT) return 0;
  try {
    std::string_view text{data, size};
    while (!text.empty()) {
      const size_t end = text.find('\n');
      std::string_view line = text.substr(0, end);
      if (line.ends_with('\r')) line.remove_suffix(1);
      writeLine(mark, line);
      if (end == std::string_view::npos) break;
      text.remove_prefix(end + 1);
    }
  } catch (...) {
    return 0;  // no memory for a line of talk
  }
  return 0;
}

}  // namespace mcurl
