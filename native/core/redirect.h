// Where a 3xx answer leads: a pure decision. RFC 9110 15.4 and 10.2.2; URLs are resolved by
// curl_url.
#pragma once

#include <string>
#include <vector>

namespace mcurl {

struct HopRequest {
  const std::string& url;       // that answered
  const std::string& firstUrl;  // of the target
  const std::string& location;  // as the server wrote it
  unsigned hops;                // followed so far
  unsigned maxRedirs;
  const std::vector<std::string>& protocols;
  bool allowDowngrade;  // https to http
};

// `error` is empty when the hop is to be followed.
struct Hop {
  std::string url;
  std::string hostKey;
  std::string error;
};

// Resolves `location` and says whether to follow it. User and password of the first URL go along
// only to its own host; a fragment is dropped.
Hop decideHop(const HopRequest& request);

}  // namespace mcurl
