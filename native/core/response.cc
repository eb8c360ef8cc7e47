#include "response.h"

#include <curl/curl.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <ctime>

namespace mcurl {
namespace {

bool isName(std::string_view text, std::string_view name) {
  return text.size() == name.size() && strncasecmp(text.data(), name.data(), name.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// Any number of digits is a number of seconds, however large; libcurl takes too large a one for
// none.
double retryAfter(std::string_view value) {
  if (!value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos) {
    constexpr double kYearMs = 366.0 * 24 * 3600 * 1000;
    return std::min(kYearMs, std::strtod(std::string{value}.c_str(), nullptr) * 1000);
  }
  const time_t date = curl_getdate(std::string{value}.c_str(), nullptr);
  if (date < 0) return -1;
  return std::max(0.0, std::difftime(date, std::time(nullptr)) * 1000);
}

// libcurl's own limit, of the versions that have one; before it there was none.
constexpr size_t kMaxHeaders = 300 * 1024;

}  // namespace

bool Response::line(std::string_view text) {
  headerBytes += text.size();
  if (headerBytes > kMaxHeaders) {
    bad = "the answer's headers are too large";
    return false;
  }
  if (text.starts_with("HTTP/")) {
    const std::string_view code = text.substr(std::min(text.find(' '), text.size()));
    const size_t before = headerBytes;
    *this = {};
    headerBytes = before;
    isHttp = true;
    isHttp1 = text.starts_with("HTTP/1");
    const std::string_view digits = trimmed(code).substr(0, 3);
    std::from_chars(digits.data(), digits.data() + digits.size(), status);
    return true;
  }
  if (!isHttp || headersDone) return true;  // FTP answers; trailers
  if (text == "\r\n" || text == "\n") {
    headersDone = status >= 200;
    return true;
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return true;
  const std::string_view name = text.substr(0, colon);
  // The first of several lines counts; lists are joined (RFC 9110 5.3).
  const auto keep = [&](std::string_view wanted, std::string& value) {
    if (value.empty() && isName(name, wanted)) value = trimmed(text.substr(colon + 1));
  };
  const auto join = [&](std::string_view wanted, std::string& value) {
    if (!isName(name, wanted)) return;
    if (!value.empty()) value += ',';
    value += trimmed(text.substr(colon + 1));
  };
  switch (colon) {
    case 4:
      keep("ETag", etag);
      keep("Date", date);
      break;
    case 11:
      if (isName(name, "Retry-After")) retryAfterMs = retryAfter(trimmed(text.substr(colon + 1)));
      join("Repr-Digest", reprDigest);
      break;
    case 13:
      keep("Last-Modified", lastModified);
      keep("Content-Range", contentRange);
      break;
    case 19:
      keep("Content-Disposition", contentDisposition);
      break;
    case 8:
      if (isName(name, "Location") && location.empty()) location = trimmed(text.substr(colon + 1));
      break;
    case 14:
      join("Content-Digest", contentDigest);
      if (isName(name, "Content-Length")) {
        const std::string_view value = trimmed(text.substr(colon + 1));
        int64_t length = -1;
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), length);
        if (error != std::errc{} || end != value.data() + value.size() || length < 0) {
          bad = "Content-Length is not a number";
          return false;
        }
        if (contentLength >= 0 && contentLength != length) {
          bad = "two Content-Length headers that differ";
          return false;
        }
        contentLength = length;
      }
      break;
    case 16:
      if (isName(name, "Content-Encoding")) {
        isEncoded = isEncoded || !isName(trimmed(text.substr(colon + 1)), "identity");
      }
      break;
    case 17:
      // RFC 9112 6.1: only a last coding "chunked" tells where the body ends.
      if (isName(name, "Transfer-Encoding")) {
        const std::string_view codings = trimmed(text.substr(colon + 1));
        isChunked = isName(trimmed(codings.substr(codings.rfind(',') + 1)), "chunked");
      }
      break;
  }
  return true;
}

}  // namespace mcurl
