#include "url.h"

#include <algorithm>
#include <cctype>

namespace mcurl {

HrefHostKey hrefHostKey(std::string_view href) {
  const size_t scheme = href.find("://");
  if (scheme == std::string_view::npos) return {};
  const size_t begin = scheme + 3;
  const size_t end = std::min(href.find_first_of("/?#", begin), href.size());
  const std::string_view authority = href.substr(begin, end - begin);
  const size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return {href.substr(0, end), {}};
  return {{}, std::string{href.substr(0, begin)}.append(authority.substr(at + 1))};
}

std::string withoutUserinfo(std::string_view href) {
  const HrefHostKey key = hrefHostKey(href);
  if (key.made.empty()) return std::string{href};
  const size_t rest = std::min(href.find_first_of("/?#", href.find("://") + 3), href.size());
  return key.made + std::string{href.substr(rest)};
}

std::string urlPart(CURLU* url, CURLUPart part, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  return std::string{CurlString{text}.get()};
}

std::optional<std::string> curlHostKey(CURLU* url) {
  const std::string scheme = urlPart(url, CURLUPART_SCHEME);
  std::string host = urlPart(url, CURLUPART_HOST);
  if (scheme.empty() || host.empty()) return std::nullopt;
  std::transform(host.begin(), host.end(), host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string key = scheme + "://" + host;
  const std::string port = urlPart(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
  if (!port.empty()) key += ":" + port;
  return key;
}

std::optional<std::string> curlHostKey(const char* text) {
  const CurlUrl url{curl_url()};
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return std::nullopt;
  }
  return curlHostKey(url.get());
}

bool isAddress(std::string_view hostKey) {
  const size_t begin = hostKey.find("://") + 3;
  if (begin < hostKey.size() && hostKey[begin] == '[') return true;
  const std::string_view host = hostKey.substr(begin, hostKey.find(':', begin) - begin);
  return !host.empty() && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace mcurl
