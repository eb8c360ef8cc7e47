// What all transfers of an engine ask alike, prepared once and shared read-only by all loops.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "handles.h"

namespace mcurl {

// As src/native/binding.ts RequestOptions documents them.
struct RequestOptions {
  std::vector<std::string> headers;
  std::string userAgent;
  std::string referer;
  std::string userpwd;
  std::string cookie;
  std::vector<std::string> cookieLines;
  std::string proxy;
  bool insecure = false;
  int ipVersion = 0;
  bool netrc = false;
  std::string cacert;
  std::string cert;
  std::string key;
  std::string keyPassword;
  std::vector<std::string> resolve;
  std::vector<std::string> connectTo;
  std::string interface;
  bool noPrivate = false;
  std::string httpVersion;
  bool compressed = false;
  bool locationTrusted = false;
  std::vector<std::string> protocols{"http", "https"};
  long connectTimeoutMs = 30'000;
  long speedTimeS = 60;
  long speedLimit = 1;
  unsigned maxRedirs = 20;
  int64_t maxFilesize = 0;
  bool verbose = false;
};

class Request {
 public:
  // `jobs`: transfers at once, which bounds the buffers. Throws std::invalid_argument when the
  // libcurl in use cannot do what is asked.
  Request(RequestOptions options, unsigned jobs);

  // Sets everything but URL, callbacks and time left. `isFirstHost`: credentials, cookies given by
  // hand and all headers may go along.
  void apply(CURL* easy, std::string_view hostKey, bool isFirstHost) const;
  // The header lines that apply() sets, for a list that goes on with them; null: none.
  curl_slist* headers(bool isFirstHost) const noexcept {
    return isFirstHost ? headers_.get() : foreignHeaders_.get();
  }

  // CURLOPT_BUFFERSIZE for a body as large as those before it.
  long bufferSize(double meanBody) const noexcept;

  // A connection to such a host may carry many streams, so its version must be learned before it is
  // shared out.
  bool mayMultiplex(std::string_view hostKey) const noexcept;

  // TLS sessions may be kept for other transfers.
  bool sharesTls() const noexcept { return options_.cert.empty(); }
  // The user sent a Range header, so 206 is an answer.
  bool asksRange() const noexcept { return asksRange_; }
  const RequestOptions& options() const noexcept { return options_; }

 private:
  const RequestOptions options_;
  std::string protocols_;
  const long httpVersion_;
  const long largestBuffer_;
  bool asksRange_ = false;
  Slist headers_;
  Slist foreignHeaders_;  // for another host than the first
  Slist resolve_;
  Slist connectTo_;
};

// Throws std::runtime_error with a sentence for people when the libcurl in use cannot be.
void checkLibcurl();

}  // namespace mcurl
