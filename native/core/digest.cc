#include "digest.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>

namespace mcurl {
namespace {

struct Known {
  std::string_view name;
  const EVP_MD* (*md)();
  bool isForServers;  // RFC 9530 5: what a server may still be believed
};
// Strongest first.
constexpr std::array kKnown{
    Known{"sha-512", EVP_sha512, true},
    Known{"sha-256", EVP_sha256, true},
    Known{"sha-1", EVP_sha1, false},
    Known{"md5", EVP_md5, false},
};

const Known* find(std::string_view name) {
  for (const Known& known : kKnown) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> fromBase64(std::string_view text) {
  constexpr size_t kMost = 128;
  if (text.empty() || text.size() > kMost || text.size() % 4 != 0) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  if (length < 0) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace

std::optional<Checksum> Checksum::parse(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const Known* known = find(text.substr(0, equals));
  const std::string_view hex = text.substr(equals + 1);
  if (known == nullptr || hex.size() != 2 * static_cast<size_t>(EVP_MD_size(known->md())))
    return std::nullopt;
  Checksum checksum{std::string{known->name}, {}};
  for (size_t at = 0; at < hex.size(); at += 2) {
    const int high = hexDigit(hex[at]);
    const int low = hexDigit(hex[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    checksum.value += static_cast<char>(high << 4 | low);
  }
  return checksum;
}

std::string Checksum::text() const {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text = type + '=';
  for (const char c : value) {
    text += kHex[static_cast<unsigned char>(c) >> 4];
    text += kHex[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

// RFC 9530 2: a dictionary (RFC 8941 3.2) whose members are byte sequences, `sha-256=:base64:`.
std::optional<Checksum> strongestDigest(std::string_view header) {
  for (const Known& known : kKnown) {
    if (!known.isForServers) continue;
    for (size_t at = header.find(known.name); at != std::string_view::npos;
         at = header.find(known.name, at + 1)) {
      const bool isKey =
          at == 0 || header[at - 1] == ',' || header[at - 1] == ' ' || header[at - 1] == '\t';
      std::string_view rest = header.substr(at + known.name.size());
      if (!isKey || !rest.starts_with("=:")) continue;
      rest.remove_prefix(2);
      const size_t end = rest.find(':');
      if (end == std::string_view::npos) continue;
      const auto bytes = fromBase64(rest.substr(0, end));
      if (bytes && bytes->size() == static_cast<size_t>(EVP_MD_size(known.md())))
        return Checksum{std::string{known.name}, *bytes};
    }
  }
  return std::nullopt;
}

Digest::Digest(std::string_view type) : type_{type}, context_{EVP_MD_CTX_new()} {
  const Known* known = find(type);
  if (!context_ || known == nullptr || EVP_DigestInit_ex(context_.get(), known->md(), nullptr) != 1)
    throw std::bad_alloc();
}

void Digest::update(const char* data, size_t size) noexcept {
  EVP_DigestUpdate(context_.get(), data, size);
}

bool Digest::updateFromFile(int fd, int64_t size) noexcept {
  static thread_local std::array<char, 256 << 10> buffer;
  for (int64_t at = 0; at < size;) {
    const auto want = static_cast<size_t>(std::min<int64_t>(buffer.size(), size - at));
    const ssize_t count = ::pread(fd, buffer.data(), want, at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      if (count == 0) errno = EIO;
      return false;
    }
    update(buffer.data(), static_cast<size_t>(count));
    at += count;
  }
  return true;
}

Checksum Digest::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned length = 0;
  EVP_DigestFinal_ex(context_.get(), bytes.data(), &length);
  return {type_, std::string{reinterpret_cast<const char*>(bytes.data()), length}};
}

}  // namespace mcurl
