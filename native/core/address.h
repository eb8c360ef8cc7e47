// Which addresses --no-private refuses.
#pragma once

#include <sys/socket.h>

#include <string>

namespace mcurl {

// The address and what it is ("10.0.0.1 (private)") unless it is one of the public internet: the
// IANA special-purpose registries of IPv4 and IPv6 (RFC 6890), multicast (RFC 5771, RFC 4291 2.7),
// and what lies outside 2000::/3. Of forms that carry an IPv4 address that address decides:
// IPv4-mapped (RFC 4291 2.5.5.2), NAT64's well-known prefix (RFC 6052 2.1) and 6to4 (RFC 3056 2).
// Whatever is neither IPv4 nor IPv6 is local. Empty: it is public.
std::string notPublic(const sockaddr* address);

}  // namespace mcurl
