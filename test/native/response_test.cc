#include "../../native/core/response.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <random>

#include "test.h"

using mcurl::Response;

namespace {

// Feeds lines without their ends, and the empty line. False when one was refused.
bool feed(Response& response, std::initializer_list<const char*> lines) {
  for (const char* line : lines) {
    if (!response.line(std::string{line} + "\r\n")) return false;
  }
  return response.line("\r\n");
}

// What Retry-After says with this value; -1: nothing.
double retryAfterMs(const std::string& value) {
  Response response;
  CHECK(feed(response, {"HTTP/1.1 503 Slow", ("Retry-After: " + value).c_str()}));
  return response.retryAfterMs;
}

}  // namespace

TEST("an answer is told by its status line and headers, in any case") {
  Response response;
  CHECK(feed(response, {"HTTP/1.1 302 Found", "content-LENGTH:  12 ", "LOCATION: /there ",
                        "Transfer-encoding: chunked", "content-encoding: gzip"}));
  CHECK_EQ(response.status, 302);
  CHECK(response.isHttp && response.isHttp1 && response.headersDone);
  CHECK(response.isChunked && response.isEncoded && response.isRedirect());
  CHECK_EQ(response.contentLength, 12);
  CHECK_EQ(response.location, "/there");
}

TEST("status lines") {
  const struct {
    const char* line;
    int status;
    bool isHttp1;
  } rows[] = {{"HTTP/1.0 200 OK", 200, true},  {"HTTP/2 204", 204, false},
              {"HTTP/3 404 ", 404, false},     {"HTTP/1.1  503 Slow", 503, true},
              {"HTTP/1.1", 0, true},           {"HTTP/1.1 abc", 0, true},
              {"HTTP/1.1 2000 OK", 200, true}, {"HTTP/1.1 20", 20, true}};
  for (const auto& row : rows) {
    Response response;
    CHECK(response.line(std::string{row.line} + "\r\n"));
    CHECK_EQ(response.status, row.status);
    CHECK_EQ(response.isHttp1, row.isHttp1);
  }
}

TEST("an interim answer leaves nothing behind") {
  Response response;
  CHECK(feed(response,
             {"HTTP/1.1 103 Early Hints", "Content-Length: 5", "Location: /x", "Link: <a>"}));
  CHECK(!response.headersDone);
  CHECK(feed(response, {"HTTP/1.1 200 OK"}));
  CHECK(response.headersDone);
  CHECK_EQ(response.contentLength, -1);
  CHECK_EQ(response.location, "");
  CHECK(response.isSuccess());
}

TEST("trailers and other protocols' answers say nothing") {
  Response response;
  CHECK(feed(response, {"HTTP/1.1 200 OK", "Transfer-Encoding: chunked"}));
  CHECK(feed(response, {"Content-Length: 99", "Content-Length: 98", "Location: /x"}));
  CHECK_EQ(response.contentLength, -1);
  CHECK_EQ(response.location, "");
  Response ftp;
  CHECK(feed(ftp, {"220 ready", "Content-Length: 1", "Content-Length: 2"}));
  CHECK(!ftp.isHttp && !ftp.headersDone);
}

TEST("only a last coding of chunked tells where a body ends") {
  for (const char* value : {"chunked", "gzip, chunked", "Chunked"}) {
    Response response;
    CHECK(
        feed(response, {"HTTP/1.1 200 OK", (std::string{"Transfer-Encoding: "} + value).c_str()}));
    CHECK(response.isChunked);
  }
  for (const char* value : {"identity", "gzip", "chunked, gzip", ""}) {
    Response response;
    CHECK(
        feed(response, {"HTTP/1.1 200 OK", (std::string{"Transfer-Encoding: "} + value).c_str()}));
    CHECK(!response.isChunked);
  }
}

TEST("a Content-Length that cannot be believed ends the answer") {
  for (const char* value : {"-1", "", "12x", "0x10", "1 2", "99999999999999999999", "+5", "5,5"}) {
    Response response;
    CHECK(!feed(response, {"HTTP/1.1 200 OK", (std::string{"Content-Length: "} + value).c_str()}));
    CHECK(response.bad != nullptr);
  }
  Response differing;
  CHECK(!feed(differing, {"HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 6"}));
  CHECK(differing.bad != nullptr);
  Response same;
  CHECK(feed(same, {"HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 5"}));
  CHECK_EQ(same.contentLength, 5);
}

TEST("only a 3xx with a location leads on; the first location counts") {
  for (const int status : {301, 302, 303, 307, 308}) {
    Response response;
    CHECK(feed(response,
               {("HTTP/1.1 " + std::to_string(status)).c_str(), "Location: /a", "Location: /b"}));
    CHECK(response.isRedirect());
    CHECK_EQ(response.location, "/a");
  }
  for (const int status : {200, 201, 300, 304, 305, 404}) {
    Response response;
    CHECK(feed(response, {("HTTP/1.1 " + std::to_string(status)).c_str(), "Location: /a"}));
    CHECK(!response.isRedirect());
  }
  Response without;
  CHECK(feed(without, {"HTTP/1.1 302 Found", "Location: "}));
  CHECK(!without.isRedirect());
}

TEST("identity is no encoding; lines that are no headers are passed over") {
  Response response;
  CHECK(feed(response, {"HTTP/1.1 200 OK", "Content-Encoding: identity", "no colon here",
                        ": no name", "X-Content-Length: 7"}));
  CHECK(!response.isEncoded);
  CHECK_EQ(response.contentLength, -1);
}

TEST("Retry-After: any number of seconds is told, a year at most") {
  std::mt19937_64 random{test::seed()};
  constexpr double kYearMs = 366.0 * 24 * 3600 * 1000;
  for (int round = 0; round < 10'000; ++round) {
    const uint64_t seconds = random() >> (random() % 64);
    const std::string value = std::string(random() % 3, '0') + std::to_string(seconds);
    CHECK_EQ(retryAfterMs(value), std::min(kYearMs, static_cast<double>(seconds) * 1000));
  }
  CHECK_EQ(retryAfterMs(std::string(1000, '9')), kYearMs);
}

TEST("Retry-After: a date in each of its three forms is told by what is left until then") {
  std::mt19937_64 random{test::seed()};
  const char* forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                         "%a %b %e %H:%M:%S %Y"};
  for (int round = 0; round < 3000; ++round) {
    // A year of two digits tells no more than some decades.
    const time_t before = std::time(nullptr);
    const auto left = static_cast<time_t>(random() % (2 * 10 * 365 * 86400)) - 10 * 365 * 86400;
    const time_t date = before + left;
    tm fields{};
    gmtime_r(&date, &fields);
    char value[64];
    std::strftime(value, sizeof value, forms[round % 3], &fields);
    const double told = retryAfterMs(value);
    const double after = std::max(0.0, std::difftime(date, std::time(nullptr)) * 1000);
    CHECK(told >= after);
    CHECK(told <= std::max(0.0, static_cast<double>(left) * 1000));
  }
}

TEST("Retry-After: whatever it is, it is nothing or a time to come") {
  std::mt19937_64 random{test::seed()};
  const char* pieces[] = {"0",   "9", "-", "+", ".", "e5", " ",   "GMT", "Mon", ",",
                          "Jan", ":", "x", "%", "5", "20", "inf", "nan", "0x",  "31"};
  for (int round = 0; round < 50'000; ++round) {
    std::string value;
    for (size_t length = random() % 8; length > 0; --length) {
      value += pieces[random() % std::size(pieces)];
    }
    const double told = retryAfterMs(value);
    CHECK(std::isfinite(told));
    CHECK(told >= 0 || told == -1);
  }
  for (const char* value : {"", "-5", "+5", "1.5", "5 s", "soon", "1e3", "0x10", "inf"}) {
    CHECK_EQ(retryAfterMs(value), -1);
  }
}
