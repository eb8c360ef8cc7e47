#include "../../native/core/url.h"

#include "test.h"

using namespace mcurl;

TEST("the host key of an href is all before its path, without user and password") {
  const struct {
    const char* href;
    const char* key;
  } rows[] = {
      {"http://example.com/", "http://example.com"},
      {"https://example.com:8443/a/b?c#d", "https://example.com:8443"},
      {"http://example.com?q", "http://example.com"},
      {"http://example.com#f", "http://example.com"},
      {"http://example.com", "http://example.com"},
      {"http://user:pass@example.com:81/", "http://example.com:81"},
      {"http://user@example.com/a@b", "http://example.com"},
      {"http://a@b@example.com/", "http://example.com"},
      {"http://[::1]:81/", "http://[::1]:81"},
      {"ftp://example.com/a", "ftp://example.com"},
      {"mailto:somebody", ""},
      {"", ""},
  };
  for (const auto& row : rows) CHECK_EQ(hrefHostKey(row.href).view(), row.key);
}

TEST("libcurl's host key agrees: lower case, no port of the scheme's own") {
  const struct {
    const char* url;
    const char* key;
  } rows[] = {
      {"http://example.com/", "http://example.com"},
      {"http://EXAMPLE.com:80/", "http://example.com"},
      {"https://example.com:443", "https://example.com"},
      {"https://example.com:80/", "https://example.com:80"},
      {"http://user:pass@example.com:81/", "http://example.com:81"},
      {"http://[::1]/", "http://[::1]"},
      {"sftp://example.com/a", "sftp://example.com"},
  };
  for (const auto& row : rows) CHECK_EQ(curlHostKey(row.url).value_or("none"), row.key);
}

TEST("what libcurl cannot read has no host key") {
  for (const char* url :
       {"", "http://", "http://example.com:99999/", "http://exa mple.com/", "http://[::1/"}) {
    CHECK_EQ(curlHostKey(url).value_or("none"), "none");
  }
}

TEST("an address needs no look-up, a name does") {
  for (const char* key :
       {"http://127.0.0.1", "https://127.0.0.1:81", "http://[::1]", "http://[::1]:81"})
    CHECK(isAddress(key));
  for (const char* key : {"http://localhost", "http://1.example:80", "http://127.0.0.1.test"})
    CHECK(!isAddress(key));
}
