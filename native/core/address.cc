#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

namespace mcurl {
namespace {

// All addresses whose first bits these are.
struct Block {
  uint32_t first;
  unsigned bits;
  const char* kind;
};

constexpr uint32_t quad(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr Block kIpv4[] = {
    {quad(0, 0, 0, 0), 8, "unspecified"},
    {quad(10, 0, 0, 0), 8, "private"},
    {quad(100, 64, 0, 0), 10, "shared"},
    {quad(127, 0, 0, 0), 8, "loopback"},
    {quad(169, 254, 0, 0), 16, "link-local"},
    {quad(172, 16, 0, 0), 12, "private"},
    {quad(192, 0, 0, 0), 24, "reserved"},
    {quad(192, 0, 2, 0), 24, "documentation"},
    {quad(192, 88, 99, 0), 24, "reserved"},  // 6to4 relays, RFC 7526
    {quad(192, 168, 0, 0), 16, "private"},
    {quad(198, 18, 0, 0), 15, "benchmark"},
    {quad(198, 51, 100, 0), 24, "documentation"},
    {quad(203, 0, 113, 0), 24, "documentation"},
    {quad(224, 0, 0, 0), 4, "multicast"},
    {quad(240, 0, 0, 0), 4, "reserved"},  // and broadcast
};

constexpr Block kIpv6[] = {
    {0x2001'0000, 23, "reserved"},  // Teredo, benchmarks, ORCHID and the like
    {0x2001'0DB8, 32, "documentation"}, {0x3FFF'0000, 20, "documentation"},
    {0xFC00'0000, 7, "unique local"},   {0xFE80'0000, 10, "link-local"},
    {0xFEC0'0000, 10, "site-local"},    {0xFF00'0000, 8, "multicast"},
};
constexpr Block kGlobalUnicast{0x2000'0000, 3, ""};

bool isIn(uint32_t start, const Block& block) {
  return (start ^ block.first) >> (32 - block.bits) == 0;
}

const char* kindIn(std::span<const Block> blocks, uint32_t start) {
  const auto found = std::find_if(blocks.begin(), blocks.end(),
                                  [start](const Block& block) { return isIn(start, block); });
  return found == blocks.end() ? nullptr : found->kind;
}

// Null: public.
const char* kindOf(const in6_addr& address) {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  static constexpr uint8_t kNat64[12] = {0, 0x64, 0xFF, 0x9B};
  const uint8_t* bytes = address.s6_addr;
  const auto at = [bytes](int i) {
    return quad(bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]);
  };
  const auto beginsWith = [bytes](std::span<const uint8_t> prefix) {
    return std::equal(prefix.begin(), prefix.end(), bytes);
  };
  if (beginsWith(kMapped) || beginsWith(kNat64)) return kindIn(kIpv4, at(12));
  if (at(0) >> 16 == 0x2002) return kindIn(kIpv4, at(2));
  if (const char* kind = kindIn(kIpv6, at(0))) return kind;
  if (isIn(at(0), kGlobalUnicast)) return nullptr;
  if (IN6_IS_ADDR_UNSPECIFIED(&address)) return "unspecified";
  return IN6_IS_ADDR_LOOPBACK(&address) ? "loopback" : "reserved";
}

}  // namespace

std::string notPublic(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  const char* kind = nullptr;
  if (address->sa_family == AF_INET) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, address, sizeof ipv4);
    inet_ntop(AF_INET, &ipv4.sin_addr, text, sizeof text);
    kind = kindIn(kIpv4, ntohl(ipv4.sin_addr.s_addr));
  } else if (address->sa_family == AF_INET6) {
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, address, sizeof ipv6);
    inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof text);
    kind = kindOf(ipv6.sin6_addr);
  } else {
    return "a local socket";
  }
  return kind == nullptr ? std::string{} : std::string{text} + " (" + kind + ")";
}

}  // namespace mcurl
