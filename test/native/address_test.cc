#include "../../native/core/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdio>

#include "test.h"

namespace {

std::string refusal(const std::string& address) {
  sockaddr_storage storage{};
  void* into = nullptr;
  if (address.find(':') == std::string::npos) {
    storage.ss_family = AF_INET;
    into = &reinterpret_cast<sockaddr_in*>(&storage)->sin_addr;
  } else {
    storage.ss_family = AF_INET6;
    into = &reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr;
  }
  CHECK_EQ(inet_pton(storage.ss_family, address.c_str(), into), 1);
  return mcurl::notPublic(reinterpret_cast<sockaddr*>(&storage));
}

// The address goes into what is compared, so that it is told when the kind is wrong.
void checkKind(const std::string& address, const std::string& wanted) {
  const std::string found = refusal(address);
  const size_t at = found.find('(');
  const std::string kind =
      at == std::string::npos ? found : found.substr(at + 1, found.size() - at - 2);
  CHECK_EQ(address + " " + kind, address + " " + wanted);
}

struct Block {
  const char* kind;
  std::string before;  // the last address below it
  std::string first;
  std::string last;
  std::string after;
  const char* kindBefore = "";
  const char* kindAfter = "";
};

template <class Spell>
void checkEdges(const Block& block, Spell spell) {
  if (!block.before.empty()) checkKind(spell(block.before), block.kindBefore);
  checkKind(spell(block.first), block.kind);
  checkKind(spell(block.last), block.kind);
  if (!block.after.empty()) checkKind(spell(block.after), block.kindAfter);
}

std::string plainly(const std::string& address) { return address; }

const Block kIpv4[] = {
    {"unspecified", "", "0.0.0.0", "0.255.255.255", "1.0.0.0"},
    {"private", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
    {"shared", "100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
    {"loopback", "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
    {"link-local", "169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
    {"private", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
    {"reserved", "191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
    {"documentation", "192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
    {"reserved", "192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
    {"private", "192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
    {"benchmark", "198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
    {"documentation", "198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
    {"documentation", "203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
    {"multicast", "223.255.255.255", "224.0.0.0", "239.255.255.255", "240.0.0.0", "", "reserved"},
    {"reserved", "239.255.255.255", "240.0.0.0", "255.255.255.255", "", "multicast"},
};

constexpr const char* kOnes = ":ffff:ffff:ffff:ffff:ffff:ffff";

}  // namespace

TEST("an IPv4 address is public up to the edges of the blocks that are not") {
  for (const Block& block : kIpv4) checkEdges(block, plainly);
  for (const char* address : {"1.1.1.1", "8.8.8.8", "93.184.215.14", "192.31.196.1"})
    checkKind(address, "");
}

TEST("an IPv4 address is the same when it is mapped, behind a NAT64, or 6to4") {
  for (const Block& block : kIpv4) {
    checkEdges(block, [](const std::string& address) { return "::ffff:" + address; });
    checkEdges(block, [](const std::string& address) { return "64:ff9b::" + address; });
    checkEdges(block, [](const std::string& address) {
      in_addr ipv4{};
      inet_pton(AF_INET, address.c_str(), &ipv4);
      const uint32_t value = ntohl(ipv4.s_addr);
      char text[INET6_ADDRSTRLEN];
      std::snprintf(text, sizeof text, "2002:%x:%x::1", value >> 16, value & 0xFFFF);
      return std::string{text};
    });
  }
}

TEST("an IPv6 address is public in 2000::/3, up to the edges of the blocks that are not") {
  const Block blocks[] = {
      {"unspecified", "", "::", "::", "::1", "", "loopback"},
      {"loopback", "::", "::1", "::1", "::2", "unspecified", "reserved"},
      {"reserved", "", "::127.0.0.1", "::8.8.8.8", "::ffff:0:0", "", "unspecified"},
      {"reserved", "::fffe:ffff:ffff", "::1:0:0:0", "::ffff:0:0:0", "", "reserved"},
      {"reserved", "64:ff9b::9.9.9.9", "64:ff9b::1:0:0", "64:ff9b:1:ffff::1", ""},
      {"reserved", "", "100::", "100::ffff:ffff:ffff:ffff", ""},
      {"reserved", "", "200::", std::string{"1fff"} + kOnes + ":ffff", "2000::"},
      {"reserved", std::string{"2000"} + kOnes + ":ffff", "2001::", std::string{"2001:1ff"} + kOnes,
       "2001:200::"},
      {"documentation", std::string{"2001:db7"} + kOnes,
       "2001:db8::", std::string{"2001:db8"} + kOnes, "2001:db9::"},
      {"documentation", std::string{"3ffe"} + kOnes + ":ffff",
       "3fff::", std::string{"3fff:fff"} + kOnes, "3fff:1000::"},
      {"reserved", std::string{"3fff:ffff"} + kOnes, "4000::", "5f00::1", ""},
      {"unique local", std::string{"fbff:ffff"} + kOnes, "fc00::", std::string{"fdff:ffff"} + kOnes,
       "fe00::", "reserved", "reserved"},
      {"link-local", std::string{"fe7f:ffff"} + kOnes, "fe80::", std::string{"febf:ffff"} + kOnes,
       "fec0::", "reserved", "site-local"},
      {"site-local", std::string{"febf:ffff"} + kOnes, "fec0::", std::string{"feff:ffff"} + kOnes,
       "ff00::", "link-local", "multicast"},
      {"multicast", std::string{"feff:ffff"} + kOnes, "ff00::", std::string{"ffff:ffff"} + kOnes,
       "", "site-local"},
  };
  for (const Block& block : blocks) checkEdges(block, plainly);
  for (const char* address : {"2606:4700:4700::1111", "2a00:1450::1", "2620:4f:8000::1"})
    checkKind(address, "");
}

TEST("a refusal names the address and what it is; what is no internet address is local") {
  CHECK_EQ(refusal("127.0.0.1"), "127.0.0.1 (loopback)");
  CHECK_EQ(refusal("FD00:0:0::1"), "fd00::1 (unique local)");
  CHECK_EQ(refusal("::ffff:a9fe:a9fe"), "::ffff:169.254.169.254 (link-local)");
  const sockaddr local{.sa_family = AF_UNIX, .sa_data = ""};
  CHECK_EQ(mcurl::notPublic(&local), "a local socket");
}
