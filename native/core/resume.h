// What of a file may be continued: the version a .part holds bytes of, and the judgement of an
// answer to a Range request (RFC 9110 13.1.5, 14, 15.3.7, 15.5.17). Pure decisions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mcurl {

struct Response;

// Which version of a file a server sent.
struct Version {
  int64_t total = -1;  // -1: not told
  std::string etag;    // with its quotes; empty unless strong
  std::string lastModified;
  bool isDateStrong = false;  // RFC 9110 8.8.2.2
  std::string file;           // which .part has bytes of it (Directory::Part::id); empty: any

  // Something tells this version from others, and its size is known.
  bool canResume() const noexcept { return total > 0 && (!etag.empty() || isDateStrong); }
  // The value of If-Range; empty when nothing strong is known.
  const std::string& ifRange() const noexcept;

  // `total TAB etag TAB lastModified`, the date marked by `W/` when it is weak, and `TAB file` when
  // one is known: how a version crosses the border and lies in the journal.
  std::string text() const;
  // Nothing of it that cannot be told is believed: a text of another form is no version.
  static Version parse(std::string_view text);
};

// The version of the file that a 200 or 206 answer is about.
Version versionOf(const Response& response);

// `bytes first-last/total` or `bytes */total`. -1: not told.
struct ContentRange {
  int64_t first = -1;
  int64_t last = -1;
  int64_t total = -1;
};
std::optional<ContentRange> parseContentRange(std::string_view value);

enum class ResumeBy : uint8_t {
  kValidator,  // ETag or Last-Modified, strong
  kSize,  // total size and Last-Modified as text; the user, or a checksum, answers for the rest
};

enum class Resumption {
  kContinues,   // the body goes on where the file ends
  kStartsOver,  // the body is the whole file
  kIsWhole,     // the file had all of it already
  kRefused,     // neither: ask again, for the whole
  kNone,        // another answer: an error, a redirect
};

// What an answer to `Range: bytes=offset-` is, when the file holds the first `offset` bytes of
// `version`.
Resumption judgeResumption(const Version& version, int64_t offset, ResumeBy by,
                           const Response& response);

}  // namespace mcurl
