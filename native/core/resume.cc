#include "resume.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>

#include "response.h"

namespace mcurl {
namespace {

// RFC 9110 8.8.3: entity-tag without the weak prefix; in ASCII, as the journal is UTF-8.
bool isStrongEtag(std::string_view text) {
  constexpr size_t kMost = 1024;
  if (text.size() < 2 || text.size() > kMost || text.front() != '"' || text.back() != '"')
    return false;
  return std::all_of(text.begin() + 1, text.end() - 1,
                     [](unsigned char c) { return c == 0x21 || (c >= 0x23 && c < 0x7f); });
}

bool isDate(const std::string& text) {
  constexpr size_t kMost = 64;
  return !text.empty() && text.size() <= kMost &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; }) &&
         curl_getdate(text.c_str(), nullptr) > 0;
}

// RFC 9110 8.8.2.2: the file was not touched again within the second that both name.
bool isStrongDate(const std::string& lastModified, const std::string& date) {
  if (!isDate(lastModified) || !isDate(date)) return false;
  return curl_getdate(date.c_str(), nullptr) - curl_getdate(lastModified.c_str(), nullptr) >= 1;
}

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty() || text[0] == '-')
    return std::nullopt;
  return value;
}

// The answer says itself that it is of this version, as RFC 9110 15.3.7 wants of a 206.
bool isOf(const Version& version, ResumeBy by, const Version& answer, bool mayBeSilent) {
  if (by == ResumeBy::kSize) {
    return answer.lastModified.empty() || version.lastModified.empty() ||
           answer.lastModified == version.lastModified;
  }
  if (!version.etag.empty()) {
    return answer.etag.empty() ? mayBeSilent : answer.etag == version.etag;
  }
  return answer.lastModified.empty() ? mayBeSilent : answer.lastModified == version.lastModified;
}

}  // namespace

const std::string& Version::ifRange() const noexcept {
  static const std::string kNothing;
  if (!etag.empty()) return etag;
  return isDateStrong ? lastModified : kNothing;
}

std::string Version::text() const {
  return std::to_string(total) + '\t' + etag + '\t' +
         (lastModified.empty() || isDateStrong ? "" : "W/") + lastModified +
         (file.empty() ? "" : '\t' + file);
}

Version Version::parse(std::string_view text) {
  const size_t first = text.find('\t');
  const size_t second = first == std::string_view::npos ? first : text.find('\t', first + 1);
  if (second == std::string_view::npos) return {};
  Version version;
  const auto total = number(text.substr(0, first));
  if (total) version.total = *total;
  const std::string_view etag = text.substr(first + 1, second - first - 1);
  if (isStrongEtag(etag)) version.etag = etag;
  const size_t third = std::min(text.find('\t', second + 1), text.size());
  std::string_view date = text.substr(second + 1, third - second - 1);
  if (third < text.size()) version.file = text.substr(third + 1);
  version.isDateStrong = !date.starts_with("W/");
  if (!version.isDateStrong) date.remove_prefix(2);
  version.lastModified = date;
  if (!isDate(version.lastModified)) {
    version.lastModified.clear();
    version.isDateStrong = false;
  }
  return version;
}

Version versionOf(const Response& response) {
  Version version;
  if (response.status == 206) {
    const auto range = parseContentRange(response.contentRange);
    if (range) version.total = range->total;
  } else if (!response.isChunked) {
    version.total = response.contentLength;
  }
  if (isStrongEtag(response.etag)) version.etag = response.etag;
  if (isDate(response.lastModified)) {
    version.lastModified = response.lastModified;
    version.isDateStrong = isStrongDate(response.lastModified, response.date);
  }
  return version;
}

std::optional<ContentRange> parseContentRange(std::string_view value) {
  constexpr std::string_view kUnit = "bytes ";
  if (!value.starts_with(kUnit)) return std::nullopt;
  const std::string_view rest = value.substr(kUnit.size());
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view span = rest.substr(0, slash);
  const std::string_view size = rest.substr(slash + 1);
  ContentRange range;
  if (size != "*") {
    const auto total = number(size);
    if (!total) return std::nullopt;
    range.total = *total;
  }
  if (span == "*") {
    if (range.total < 0) return std::nullopt;
    return range;
  }
  const size_t dash = span.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = number(span.substr(0, dash));
  const auto last = number(span.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  if (range.total >= 0 && *last >= range.total) return std::nullopt;
  range.first = *first;
  range.last = *last;
  return range;
}

Resumption judgeResumption(const Version& version, int64_t offset, ResumeBy by,
                           const Response& response) {
  switch (response.status) {
    case 200:
      return Resumption::kStartsOver;
    case 206: {
      const auto range = parseContentRange(response.contentRange);
      const bool fits = range && range->first == offset && range->total == version.total &&
                        range->last == version.total - 1;
      const bool isPlain = !response.isEncoded;
      const bool isMeasured = response.contentLength < 0 || response.isChunked || !range ||
                              response.contentLength == range->last - range->first + 1;
      return fits && isPlain && isMeasured && isOf(version, by, versionOf(response), false)
                 ? Resumption::kContinues
                 : Resumption::kRefused;
    }
    case 416: {
      const auto range = parseContentRange(response.contentRange);
      const bool isAll =
          range && range->first < 0 && range->total == version.total && range->total == offset;
      return isAll && isOf(version, by, versionOf(response), true) ? Resumption::kIsWhole
                                                                   : Resumption::kRefused;
    }
    default:
      return Resumption::kNone;
  }
}

}  // namespace mcurl
