// The layout that crosses the border: one Record of doubles a transfer, and what a double cannot
// hold. src/native/binding.ts has the same names in the same order and refuses to load when they
// differ.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

namespace mcurl {

// Why a transfer ended. Numbers are part of the border: never change one.
enum class Reason : uint8_t {
  kDone = 0,
  kExists = 1,
  kTransfer = 2,
  kHttp = 3,
  kLocal = 4,
  kRedirect = 5,
  kStopped = 6,
  kInterrupted = 7,
  kUrl = 8,
  kIntegrity = 9,
  kNotModified = 10,
  kAddress = 11,
};

enum RecordFlag : unsigned {
  kUnverified = 1,
  kFreshRetry = 2,
  kUnnamed = 4,
};

struct Record {
  double id = 0;
  double reason = 0;
  double result = 0;  // CURLcode
  double responseCode = 0;
  double osErrno = 0;
  double flags = 0;
  double sizeDelivered = 0;
  double sizeDownload = 0;
  double contentLength = -1;
  double retryAfterMs = -1;
  double numConnects = 0;
  double numRedirects = 0;
  double httpVersion = 0;  // CURL_HTTP_VERSION_*
  double remotePort = 0;
  double timeQueueUs = 0;
  double timeNamelookupUs = 0;
  double timeConnectUs = 0;
  double timeAppconnectUs = 0;
  double timePretransferUs = 0;
  double timeStarttransferUs = 0;
  double timeRedirectUs = 0;
  double timeTotalUs = 0;
  double resumedFrom = 0;
};

inline constexpr std::array kRecordFields = {
    "id",
    "reason",
    "result",
    "responseCode",
    "osErrno",
    "flags",
    "sizeDelivered",
    "sizeDownload",
    "contentLength",
    "retryAfterMs",
    "numConnects",
    "numRedirects",
    "httpVersion",
    "remotePort",
    "timeQueueUs",
    "timeNamelookupUs",
    "timeConnectUs",
    "timeAppconnectUs",
    "timePretransferUs",
    "timeStarttransferUs",
    "timeRedirectUs",
    "timeTotalUs",
    "resumedFrom",
};
static_assert(sizeof(Record) == kRecordFields.size() * sizeof(double));

// Strings may come from the server: the reader escapes them.
struct Details {
  std::string urlEffective{};
  std::string remoteIp{};
  std::string contentType{};
  std::string error{};
  std::string version{};             // Version::text() of what NAME.part, or the whole file, is of
  std::string digest{};              // `type=hex` of a whole body, when a hash was wanted
  std::string contentDisposition{};  // as the server wrote it
};

// The end of a transfer on its way to JavaScript. `details` is empty unless they are kept.
struct Completion {
  Record record;
  std::unique_ptr<Details> details;
};

}  // namespace mcurl
