#include "../../native/core/verbose.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../../native/core/handles.h"
#include "server.h"
#include "test.h"

using mcurl::Fd;
using mcurl::onDebug;

namespace {

using Lines = std::vector<std::string>;

// Stderr for the length of a block: each write(2) to it is a datagram of its own, and what is too
// much is lost.
class Stderr {
 public:
  Stderr() : kept_{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)} {
    int ends[2];
    CHECK_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    reader_ = Fd{ends[0]};
    const Fd writer{ends[1]};
    CHECK(::dup2(writer.get(), STDERR_FILENO) >= 0);
  }
  Stderr(const Stderr&) = delete;
  ~Stderr() { ::dup2(kept_.get(), STDERR_FILENO); }

  // What was written since the last call, write by write.
  Lines writes() {
    Lines all;
    std::string text(1 << 16, '\0');
    ssize_t count;
    while ((count = ::recv(reader_.get(), text.data(), text.size(), 0)) > 0) {
      all.push_back(text.substr(0, static_cast<size_t>(count)));
    }
    return all;
  }

 private:
  Fd kept_;
  Fd reader_;
};

// What is written of a piece of talk.
Lines told(curl_infotype type, std::string text) {
  Stderr capture;
  const int answer = onDebug(nullptr, type, text.data(), text.size(), nullptr);
  const Lines lines = capture.writes();
  CHECK_EQ(answer, 0);
  return lines;
}

std::string show(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += "[" + line + "]";
  return text;
}

}  // namespace

TEST("each line is one write, and shows who speaks") {
  CHECK_EQ(show(told(CURLINFO_TEXT, "Trying 127.0.0.1\n")), "[* Trying 127.0.0.1\n]");
  CHECK_EQ(show(told(CURLINFO_HEADER_IN, "HTTP/1.1 200 OK\r\n")), "[< HTTP/1.1 200 OK\n]");
  CHECK_EQ(show(told(CURLINFO_HEADER_OUT, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")),
           "[> GET / HTTP/1.1\n][> Host: a\n][> \n]");
}

TEST("a last line needs no end, and nothing is nothing") {
  CHECK_EQ(show(told(CURLINFO_TEXT, "one\ntwo")), "[* one\n][* two\n]");
  CHECK_EQ(show(told(CURLINFO_TEXT, "")), "");
}

TEST("bodies and TLS records are no talk") {
  for (const curl_infotype type :
       {CURLINFO_DATA_IN, CURLINFO_DATA_OUT, CURLINFO_SSL_DATA_IN, CURLINFO_SSL_DATA_OUT}) {
    CHECK_EQ(show(told(type, "bytes\n")), "");
  }
}

TEST("what a terminal could obey is escaped") {
  using namespace std::string_literals;
  CHECK_EQ(show(told(CURLINFO_HEADER_IN, "X: \x1b]0;t\x07\r\r\n"s)),
           "[< X: \\x1b]0;t\\x07\\x0d\n]");
  CHECK_EQ(show(told(CURLINFO_TEXT, "\0\t\x7f\xc3\xa9~ \n"s)), "[* \\x00\\x09\\x7f\\xc3\\xa9~ \n]");
}

TEST("secrets are not shown, in whatever case and direction") {
  for (const char* name :
       {"Authorization:", "proxy-authorization:", "COOKIE:", "Set-Cookie:", "x-api-key:"}) {
    const std::string line = name + std::string{" secret\r\n"};
    CHECK_EQ(show(told(CURLINFO_HEADER_OUT, line)), "[> " + std::string{name} + " [not shown]\n]");
    CHECK_EQ(show(told(CURLINFO_HEADER_IN, line)), "[< " + std::string{name} + " [not shown]\n]");
  }
  CHECK_EQ(show(told(CURLINFO_HEADER_IN, "Cookie:\r\n")), "[< Cookie:\n]");
  CHECK_EQ(show(told(CURLINFO_HEADER_IN, "X-Cookie: 1\r\n")), "[< X-Cookie: 1\n]");
}

TEST("a closed stderr ends nothing") {
  const Fd kept{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
  ::close(STDERR_FILENO);
  std::string text = "one\ntwo\n";
  const int answer = onDebug(nullptr, CURLINFO_TEXT, text.data(), text.size(), nullptr);
  ::dup2(kept.get(), STDERR_FILENO);
  CHECK_EQ(answer, 0);
}

TEST("a transfer's talk is told whole, without its password and without its body") {
  test::Server server;
  const mcurl::Easy easy{curl_easy_init()};
  curl_easy_setopt(easy.get(), CURLOPT_URL, server.url("/bytes/60000").c_str());
  curl_easy_setopt(easy.get(), CURLOPT_USERPWD, "me:secret");
  curl_easy_setopt(easy.get(), CURLOPT_VERBOSE, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_DEBUGFUNCTION, onDebug);
  curl_easy_setopt(
      easy.get(), CURLOPT_WRITEFUNCTION, +[](char*, size_t, size_t count, void*) { return count; });
  CURLcode result;
  Lines lines;
  {
    Stderr capture;
    result = curl_easy_perform(easy.get());
    lines = capture.writes();
  }
  CHECK_EQ(result, CURLE_OK);
  for (const char* line : {"> GET /bytes/60000 HTTP/1.1\n", "> Authorization: [not shown]\n",
                           "< HTTP/1.1 200 OK\n", "< Content-Length: 60000\n"}) {
    CHECK_EQ(std::count(lines.begin(), lines.end(), line), 1);
  }
  CHECK(show(lines).size() < 10'000);
  CHECK(std::all_of(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find('\n') == line.size() - 1 && line.find("bWU6c2VjcmV0") == std::string::npos;
  }));
}
