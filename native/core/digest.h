// Hashes of bodies by OpenSSL's EVP, and what a server or a list says of them (RFC 9530).
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "handles.h"

namespace mcurl {

// A hash that is expected, or (with no value) wanted.
struct Checksum {
  std::string type;   // sha-256, sha-512, sha-1, md5
  std::string value;  // bytes, not hex

  // `type=hex` as lists and --checksum have it; nothing when it is not of that form.
  static std::optional<Checksum> parse(std::string_view text);
  // `type=hex`.
  std::string text() const;
};

// The strongest known hash in a Repr-Digest or Content-Digest header; nothing when there is none.
std::optional<Checksum> strongestDigest(std::string_view header);

class Digest {
 public:
  // Throws std::bad_alloc, also when this OpenSSL has the hash disabled.
  explicit Digest(std::string_view type);

  void update(const char* data, size_t size) noexcept;
  // Adds the first `size` bytes of a file; false with errno set, EIO when it is shorter.
  bool updateFromFile(int fd, int64_t size) noexcept;
  Checksum finish();

  const std::string& type() const noexcept { return type_; }

 private:
  std::string type_;
  std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>> context_;
};

}  // namespace mcurl
