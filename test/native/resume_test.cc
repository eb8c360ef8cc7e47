#include "../../native/core/resume.h"

#include <random>

#include "../../native/core/response.h"
#include "test.h"

using mcurl::judgeResumption;
using mcurl::parseContentRange;
using mcurl::Response;
using mcurl::ResumeBy;
using mcurl::Resumption;
using mcurl::Version;
using mcurl::versionOf;

namespace {

constexpr const char* kOld = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr const char* kNow = "Sun, 06 Nov 1994 08:49:38 GMT";

Response answer(std::initializer_list<const char*> lines) {
  Response response;
  for (const char* line : lines) response.line(std::string{line} + "\r\n");
  response.line("\r\n");
  return response;
}

Version tagged() {
  Version version;
  version.total = 100;
  version.etag = "\"a\"";
  return version;
}

Version dated() {
  Version version;
  version.total = 100;
  version.lastModified = kOld;
  version.isDateStrong = true;
  return version;
}

}  // namespace

TEST("a version is told by a strong ETag, a date and the size") {
  const std::string date = std::string{"Date: "} + kNow;
  const std::string modified = std::string{"Last-Modified: "} + kOld;
  const Version version = versionOf(answer(
      {"HTTP/1.1 200 OK", "ETag: \"x\"", date.c_str(), modified.c_str(), "Content-Length: 7"}));
  CHECK_EQ(version.total, 7);
  CHECK_EQ(version.etag, "\"x\"");
  CHECK_EQ(version.lastModified, kOld);
  CHECK(version.isDateStrong && version.canResume());
  CHECK_EQ(version.ifRange(), "\"x\"");
}

TEST("what is weak, odd or of unknown size cannot be continued") {
  const std::string sameSecond = std::string{"Date: "} + kOld;
  const std::string modified = std::string{"Last-Modified: "} + kOld;
  const char* length = "Content-Length: 7";
  for (const Response& response :
       {answer({"HTTP/1.1 200 OK", "ETag: W/\"x\"", length}),
        answer({"HTTP/1.1 200 OK", "ETag: x", length}),
        answer({"HTTP/1.1 200 OK", "ETag: \"", length}),
        answer({"HTTP/1.1 200 OK", "ETag: \"a\"b\"", length}),
        answer({"HTTP/1.1 200 OK", "ETag: \"a b\"", length}), answer({"HTTP/1.1 200 OK", length}),
        answer({"HTTP/1.1 200 OK", sameSecond.c_str(), modified.c_str(), length}),
        answer({"HTTP/1.1 200 OK", modified.c_str(), length}),
        answer({"HTTP/1.1 200 OK", "Last-Modified: yesterday", length}),
        answer({"HTTP/1.1 200 OK", "ETag: \"x\""}),
        answer({"HTTP/1.1 200 OK", "ETag: \"x\"", "Transfer-Encoding: chunked", length})}) {
    CHECK(!versionOf(response).canResume());
  }
}

TEST("a version comes back from its text, and nothing comes from another text") {
  Version weak = dated();
  weak.isDateStrong = false;
  Version begun = dated();
  begun.file = "7-1.5";
  for (const Version& version : {tagged(), dated(), weak, begun, Version{}}) {
    const Version back = Version::parse(version.text());
    CHECK_EQ(back.total, version.total);
    CHECK_EQ(back.etag, version.etag);
    CHECK_EQ(back.lastModified, version.lastModified);
    CHECK_EQ(back.isDateStrong, version.isDateStrong);
    CHECK_EQ(back.file, version.file);
  }
  for (const char* text : {"", "100", "100\t", "x\t\"a\"\t", "-5\t\"a\"\t", "100\tW/\"a\"\t",
                           "100\t\"a\r\nX: y\"\t", "100\t\tnever", "100\t\tSun\r\nX: y"}) {
    CHECK(!Version::parse(text).canResume());
  }
}

TEST("Content-Range") {
  const struct {
    const char* value;
    int64_t first, last, total;
  } good[] = {{"bytes 0-9/10", 0, 9, 10},
              {"bytes 5-5/6", 5, 5, 6},
              {"bytes 5-9/*", 5, 9, -1},
              {"bytes */10", -1, -1, 10},
              {"bytes 9223372036854775806-9223372036854775806/9223372036854775807",
               9223372036854775806, 9223372036854775806, 9223372036854775807}};
  for (const auto& row : good) {
    const auto range = parseContentRange(row.value);
    CHECK(range.has_value());
    CHECK_EQ(range->first, row.first);
    CHECK_EQ(range->last, row.last);
    CHECK_EQ(range->total, row.total);
  }
  for (const char* value :
       {"", "bytes", "bytes=0-9/10", "0-9/10", "bytes 0-9", "bytes 0-9/", "bytes 0-10/10",
        "bytes 9-0/10", "bytes -9/10", "bytes 0-/10", "bytes a-b/c", "bytes */*", "bytes 0-9/-10",
        "bytes 0-9/9223372036854775808", "bytes +0-9/10", "bytes 0 - 9/10", "octets 0-9/10",
        "bytes 0-4,6-9/10", "bytes 0-9/10 x"}) {
    CHECK(!parseContentRange(value).has_value());
  }
}

TEST("Content-Range: whatever is made of its letters, what is read is a range") {
  std::mt19937_64 random{test::seed()};
  const std::string letters = "bytes 0123456789-/*= ";
  for (int round = 0; round < 200'000; ++round) {
    std::string value = random() % 2 == 0 ? "bytes " : "";
    for (size_t length = random() % 12; length > 0; --length) {
      value += letters[random() % letters.size()];
    }
    const auto range = parseContentRange(value);
    if (!range) continue;
    if (range->first < 0) {
      CHECK(range->last == -1 && range->total >= 0);
      CHECK_EQ(value.substr(0, 8), "bytes */");
    } else {
      CHECK(range->first <= range->last);
      CHECK(range->total < 0 || range->last < range->total);
    }
  }
}

TEST("a 206 continues only where the file ends, of the same version and size") {
  const struct {
    const char* range;
    const char* header;
    Resumption of;
  } rows[] = {
      {"Content-Range: bytes 40-99/100", "ETag: \"a\"", Resumption::kContinues},
      {"Content-Range: bytes 40-99/100", "ETag: \"b\"", Resumption::kRefused},
      {"Content-Range: bytes 40-99/100", "ETag: W/\"a\"", Resumption::kRefused},
      {"Content-Range: bytes 40-99/100", "X: y", Resumption::kRefused},  // it must say
      {"Content-Range: bytes 39-99/100", "ETag: \"a\"", Resumption::kRefused},
      {"Content-Range: bytes 41-99/100", "ETag: \"a\"", Resumption::kRefused},
      {"Content-Range: bytes 0-59/100", "ETag: \"a\"", Resumption::kRefused},
      {"Content-Range: bytes 40-99/101", "ETag: \"a\"", Resumption::kRefused},
      {"Content-Range: bytes 40-99/*", "ETag: \"a\"", Resumption::kRefused},
      {"Content-Range: bytes 40-98/100", "ETag: \"a\"", Resumption::kRefused},
      {"Content-Type: multipart/byteranges; boundary=x", "ETag: \"a\"", Resumption::kRefused},
  };
  for (const auto& row : rows) {
    const Response response = answer({"HTTP/1.1 206 Partial Content", row.range, row.header});
    CHECK_EQ(judgeResumption(tagged(), 40, ResumeBy::kValidator, response), row.of);
  }
  CHECK_EQ(judgeResumption(tagged(), 40, ResumeBy::kValidator,
                           answer({"HTTP/1.1 206 Partial Content", "ETag: \"a\"",
                                   "Content-Range: bytes 40-99/100", "Content-Encoding: gzip"})),
           Resumption::kRefused);
  CHECK_EQ(judgeResumption(tagged(), 40, ResumeBy::kValidator,
                           answer({"HTTP/1.1 206 Partial Content", "ETag: \"a\"",
                                   "Content-Range: bytes 40-99/100", "Content-Length: 59"})),
           Resumption::kRefused);
}

TEST("a date stands for a version as an ETag does") {
  const std::string same = std::string{"Last-Modified: "} + kOld;
  const std::string other = std::string{"Last-Modified: "} + kNow;
  const char* range = "Content-Range: bytes 40-99/100";
  const auto judged = [&](const char* line) {
    return judgeResumption(dated(), 40, ResumeBy::kValidator,
                           answer({"HTTP/1.1 206 Partial Content", range, line}));
  };
  CHECK_EQ(dated().ifRange(), kOld);
  CHECK_EQ(judged(same.c_str()), Resumption::kContinues);
  CHECK_EQ(judged(other.c_str()), Resumption::kRefused);
  CHECK_EQ(judged("X: y"), Resumption::kRefused);
}

TEST("by size another ETag does not matter, another date or size does") {
  Version version = dated();
  version.etag = "\"a\"";
  const std::string same = std::string{"Last-Modified: "} + kOld;
  const std::string other = std::string{"Last-Modified: "} + kNow;
  const auto judged = [&](const char* range, const char* line) {
    return judgeResumption(version, 40, ResumeBy::kSize,
                           answer({"HTTP/1.1 206 Partial Content", "ETag: \"new\"", range, line}));
  };
  CHECK_EQ(judged("Content-Range: bytes 40-99/100", same.c_str()), Resumption::kContinues);
  CHECK_EQ(judged("Content-Range: bytes 40-99/100", other.c_str()), Resumption::kRefused);
  CHECK_EQ(judged("Content-Range: bytes 40-100/101", same.c_str()), Resumption::kRefused);
}

TEST("a 416 is success only for a file that is whole") {
  const auto judged = [&](int64_t offset, const char* range, const char* line) {
    return judgeResumption(tagged(), offset, ResumeBy::kValidator,
                           answer({"HTTP/1.1 416 No", range, line}));
  };
  CHECK_EQ(judged(100, "Content-Range: bytes */100", "X: y"), Resumption::kIsWhole);
  CHECK_EQ(judged(100, "Content-Range: bytes */100", "ETag: \"a\""), Resumption::kIsWhole);
  CHECK_EQ(judged(100, "Content-Range: bytes */100", "ETag: \"b\""), Resumption::kRefused);
  CHECK_EQ(judged(100, "Content-Range: bytes */99", "X: y"), Resumption::kRefused);
  CHECK_EQ(judged(40, "Content-Range: bytes */40", "X: y"), Resumption::kRefused);
  CHECK_EQ(judged(40, "Content-Range: bytes */100", "X: y"), Resumption::kRefused);
  CHECK_EQ(judged(100, "X: y", "X: y"), Resumption::kRefused);
}

TEST("a 200 starts over, and what is neither is left to others") {
  const auto judged = [](const char* line) {
    return judgeResumption(tagged(), 40, ResumeBy::kValidator, answer({line}));
  };
  CHECK_EQ(judged("HTTP/1.1 200 OK"), Resumption::kStartsOver);
  CHECK_EQ(judged("HTTP/1.1 302 Found"), Resumption::kNone);
  CHECK_EQ(judged("HTTP/1.1 503 Slow"), Resumption::kNone);
}
