#include "redirect.h"

#include <algorithm>
#include <array>

#include "url.h"

namespace mcurl {
namespace {

constexpr unsigned kParse = CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME;

CurlUrl parse(const std::string& text) {
  CurlUrl url{curl_url()};
  if (url && curl_url_set(url.get(), CURLUPART_URL, text.c_str(), kParse) != CURLUE_OK) url.reset();
  return url;
}

Hop refuse(std::string error) { return {{}, {}, std::move(error)}; }

}  // namespace

Hop decideHop(const HopRequest& request) {
  if (request.hops >= request.maxRedirs) {
    return refuse("more than " + std::to_string(request.maxRedirs) + " redirects");
  }
  const CurlUrl url = parse(request.url);
  const std::string from = url ? urlPart(url.get(), CURLUPART_SCHEME) : "";
  const CURLUcode code =
      url ? curl_url_set(url.get(), CURLUPART_URL, request.location.c_str(), kParse)
          : CURLUE_BAD_HANDLE;
  if (code != CURLUE_OK) {
    return refuse(std::string{"redirect to something that is no URL ("} + curl_url_strerror(code) +
                  ")");
  }
  curl_url_set(url.get(), CURLUPART_FRAGMENT, nullptr, 0);

  const std::string scheme = urlPart(url.get(), CURLUPART_SCHEME);
  if (std::find(request.protocols.begin(), request.protocols.end(), scheme) ==
      request.protocols.end()) {
    static constexpr std::array kKnown{"http", "https", "ftp", "ftps"};
    const bool isKnown = std::find(kKnown.begin(), kKnown.end(), scheme) != kKnown.end();
    return refuse("redirect to scheme " + scheme + " refused" +
                  (isKnown ? " (--proto +" + scheme + " allows it)" : ""));
  }
  if (from == "https" && scheme == "http" && !request.allowDowngrade) {
    return refuse("redirect from https to http refused (--location-trusted allows it)");
  }
  const auto hostKey = curlHostKey(url.get());
  if (!hostKey) return refuse("redirect to a URL without a host");

  const CurlUrl first = parse(request.firstUrl);
  if (first && curlHostKey(first.get()) == hostKey && urlPart(url.get(), CURLUPART_USER).empty()) {
    for (const CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD}) {
      const std::string text = urlPart(first.get(), part);
      if (!text.empty()) curl_url_set(url.get(), part, text.c_str(), 0);
    }
  }
  return {urlPart(url.get(), CURLUPART_URL), *hostKey, {}};
}

}  // namespace mcurl
