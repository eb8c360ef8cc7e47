// What apply() sets is read off the requests that a server gets, and off where they fail.
#include "../../native/core/request.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <functional>
#include <stdexcept>

#include "../../native/core/url.h"
#include "fault.h"
#include "scratch.h"
#include "server.h"
#include "test.h"

using mcurl::Fd;
using mcurl::Request;
using mcurl::RequestOptions;
using test::Scratch;
using test::Server;

namespace {

// Nothing here takes so long unless it hangs.
constexpr long kHangsMs = 20'000;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Got {
  CURLcode result;
  std::string head;      // of the request as the server got it; empty when none came
  unsigned headers = 0;  // calls of the header callback
};

size_t drop(char*, size_t, size_t count, void*) { return count; }

// One transfer by hand.
Got get(const RequestOptions& options, const std::string& url, bool isFirstHost = true) {
  const Request request{options, 64};
  const mcurl::Easy easy{curl_easy_init()};
  request.apply(easy.get(), mcurl::hrefHostKey(url).view(), isFirstHost);
  Got got{};
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, kHangsMs);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, drop);
  curl_easy_setopt(easy.get(), CURLOPT_HEADERDATA, &got.headers);
  curl_easy_setopt(
      easy.get(), CURLOPT_HEADERFUNCTION, +[](char*, size_t, size_t count, void* headers) {
        ++*static_cast<unsigned*>(headers);
        return count;
      });
  got.result = curl_easy_perform(easy.get());
  double seconds = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_TOTAL_TIME, &seconds);
  CHECK(seconds * 1000 < kHangsMs);
  return got;
}

// The same from a server that keeps what it was asked.
Got ask(const RequestOptions& options, bool isFirstHost = true) {
  Server server;
  Got got = get(options, server.url("/bytes/5"), isFirstHost);
  CHECK_EQ(got.result, CURLE_OK);
  got.head = server.request("/bytes/5").head;
  return got;
}

// Takes connections and never says a word: a TLS handshake with it hangs.
class Mute {
 public:
  Mute() : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* plain = reinterpret_cast<sockaddr*>(&at);
    CHECK_EQ(::bind(fd_.get(), plain, size), 0);
    CHECK_EQ(::listen(fd_.get(), 8), 0);
    CHECK_EQ(::getsockname(fd_.get(), plain, &size), 0);
    port_ = ntohs(at.sin_port);
  }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_) + "/"; }

 private:
  Fd fd_;
  uint16_t port_;
};

// How far TLS comes: the handshake with a mute server times out when all before it is well.
CURLcode handshake(RequestOptions options, bool isFirstHost = true) {
  const Mute mute;
  options.connectTimeoutMs = 50;
  return get(options, mute.url(), isFirstHost).result;
}

// HOME for the length of a block.
struct Home {
  explicit Home(const std::string& path) : before{::getenv("HOME") ? ::getenv("HOME") : ""} {
    ::setenv("HOME", path.c_str(), 1);
  }
  ~Home() { ::setenv("HOME", before.c_str(), 1); }
  const std::string before;
};

// The libcurl in use, but for its version and features.
curl_version_info_data libcurl(unsigned version, int features = ~0) {
  curl_version_info_data info = *curl_version_info(CURLVERSION_NOW);
  info.version_num = version;
  info.features = features;
  return info;
}

std::string complaint(const std::function<void()>& act) {
  try {
    act();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST("a plain request asks for nothing but the file") {
  const std::string head = ask({}).head;
  CHECK(head.starts_with("GET /bytes/5 HTTP/1.1\r\nHost: 127.0.0.1:"));
  for (const char* name : {"User-Agent:", "Accept-Encoding:", "Cookie:", "Authorization:",
                           "Referer:", "Upgrade:", "Range:"}) {
    CHECK(!has(head, name));
  }
}

TEST("all that is given by hand goes to the first host") {
  RequestOptions options;
  options.headers = {"X-Key: 1", "Accept;", "X-Empty;"};
  options.userAgent = "me/1";
  options.referer = "http://from.test/";
  options.userpwd = "me:pw";
  options.cookie = "a=1; b=2";
  const std::string head = ask(options).head;
  for (const char* line : {"X-Key: 1\r\n", "Accept:\r\n", "X-Empty:\r\n", "User-Agent: me/1\r\n",
                           "Referer: http://from.test/\r\n", "Authorization: Basic bWU6cHc=\r\n",
                           "Cookie: a=1; b=2\r\n"}) {
    CHECK(has(head, line));
  }
}

TEST("to another host goes what says nothing of the user") {
  RequestOptions options;
  options.headers = {"X-Key: 1",   "accept: text/plain",      "Accept-Language;",
                     "Accepts: 1", "Authorization: Bearer x", "User-Agent: mine"};
  options.userAgent = "me/1";
  options.referer = "http://from.test/";
  options.userpwd = "me:pw";
  options.cookie = "a=1";
  const std::string head = ask(options, false).head;
  for (const char* line :
       {"accept: text/plain\r\n", "Accept-Language:\r\n", "User-Agent: mine\r\n"}) {
    CHECK(has(head, line));
  }
  for (const char* name : {"X-Key", "Accepts", "Authorization", "Referer", "Cookie", "me/1"}) {
    CHECK(!has(head, name));
  }
}

TEST("netrc is asked for the first host, when it is asked for at all") {
  const Scratch scratch;
  scratch.write(".netrc", "machine 127.0.0.1 login me password pw\n");
  const Home home{scratch.path()};
  RequestOptions options;
  CHECK(!has(ask(options).head, "Authorization"));
  options.netrc = true;
  CHECK(has(ask(options).head, "Authorization: Basic bWU6cHc=\r\n"));
  CHECK(!has(ask(options, false).head, "Authorization"));
}

TEST("a body is decoded only when asked for") {
  RequestOptions options;
  CHECK(!has(ask(options).head, "Accept-Encoding"));
  options.compressed = true;
  CHECK(has(ask(options).head, "Accept-Encoding: "));
  CHECK(has(ask(options).head, "gzip"));
}

TEST("only schemes that are allowed are fetched from") {
  Server server;
  RequestOptions options;
  options.protocols = {"https"};
  CHECK_EQ(get(options, server.url("/bytes/5")).result, CURLE_UNSUPPORTED_PROTOCOL);
  options.protocols = {"ftp", "http"};
  CHECK_EQ(get(options, server.url("/bytes/5")).result, CURLE_OK);
  CHECK_EQ(get({}, "file:///etc/hostname").result, CURLE_UNSUPPORTED_PROTOCOL);
}

TEST("connections go where --resolve, --connect-to, -x and -4 or -6 say") {
  Server server;
  const std::string port = std::to_string(server.port());
  RequestOptions options;
  options.resolve = {"a.test:" + port + ":127.0.0.1", "b.test:" + port + ":127.0.0.1"};
  CHECK_EQ(get(options, "http://a.test:" + port + "/bytes/1").result, CURLE_OK);
  CHECK_EQ(get(options, "http://b.test:" + port + "/bytes/2").result, CURLE_OK);
  options = {};
  options.connectTo = {"c.test:80:" + server.authority(), "d.test::" + server.authority()};
  CHECK_EQ(get(options, "http://c.test/bytes/3").result, CURLE_OK);
  CHECK_EQ(get(options, "http://d.test:81/bytes/4").result, CURLE_OK);
  CHECK(has(server.request("/bytes/4").head, "Host: d.test:81\r\n"));
  options = {};
  options.proxy = server.authority();
  get(options, "http://e.test/bytes/5");
  CHECK(has(server.request("http://e.test/bytes/5").head, "GET http://e.test/bytes/5 HTTP"));
  // The server has an address of the fourth version only.
  options = {};
  options.ipVersion = 4;
  CHECK_EQ(get(options, "http://localhost:" + port + "/bytes/6").result, CURLE_OK);
  options.ipVersion = 6;
  CHECK(get(options, "http://localhost:" + port + "/bytes/7").result != CURLE_OK);
  options = {};
  options.interface = "nowhere0";
  CHECK_EQ(get(options, server.url("/bytes/8")).result, CURLE_INTERFACE_FAILED);
}

TEST("what a proxy says before the tunnel is no answer") {
  Server server;  // refuses CONNECT with a 404
  RequestOptions options;
  options.proxy = server.authority();
  const Got got = get(options, "https://a.test/");
  CHECK(got.result != CURLE_OK);
  CHECK_EQ(server.requests().size(), 1U);
  CHECK_EQ(got.headers, 0U);
}

TEST("a connection that takes too long is given up, and so is one that stands still") {
  CHECK_EQ(handshake({}), CURLE_OPERATION_TIMEDOUT);
  Server server;
  RequestOptions options;
  options.speedTimeS = 1;
  CHECK_EQ(get(options, server.url("/heldhead/1000")).result, CURLE_OPERATION_TIMEDOUT);
}

TEST("TLS trusts the given CA file, or anybody when told to") {
  RequestOptions options;
  options.cacert = "/nowhere/ca.pem";
  CHECK_EQ(handshake(options), CURLE_SSL_CACERT_BADFILE);
  CHECK_EQ(handshake(options, false), CURLE_SSL_CACERT_BADFILE);
  options.insecure = true;
  CHECK_EQ(handshake(options), CURLE_OPERATION_TIMEDOUT);
}

TEST("a client certificate is shown to the first host only") {
  const Scratch scratch;
  const std::string command =
      "cd '" + scratch.path() +
      "' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -batch"
      " -subj /CN=me -passout pass:secret -keyout key.pem -out cert.pem 2>/dev/null";
  CHECK_EQ(::system(command.c_str()), 0);
  RequestOptions options;
  CHECK((Request{options, 1}.sharesTls()));
  options.cert = scratch / "cert.pem";
  CHECK(!(Request{options, 1}.sharesTls()));
  CHECK_EQ(handshake(options), CURLE_SSL_CERTPROBLEM);
  CHECK_EQ(handshake(options, false), CURLE_OPERATION_TIMEDOUT);
  options.key = scratch / "key.pem";
  options.keyPassword = "wrong";
  CHECK_EQ(handshake(options), CURLE_SSL_CERTPROBLEM);
  options.keyPassword = "secret";
  CHECK_EQ(handshake(options), CURLE_OPERATION_TIMEDOUT);
}

TEST("a Range header is known in any case, and no other for it") {
  const auto asks = [](const char* line) {
    RequestOptions options;
    options.headers = {"X: 1", line};
    return Request{options, 1}.asksRange();
  };
  CHECK(asks("Range: bytes=0-"));
  CHECK(asks("range:bytes=0-"));
  for (const char* line : {"Ranges: 1", "X-Range: 1", "Rang", "Range"}) CHECK(!asks(line));
}

TEST("buffers are small for small bodies, and together stay within their bound") {
  const Request few{{}, 64};
  CHECK_EQ(few.bufferSize(0), 32 << 10);
  CHECK_EQ(few.bufferSize((32 << 10) - 1), 32 << 10);
  CHECK_EQ(few.bufferSize(32 << 10), 128 << 10);
  CHECK_EQ((Request{{}, 0}.bufferSize(1e9)), 128 << 10);
  CHECK_EQ((Request{{}, 1024}.bufferSize(1e9)), 64 << 10);
  const Request many{{}, 60'000};
  CHECK_EQ(many.bufferSize(0), 16 << 10);
  CHECK_EQ(many.bufferSize(1e9), 16 << 10);
}

TEST("a version that is asked for is the version that may share connections") {
  constexpr const char* kPlain = "http://a.test";
  constexpr const char* kSecure = "https://a.test";
  RequestOptions options;
  options.httpVersion = "1.1";
  {
    const fault::Pretended recent{libcurl(0x080000)};
    const Request one{options, 1};
    CHECK(!one.mayMultiplex(kPlain) && !one.mayMultiplex(kSecure));
  }
  options.httpVersion = "2";
  const Request two{options, 1};
  CHECK(two.mayMultiplex(kPlain) && two.mayMultiplex(kSecure));
  CHECK(has(ask(options).head, "Upgrade: h2c\r\n"));
}

TEST("unasked, HTTP/2 is used over TLS by a libcurl that can be trusted with it") {
  {
    const fault::Pretended old{libcurl(0x07ffff)};
    CHECK((!Request{{}, 1}.mayMultiplex("https://a.test")));
  }
  const fault::Pretended recent{libcurl(0x080000)};
  CHECK((Request{{}, 1}.mayMultiplex("https://a.test")));
  CHECK((!Request{{}, 1}.mayMultiplex("http://a.test")));
}

TEST("what the libcurl in use cannot do is told at once") {
  const auto ask = [](const char* version) {
    RequestOptions options;
    options.httpVersion = version;
    const Request request{options, 1};
  };
  {
    const fault::Pretended bare{libcurl(0x080500, 0)};
    CHECK(has(complaint([&] { ask("2"); }), "--http2"));
    CHECK(has(complaint([&] { ask("3"); }), "--http3"));
  }
  const fault::Pretended able{libcurl(0x080500)};
  CHECK_EQ(complaint([&] { ask("2"); }), "");
  CHECK_EQ(complaint([&] { ask("3"); }), "");
}

TEST("a libcurl that must not be used is refused, and says why") {
  const struct {
    unsigned version;
    int features;
    const char* words;
  } rows[] = {
      {0x075700, ~0, ""},
      {0x0756ff, ~0, "7.87 or newer"},
      {0x080b01, ~0, "CVE-2025-0665"},
      {0x080b00, ~0, ""},
      {0x080c00, ~0, ""},
      {0x080500, ~CURL_VERSION_ASYNCHDNS, "threaded resolver"},
  };
  for (const auto& row : rows) {
    const fault::Pretended pretended{libcurl(row.version, row.features)};
    const std::string words = complaint(mcurl::checkLibcurl);
    CHECK_EQ(words.empty(), *row.words == '\0');
    CHECK(has(words, row.words));
  }
}
