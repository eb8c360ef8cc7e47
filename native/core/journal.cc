#include "journal.h"

#include <fcntl.h>

#include <cerrno>
#include <charconv>
#include <system_error>

#include "directory.h"

namespace mcurl {
namespace {

void addNumber(std::string& to, double number) {
  char digits[24];
  const auto [end, _] = std::to_chars(digits, digits + sizeof digits, static_cast<int64_t>(number));
  to.append(digits, end);
}

// RFC 8259 7. What is no UTF-8 is none of ours: names and URLs come from JavaScript, versions are
// checked.
void addString(std::string& to, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  to += '"';
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      to += '\\';
      to += c;
    } else if (code < 0x20 || code == 0x7f) {
      to += "\\u00";
      to += kHex[code >> 4];
      to += kHex[code & 15];
    } else {
      to += c;
    }
  }
  to += '"';
}

void open(std::string& lines, const char* kind) {
  if (lines.empty()) lines += '\n';
  lines += "{\"";
  lines += kind;
  lines += "\":";
}

}  // namespace

Journal::Journal(int fd) {
  if (fd < 0) return;
  fd_ = Fd{::fcntl(fd, F_DUPFD_CLOEXEC, 0)};
  if (!fd_) throw std::system_error(errno, std::generic_category(), "cannot use the journal");
}

void Journal::addPlan(std::string& lines, const Planned& planned) {
  open(lines, "plan");
  addNumber(lines, planned.serial);
  lines += ",\"entry\":";
  addString(lines, planned.entry);
  lines += ",\"name\":";
  addString(lines, planned.name);
  lines += "}\n";
}

void Journal::addBegan(std::string& lines, double serial, std::string_view name,
                       std::string_view version, int64_t total) {
  open(lines, "began");
  addNumber(lines, serial);
  lines += ",\"name\":";
  addString(lines, name);
  lines += ",\"version\":";
  addString(lines, version);
  lines += ",\"total\":";
  addNumber(lines, static_cast<double>(total));
  lines += "}\n";
}

void Journal::addDurable(std::string& lines, double serial, int64_t size) {
  open(lines, "durable");
  addNumber(lines, serial);
  lines += ",\"size\":";
  addNumber(lines, static_cast<double>(size));
  lines += "}\n";
}

bool Journal::append(const std::string& lines) const noexcept {
  return writeAll(fd_.get(), lines.data(), lines.size());
}

bool Journal::sync() const noexcept { return ::fdatasync(fd_.get()) == 0; }

}  // namespace mcurl
