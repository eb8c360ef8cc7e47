#include "../../native/core/redirect.h"

#include "test.h"

using mcurl::decideHop;
using mcurl::Hop;

namespace {

struct Row {
  std::string url;
  std::string location;
  std::string wanted;         // the next URL, or what the refusal says
  std::string firstUrl = {};  // empty: url
  unsigned hops = 0;
  std::vector<std::string> protocols = {"http", "https"};
  bool allowDowngrade = false;
};

Hop decide(const Row& row) {
  return decideHop({.url = row.url,
                    .firstUrl = row.firstUrl.empty() ? row.url : row.firstUrl,
                    .location = row.location,
                    .hops = row.hops,
                    .maxRedirs = 5,
                    .protocols = row.protocols,
                    .allowDowngrade = row.allowDowngrade});
}

}  // namespace

TEST("a location is resolved against the URL that answered") {
  const Row rows[] = {
      {"http://a.test/x/y?q=1", "/z", "http://a.test/z"},
      {"http://a.test/x/y?q=1", "z", "http://a.test/x/z"},
      {"http://a.test/x/y?q=1", "../z?w=2", "http://a.test/z?w=2"},
      {"http://a.test/x/y", "//b.test/z", "http://b.test/z"},
      {"https://a.test/x", "https://b.test:8443/", "https://b.test:8443/"},
      {"http://a.test/x", "https://a.test/x", "https://a.test/x"},
      {"http://a.test/x", "http://b.test/a b", "http://b.test/a%20b"},
      {"http://a.test/x#here", "/z", "http://a.test/z"},
      {"http://a.test/x", "/z#there", "http://a.test/z"},
      {"http://a.test:81/x", "/z", "http://a.test:81/z"},
  };
  for (const Row& row : rows) {
    const Hop hop = decide(row);
    CHECK_EQ(hop.error, "");
    CHECK_EQ(hop.url, row.wanted);
  }
}

TEST("the next host is told as a host key") {
  CHECK_EQ(decide({"http://a.test/", "HTTP://B.test:80/z", ""}).hostKey, "http://b.test");
  CHECK_EQ(decide({"http://a.test/", "//b.test:81/z", ""}).hostKey, "http://b.test:81");
}

TEST("user and password of the first URL go along to its own host only") {
  const Row rows[] = {
      {"http://u:p@a.test/x", "/z", "http://u:p@a.test/z"},
      {"http://u:p@a.test/x", "http://a.test/z", "http://u:p@a.test/z"},
      {"http://u:p@a.test/x", "http://b.test/z", "http://b.test/z"},
      {"http://u:p@a.test/x", "http://a.test:81/z", "http://a.test:81/z"},
      {"http://u:p@a.test/x", "https://a.test/z", "https://a.test/z"},
      {"http://b.test/x", "http://a.test/z", "http://u:p@a.test/z", "http://u:p@a.test/"},
      {"http://u:p@a.test/x", "http://v:w@a.test/z", "http://v:w@a.test/z"},
  };
  for (const Row& row : rows) CHECK_EQ(decide(row).url, row.wanted);
}

TEST("what must not be followed is refused, and says why") {
  const Row rows[] = {
      {"http://a.test/", "/z", "more than 5 redirects", "", 5},
      {"https://a.test/", "http://a.test/", "redirect from https to http refused"},
      {"http://a.test/", "ftp://a.test/z", "redirect to scheme ftp refused"},
      {"http://a.test/", "file:///etc/passwd", "redirect to scheme file refused"},
      {"http://a.test/", "http://", "no URL"},
      {"http://a.test/", "http://b.test:99999/", "no URL"},
      {"http://a.test/", "http://b\x01.test/", "no URL"},
  };
  for (const Row& row : rows) {
    const Hop hop = decide(row);
    CHECK(hop.error.find(row.wanted) != std::string::npos);
    CHECK(hop.url.empty());
  }
}

TEST("what was asked for is followed") {
  CHECK_EQ(decide({"https://a.test/", "http://a.test/z", "", "", 0, {"http", "https"}, true}).url,
           "http://a.test/z");
  CHECK_EQ(decide({"http://a.test/", "ftp://a.test/z", "", "", 0, {"http", "ftp"}}).url,
           "ftp://a.test/z");
  CHECK_EQ(decide({"http://a.test/", "/z", "", "", 4}).url, "http://a.test/z");
}
