// Hosts by libcurl's own URL parser. A host key is scheme://host, with :port unless it is the
// scheme's own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "handles.h"

namespace mcurl {

// The host key as WHATWG reads it, from an href. `prefix` of the href when it has neither user nor
// password, else put together in `made`; empty when there is no "://".
struct HrefHostKey {
  std::string_view prefix;
  std::string made;
  std::string_view view() const noexcept { return made.empty() ? prefix : std::string_view{made}; }
};
HrefHostKey hrefHostKey(std::string_view href);

// The host key as curl_url_get reads it; nothing when libcurl cannot parse the URL or it has no
// host.
std::optional<std::string> curlHostKey(const char* url);
std::optional<std::string> curlHostKey(CURLU* url);

// A part of a parsed URL, or empty.
std::string urlPart(CURLU* url, CURLUPart part, unsigned flags = 0);

// What may be shown or kept of a URL: all but user and password.
std::string withoutUserinfo(std::string_view href);

// The host is written as a number and needs no look-up.
bool isAddress(std::string_view hostKey);

}  // namespace mcurl
