#include "request.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace mcurl {
namespace {

constexpr unsigned kVersion8 = 0x080000;
// What the buffers of all transfers may take: up to libcurl 8.6 each has its own.
constexpr long kAllBuffers = 64L << 20;

unsigned libcurlVersion() { return curl_version_info(CURLVERSION_NOW)->version_num; }
bool hasFeature(int bit) { return (curl_version_info(CURLVERSION_NOW)->features & bit) != 0; }

Slist slist(const std::vector<std::string>& lines) {
  Slist list;
  for (const std::string& line : lines) {
    curl_slist* grown = curl_slist_append(list.get(), line.c_str());
    if (grown == nullptr) throw std::bad_alloc();
    (void)list.release();
    list.reset(grown);
  }
  return list;
}

bool isHeader(const std::string& line, std::string_view name) {
  return line.size() > name.size() && strncasecmp(line.c_str(), name.data(), name.size()) == 0 &&
         (line[name.size()] == ':' || line[name.size()] == ';');
}

bool mayGoAnywhere(const std::string& line) {
  static constexpr std::array kNames{"Accept", "Accept-Language", "User-Agent"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](const char* name) { return isHeader(line, name); });
}

long httpVersion(const std::string& asked) {
  if (asked == "1.1") return CURL_HTTP_VERSION_1_1;
  if (asked == "2") {
    if (!hasFeature(CURL_VERSION_HTTP2))
      throw std::invalid_argument("this libcurl has no HTTP/2: leave out --http2");
    return CURL_HTTP_VERSION_2_0;
  }
  if (asked == "3") {
    if (!hasFeature(CURL_VERSION_HTTP3))
      throw std::invalid_argument("this libcurl has no HTTP/3: leave out --http3");
    return CURL_HTTP_VERSION_3;
  }
  // Before 8.0 an aborted HTTP/2 body can be reported as complete.
  return libcurlVersion() < kVersion8 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS;
}

}  // namespace

void checkLibcurl() {
  const curl_version_info_data* info = curl_version_info(CURLVERSION_NOW);
  const std::string version = info->version;
  if (info->version_num == 0x080B01) {
    throw std::runtime_error(
        "libcurl 8.11.1 closes descriptors twice (CVE-2025-0665): install another version");
  }
  if (info->version_num < 0x075700) {
    throw std::runtime_error("libcurl " + version + " is too old: 7.87 or newer is required");
  }
  if ((info->features & CURL_VERSION_ASYNCHDNS) == 0) {
    throw std::runtime_error("libcurl " + version +
                             " has no threaded resolver: install one that has");
  }
}

Request::Request(RequestOptions options, unsigned jobs)
    : options_{std::move(options)},
      httpVersion_{httpVersion(options_.httpVersion)},
      largestBuffer_{std::max(kAllBuffers / static_cast<long>(std::max(jobs, 1U)), 16L << 10)} {
  for (const std::string& scheme : options_.protocols) {
    protocols_ += (protocols_.empty() ? "" : ",") + scheme;
  }
  headers_ = slist(options_.headers);
  std::vector<std::string> foreign;
  std::copy_if(options_.headers.begin(), options_.headers.end(), std::back_inserter(foreign),
               mayGoAnywhere);
  foreignHeaders_ = slist(foreign);
  resolve_ = slist(options_.resolve);
  connectTo_ = slist(options_.connectTo);
  asksRange_ = std::any_of(options_.headers.begin(), options_.headers.end(),
                           [](const std::string& line) { return isHeader(line, "Range"); });
}

void Request::apply(CURL* easy, std::string_view hostKey, bool isFirstHost) const {
  const RequestOptions& o = options_;
  const auto set = [easy](CURLoption option, const std::string& value) {
    if (!value.empty()) curl_easy_setopt(easy, option, value.c_str());
  };
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, httpVersion_);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols_.c_str());
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, o.connectTimeoutMs);
  if (o.speedTimeS > 0) {
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, o.speedTimeS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, o.speedLimit);
  }
  set(CURLOPT_USERAGENT, o.userAgent);
  set(CURLOPT_PROXY, o.proxy);
  set(CURLOPT_INTERFACE, o.interface);
  if (o.compressed) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  if (o.ipVersion != 0) {
    curl_easy_setopt(easy, CURLOPT_IPRESOLVE,
                     static_cast<long>(o.ipVersion == 4 ? CURL_IPRESOLVE_V4 : CURL_IPRESOLVE_V6));
  }
  if (resolve_) curl_easy_setopt(easy, CURLOPT_RESOLVE, resolve_.get());
  if (connectTo_) curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connectTo_.get());
  if (isFirstHost) {
    if (headers_) curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
    set(CURLOPT_REFERER, o.referer);
    set(CURLOPT_USERPWD, o.userpwd);
    set(CURLOPT_COOKIE, o.cookie);
    if (o.netrc) curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_OPTIONAL));
  } else if (foreignHeaders_) {
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, foreignHeaders_.get());
  }
  if (!hostKey.starts_with("https://") && !hostKey.starts_with("ftps://")) return;
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_CAINFO, o.cacert);
  if (isFirstHost) {
    set(CURLOPT_SSLCERT, o.cert);
    set(CURLOPT_SSLKEY, o.key);
    set(CURLOPT_KEYPASSWD, o.keyPassword);
  }
  if (o.insecure) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

long Request::bufferSize(double meanBody) const noexcept {
  // Freeing 64 KiB or more makes glibc tidy its whole heap, which small bodies would pay for each
  // time.
  constexpr long kSmall = 32L << 10;
  constexpr long kLarge = 128L << 10;
  if (meanBody < kSmall) return std::min(kSmall, largestBuffer_);
  return std::min(kLarge, largestBuffer_);
}

bool Request::mayMultiplex(std::string_view hostKey) const noexcept {
  if (httpVersion_ == CURL_HTTP_VERSION_1_1) return false;
  return hostKey.starts_with("https://") || httpVersion_ == CURL_HTTP_VERSION_2_0;
}

}  // namespace mcurl
