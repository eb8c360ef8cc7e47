// What the header callback learns of an answer, line by line (RFC 9110, RFC 9112 6.3).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mcurl {

struct Response {
  int status = 0;
  bool isHttp = false;       // a status line came
  bool headersDone = false;  // of the last answer, 1xx ones not counted
  bool isChunked = false;    // or another framing by Transfer-Encoding
  bool isEncoded = false;    // Content-Encoding other than identity
  bool isHttp1 = false;
  int64_t contentLength = -1;
  double retryAfterMs = -1;  // RFC 9110 10.2.3; as seconds or as a date
  std::string location;
  std::string etag;
  std::string lastModified;
  std::string date;
  std::string contentRange;
  std::string contentDisposition;
  std::string reprDigest;  // RFC 9530, all lines joined
  std::string contentDigest;
  size_t headerBytes = 0;     // of all answers, 1xx ones too
  const char* bad = nullptr;  // why the answer must not be believed

  // Takes one header line as libcurl gives it, line end included. False: give this answer up, see
  // `bad`.
  bool line(std::string_view text);

  bool isRedirect() const noexcept {
    return !location.empty() &&
           (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
  }
  bool isSuccess() const noexcept { return status >= 200 && status < 300; }
};

}  // namespace mcurl
