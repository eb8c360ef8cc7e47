// What an engine makes of a .part, of hashes and of what the journal knows, against a server that
// plays every part.
#include <openssl/evp.h>
#include <sys/stat.h>

#include "../../native/core/digest.h"
#include "job.h"
#include "server.h"
#include "test.h"

using mcurl::Reason;
using mcurl::Version;
using test::Ended;
using test::Job;
using test::JobOptions;
using test::Server;

namespace {

constexpr size_t kSize = 600'000;
constexpr size_t kHalf = 400'000;

std::string hexDigest(const std::string& body) {
  mcurl::Digest digest{"sha-256"};
  digest.update(body.data(), body.size());
  return digest.finish().text();
}

std::string base64Digest(const std::string& body) {
  mcurl::Digest digest{"sha-256"};
  digest.update(body.data(), body.size());
  const std::string bytes = digest.finish().value;
  std::string text(64, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  return "sha-256=:" + text.substr(0, static_cast<size_t>(length)) + ":";
}

// A file on a server, in versions, with everything a resuming client may ask of it.
struct File {
  Server server;
  std::string body = test::content("/one", kSize);
  std::string etag = "\"one\"";
  std::string extra;  // header lines
  size_t cut = 0;     // so many bytes, then the end; 0: all
  int more = 0;       // bytes of a rest beyond what its range says
  enum { kLength, kChunks, kClose } framing = kLength;  // of a rest

  void serve() {
    server.on(
        "/f",
        [this](const Server::Request& request) {
          const std::string asked = request.header("Range");
          const std::string ifRange = request.header("If-Range");
          const std::string common = "ETag: " + etag + "\r\n" + extra;
          if (!asked.empty() && (ifRange.empty() || ifRange == etag)) {
            const size_t from = std::stoul(asked.substr(6));
            const std::string total = std::to_string(body.size());
            if (from >= body.size()) {
              return "HTTP/1.1 416 No\r\nContent-Range: bytes */" + total +
                     "\r\nContent-Length: 0\r\n" + common + "\r\n";
            }
            const std::string head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " +
                                     std::to_string(from) + "-" + std::to_string(body.size() - 1) +
                                     "/" + total + "\r\n" + common;
            std::string rest = body.substr(from);
            if (framing == kLength)
              return head + "Content-Length: " + std::to_string(rest.size()) + "\r\n\r\n" + rest;
            rest.resize(rest.size() + more, 'x');
            if (framing == kClose) return head + "\r\n" + rest;
            char size[32];
            std::snprintf(size, sizeof size, "%zx\r\n", rest.size());
            return head + "Transfer-Encoding: chunked\r\n\r\n" + size + rest + "\r\n0\r\n\r\n";
          }
          const std::string head =
              "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
              common + "\r\n";
          return head + (cut == 0 ? body : body.substr(0, cut));
        },
        true);
  }
  std::string url() const { return server.url("/f"); }
};

// A job that was killed when it had the first `bytes` of `version`.
struct Killed {
  explicit Killed(const std::string& body, size_t bytes, const std::string& version,
                  JobOptions options = {})
      : job{std::move(options)}, version_{version} {
    job.scratch().write("0.part", body.substr(0, bytes));
  }
  Ended rerun(const std::string& url, mcurl::Extras extras = {}) {
    extras.version = Version::parse(version_);
    extras.mayHavePart = true;
    job.add({.id = 0,
             .url = url,
             .name = "0",
             .extras = std::make_unique<mcurl::Extras>(std::move(extras))});
    return job.await(1).at(0);
  }
  bool isWhole(const std::string& body) {
    return job.scratch().names() == std::vector<std::string>{"0"} &&
           job.scratch().read("0") == body;
  }

  Job job;
  std::string version_;
};

std::string versionOf(size_t total, const std::string& etag) {
  return std::to_string(total) + '\t' + etag + '\t';
}

}  // namespace

TEST("an attempt that broke off is continued by the next") {
  File file;
  file.cut = kHalf;
  file.serve();
  Job job;
  job.add({.id = 0, .url = file.url(), .name = "0"});
  const Ended first = job.await(1).at(0);
  CHECK_EQ(first.result(), CURLE_PARTIAL_FILE);
  CHECK(first.details.version.starts_with(versionOf(kSize, "\"one\"")));
  auto extras = std::make_unique<mcurl::Extras>();
  extras->version = Version::parse(first.details.version);
  job.add({.id = 0, .isRetry = true, .url = file.url(), .name = "0", .extras = std::move(extras)});
  const Ended second = job.await(1).at(0);
  CHECK_EQ(second.reason(), Reason::kDone);
  CHECK_EQ(second.record.resumedFrom, static_cast<double>(kHalf));
  CHECK_EQ(second.record.sizeDelivered, static_cast<double>(kSize));
  CHECK_EQ(second.record.sizeDownload, static_cast<double>(kSize - kHalf));
  CHECK(job.scratch().read("0") == file.body);
  CHECK_EQ(job.scratch().names().size(), 1U);
  const auto requests = file.server.requests();
  CHECK_EQ(requests.at(1).header("Range"), "bytes=400000-");
  CHECK_EQ(requests.at(1).header("If-Range"), "\"one\"");
}

TEST("a rest is held to its range, however it is framed") {
  for (const auto framing : {File::kChunks, File::kClose}) {
    for (const int more : {0, -1, 777}) {
      File file;
      file.framing = framing;
      file.more = more;
      file.serve();
      Killed killed{file.body, kHalf, versionOf(kSize, "\"one\"")};
      const Ended end = killed.rerun(file.url());
      if (more < 0) {
        CHECK_EQ(end.result(), CURLE_PARTIAL_FILE);
        CHECK(!killed.job.scratch().has("0"));
        continue;
      }
      CHECK_EQ(end.reason(), Reason::kDone);
      CHECK(killed.isWhole(file.body));
      CHECK_EQ(static_cast<unsigned>(end.record.flags) & mcurl::kUnverified, 0U);
      // One that is longer than it says is none.
      CHECK_EQ(file.server.requests().size(), more == 0 ? 1U : 2U);
    }
  }
}

TEST("a part that the user asked for is no beginning of the file, and its digests are its own") {
  const std::string body = test::content("/one", kSize);
  for (const bool isCut : {true, false}) {
    Server server;
    server.on(
        "/f",
        [&](const Server::Request&) {
          return "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 100-599999/600000\r\n"
                 "ETag: \"one\"\r\nContent-Length: 599900\r\nRepr-Digest: " +
                 base64Digest(body) + "\r\nContent-Digest: " + base64Digest(body.substr(100)) +
                 "\r\n\r\n" + body.substr(100, isCut ? kHalf : kSize);
        },
        true);
    mcurl::RequestOptions request;
    request.headers = {"Range: bytes=100-"};
    Job job{{.request = std::move(request)}};
    const Ended end = job.fetch(server.url("/f"));
    CHECK_EQ(end.reason(), isCut ? Reason::kTransfer : Reason::kDone);
    if (isCut) CHECK_EQ(mcurl::Version::parse(end.details.version).canResume(), false);
  }
}

TEST("what is whole in its .part but lacks what headers tell is asked for its last byte") {
  File file;
  file.extra = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
  file.serve();
  Killed killed{file.body, kSize, versionOf(kSize, "\"one\""), {.output = {.remoteTime = true}}};
  CHECK_EQ(killed.rerun(file.url()).reason(), Reason::kDone);
  CHECK(killed.isWhole(file.body));
  struct stat status {};
  CHECK_EQ(::stat((killed.job.scratch() / "0").c_str(), &status), 0);
  CHECK_EQ(status.st_mtim.tv_sec, 784111777);
}

TEST("another version starts over in place, from the same answer") {
  File file;
  file.etag = "\"two\"";
  file.body = test::content("/two", kSize);
  file.serve();
  Killed killed{test::content("/one", kSize), kHalf, versionOf(kSize, "\"one\"")};
  const Ended end = killed.rerun(file.url());
  CHECK_EQ(end.reason(), Reason::kDone);
  CHECK_EQ(end.record.resumedFrom, 0.0);
  CHECK(killed.isWhole(file.body));
  CHECK_EQ(file.server.requests().size(), 1U);
}

TEST("a new version that is small leaves no .part behind") {
  for (const size_t size : {size_t{0}, size_t{5}}) {
    File file;
    file.etag = "\"two\"";
    file.body = std::string(size, 'x');
    file.serve();
    Killed killed{test::content("/one", kSize), kHalf, versionOf(kSize, "\"one\"")};
    CHECK_EQ(killed.rerun(file.url()).reason(), Reason::kDone);
    CHECK(killed.isWhole(file.body));
  }
}

TEST("a .part that a kill left before the journal told of it is not left behind") {
  Server server;
  Job job;
  job.scratch().write("0.part", "");
  job.add({.id = 0, .url = server.url("/bytes/5"), .name = "0", .isJournalled = true});
  CHECK_EQ(job.await(1).at(0).reason(), Reason::kDone);
  CHECK(job.scratch().names() == std::vector<std::string>{"0"});
}

TEST("a file that had all its bytes is whole by a 416") {
  File file;
  file.serve();
  Killed killed{file.body, kSize, versionOf(kSize, "\"one\"")};
  const Ended end = killed.rerun(file.url());
  CHECK_EQ(end.reason(), Reason::kDone);
  CHECK_EQ(end.record.resumedFrom, static_cast<double>(kSize));
  CHECK(killed.isWhole(file.body));
}

TEST("an answer that cannot be joined on is thrown away and the whole asked for") {
  const std::string one = test::content("/one", kSize);
  const std::string two = test::content("/two", kSize);
  const struct {
    const char* status;
    const char* range;
    const char* etag;
  } rows[] = {
      {"206 Partial Content", "bytes 400000-599999/600000", "\"two\""},  // If-Range is ignored
      {"206 Partial Content", "bytes 0-199999/600000", "\"one\""},
      {"206 Partial Content", "bytes 400000-599999/600001", "\"one\""},
      {"206 Partial Content", "bytes 400001-599999/600000", "\"one\""},
      {"416 No", "bytes */400000", "\"one\""},
  };
  for (const auto& row : rows) {
    Server server;
    server.on(
        "/f",
        [&](const Server::Request& request) {
          if (request.header("Range").empty()) {
            return "HTTP/1.1 200 OK\r\nETag: \"two\"\r\nContent-Length: 600000\r\n\r\n" + two;
          }
          const std::string rest =
              row.status[0] == '2' ? two.substr(kHalf, 200'000) : std::string{};
          return std::string{"HTTP/1.1 "} + row.status + "\r\nContent-Range: " + row.range +
                 "\r\nETag: " + row.etag + "\r\nContent-Length: " + std::to_string(rest.size()) +
                 "\r\n\r\n" + rest;
        },
        true);
    Killed killed{one, kHalf, versionOf(kSize, "\"one\"")};
    CHECK_EQ(killed.rerun(server.url("/f")).reason(), Reason::kDone);
    CHECK(killed.isWhole(two));
    CHECK_EQ(server.requests().size(), 2U);
    CHECK_EQ(server.requests().at(1).header("Range"), "");
  }
}

TEST("what has no validator, or is longer than the file, is not asked for in part") {
  for (const std::string& version :
       {std::string{}, std::string{"600000\t\t"}, versionOf(kHalf - 1, "\"one\""),
        std::string{"-1\t\"one\"\t"}}) {
    File file;
    file.serve();
    Killed killed{test::content("/other", kSize), kHalf, version};
    CHECK_EQ(killed.rerun(file.url()).reason(), Reason::kDone);
    CHECK(killed.isWhole(file.body));
    CHECK_EQ(file.server.requests().at(0).header("Range"), "");
  }
}

TEST("of bytes of an earlier boot only the durable ones are believed") {
  File file;
  file.serve();
  // The rest of the .part is what a power cut may leave.
  Killed killed{file.body.substr(0, 1000) + std::string(kHalf, '\0'), kHalf,
                versionOf(kSize, "\"one\"")};
  const Ended end = killed.rerun(file.url(), {.trustedBytes = 1000});
  CHECK_EQ(end.record.resumedFrom, 1000.0);
  CHECK(killed.isWhole(file.body));
}

TEST("by size an ETag that changes with each request does not matter") {
  File file;
  file.etag = "\"signed-anew\"";
  file.serve();
  Killed killed{file.body, kHalf, versionOf(kSize, "\"one\"")};
  const Ended end = killed.rerun(file.url(), {.resumeBy = mcurl::ResumeBy::kSize});
  CHECK_EQ(end.record.resumedFrom, static_cast<double>(kHalf));
  CHECK(killed.isWhole(file.body));
  CHECK_EQ(file.server.requests().at(0).header("If-Range"), "");
}

TEST("a redirect takes the request for the rest along") {
  File file;
  file.serve();
  Server front{"127.0.0.2"};
  Killed killed{file.body, kHalf, versionOf(kSize, "\"one\"")};
  const Ended end = killed.rerun(front.url("/to/" + file.server.authority() + "/f"));
  CHECK_EQ(end.reason(), Reason::kDone);
  CHECK_EQ(end.record.resumedFrom, static_cast<double>(kHalf));
  CHECK(killed.isWhole(file.body));
}

TEST("an error keeps what can be continued later") {
  Server server;
  Killed killed{test::content("/one", kSize), kHalf, versionOf(kSize, "\"one\"")};
  const Ended end = killed.rerun(server.url("/status/503/"));
  CHECK_EQ(end.reason(), Reason::kHttp);
  CHECK_EQ(end.details.version, versionOf(kSize, "\"one\""));
  CHECK_EQ(killed.job.scratch().read("0.part").size(), kHalf);
}

TEST("a checksum is checked, of a continued file too, from its start") {
  File file;
  file.serve();
  const std::string good = hexDigest(file.body);
  for (const bool isGood : {true, false}) {
    for (const size_t had : {size_t{0}, kHalf}) {
      Killed killed{file.body, had, versionOf(kSize, "\"one\"")};
      const Ended end = killed.rerun(
          file.url(), {.checksum = mcurl::Checksum::parse(isGood ? good : hexDigest("other"))});
      CHECK_EQ(end.reason(), isGood ? Reason::kDone : Reason::kIntegrity);
      CHECK_EQ(end.record.resumedFrom, static_cast<double>(had));
      if (isGood) CHECK(killed.isWhole(file.body));
      if (!isGood) {
        CHECK_EQ(killed.job.scratch().names().size(), 0U);
        CHECK(end.details.error.find(good) != std::string::npos);
      }
    }
  }
}

TEST("a mixture is found by its checksum") {
  File file;
  file.serve();
  Killed killed{test::content("/other", kSize), kHalf, versionOf(kSize, "\"one\"")};
  const Ended end =
      killed.rerun(file.url(), {.checksum = mcurl::Checksum::parse(hexDigest(file.body))});
  CHECK_EQ(end.reason(), Reason::kIntegrity);
  CHECK_EQ(killed.job.scratch().names().size(), 0U);
}

TEST("Repr-Digest is of the whole file, Content-Digest of the answer's bytes") {
  const std::string body = test::content("/one", kSize);
  const std::string bad = base64Digest("other");
  const struct {
    const char* name;
    size_t had;
    std::string of;
    bool isGood;
  } rows[] = {
      {"Repr-Digest", 0, base64Digest(body), true},
      {"Repr-Digest", 0, bad, false},
      {"Repr-Digest", kHalf, base64Digest(body), true},
      {"Repr-Digest", kHalf, bad, false},
      {"Content-Digest", 0, base64Digest(body), true},
      {"Content-Digest", 0, bad, false},
      {"Content-Digest", kHalf, base64Digest(body.substr(kHalf)), true},
      {"Content-Digest", kHalf, base64Digest(body), false},
  };
  for (const auto& row : rows) {
    File file;
    file.extra = std::string{row.name} + ": " + row.of + "\r\n";
    file.serve();
    Killed killed{body, row.had, versionOf(kSize, "\"one\"")};
    CHECK_EQ(killed.rerun(file.url()).reason(), row.isGood ? Reason::kDone : Reason::kIntegrity);
    CHECK_EQ(killed.job.scratch().names().size(), row.isGood ? 1U : 0U);
  }
}

TEST("with a manifest every body is hashed") {
  Server server;
  Job job{{.keepDetails = true, .output = {.manifest = true}}};
  for (const size_t size : {size_t{0}, size_t{5}, kSize}) {
    const std::string path = "/bytes/" + std::to_string(size);
    const Ended end = job.fetch(server.url(path));
    CHECK_EQ(end.details.digest, hexDigest(test::content(path, size)));
  }
}

TEST("a manifest's hash is SHA-256, whatever an entry's checksum is") {
  Server server;
  const std::string body = test::content("/bytes/5", 5);
  mcurl::Digest md5{"md5"};
  md5.update(body.data(), body.size());
  Job job{{.keepDetails = true, .output = {.manifest = true}}};
  job.add({.id = 0,
           .url = server.url("/bytes/5"),
           .name = "0",
           .extras = std::make_unique<mcurl::Extras>(mcurl::Extras{.checksum = md5.finish()})});
  CHECK_EQ(job.await(1).at(0).details.digest, hexDigest(body));
}

TEST("a file larger than allowed is a failure, told or not") {
  for (const char* path : {"/bytes/600000", "/chunked/600000", "/unframed/600000"}) {
    Server server;
    mcurl::RequestOptions request;
    request.maxFilesize = 500'000;
    Job job{{.request = std::move(request)}};
    const Ended end = job.fetch(server.url(path));
    CHECK_EQ(end.result(), CURLE_FILESIZE_EXCEEDED);
    CHECK(!job.scratch().has("0"));
    CHECK_EQ(job.fetch(server.url("/bytes/500000")).reason(), Reason::kDone);
  }
}

TEST("headers without end are given up") {
  Server server;
  server.on("/f", [](const Server::Request&) {
    std::string head = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 4000; ++i)
      head += "X-" + std::to_string(i) + ": " + std::string(90, 'x') + "\r\n";
    return head + "\r\n";
  });
  Job job;
  const Ended end = job.fetch(server.url("/f"));
  CHECK_EQ(end.reason(), Reason::kTransfer);
  CHECK_EQ(end.details.error, "the answer's headers are too large");
}

TEST("what the journal is done with counts when its size is right, and is fetched anew when not") {
  Server server;
  test::Scratch scratch;
  scratch.write("0", "12345");
  scratch.write("1", "1234");
  std::filesystem::create_symlink("0", scratch / "3");
  Job job{{}, scratch.path()};
  for (const uint32_t id : {0U, 1U, 2U, 3U}) {
    job.add({.id = id,
             .url = server.url("/bytes/5"),
             .name = std::to_string(id),
             .extras = std::make_unique<mcurl::Extras>(mcurl::Extras{.doneBytes = 5})});
  }
  const auto ended = job.await(4);
  CHECK_EQ(ended.at(0).reason(), Reason::kExists);
  CHECK_EQ(ended.at(3).reason(), Reason::kLocal);  // a link is none of ours
  CHECK_EQ(ended.at(1).reason(), Reason::kDone);
  CHECK_EQ(ended.at(2).reason(), Reason::kDone);
  CHECK_EQ(scratch.read("0"), "12345");
  for (const char* name : {"1", "2"}) CHECK(scratch.read(name) == test::content("/bytes/5", 5));
  CHECK_EQ(server.requests().size(), 2U);
}

TEST("a retry replaces what its first attempt was to replace") {
  for (const bool ifModified : {false, true}) {
    Server server;
    test::Scratch scratch;
    scratch.write("0", "old");
    Job job{{.output = {.ifModified = ifModified}}, scratch.path()};
    for (const bool isRetry : {false, true}) {
      job.add({.id = 0,
               .isRetry = isRetry,
               .url = server.url(isRetry ? "/bytes/5" : "/short/5"),
               .name = "0",
               .extras = std::make_unique<mcurl::Extras>(
                   mcurl::Extras{.doneBytes = ifModified ? -1 : 5})});
      CHECK_EQ(job.await(1).at(0).reason(), isRetry ? Reason::kDone : Reason::kTransfer);
    }
    CHECK(scratch.read("0") == test::content("/bytes/5", 5));
  }
}

TEST("a file that is there is asked for by its version") {
  for (const bool isChanged : {false, true}) {
    Server server;
    server.on("/f", [&](const Server::Request& request) {
      if (request.header("If-None-Match") == "\"one\"" && !isChanged)
        return std::string{"HTTP/1.1 304 Not Modified\r\n\r\n"};
      return std::string{"HTTP/1.1 200 OK\r\nETag: \"two\"\r\nContent-Length: 3\r\n\r\nnew"};
    });
    test::Scratch scratch;
    scratch.write("0", "old");
    Job job{{.output = {.ifModified = true}}, scratch.path()};
    auto extras = std::make_unique<mcurl::Extras>();
    extras->known = Version::parse(versionOf(3, "\"one\""));
    job.add({.id = 0, .url = server.url("/f"), .name = "0", .extras = std::move(extras)});
    const Ended end = job.await(1).at(0);
    CHECK_EQ(end.reason(), isChanged ? Reason::kDone : Reason::kNotModified);
    CHECK_EQ(scratch.read("0"), isChanged ? "new" : "old");
  }
}

TEST("a file whose attribute tells of a longer one is asked for without its version") {
  for (const bool isShort : {false, true}) {
    Server server;
    server.on("/f", [](const Server::Request& request) {
      if (request.header("If-None-Match") == "\"one\"")
        return std::string{"HTTP/1.1 304 Not Modified\r\n\r\n"};
      return std::string{"HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: 3\r\n\r\none"};
    });
    test::Scratch scratch;
    Job first{{.output = {.xattr = true}}, scratch.path()};
    CHECK_EQ(first.fetch(server.url("/f")).reason(), Reason::kDone);
    if (first.engine().lacksAttributes()) return;  // a file system without
    if (isShort) CHECK_EQ(::truncate((scratch / "0").c_str(), 1), 0);
    Job second{{.output = {.ifModified = true}}, scratch.path()};
    const Ended end = second.fetch(server.url("/f"));
    CHECK_EQ(end.reason(), isShort ? Reason::kDone : Reason::kNotModified);
    CHECK_EQ(scratch.read("0"), "one");
  }
}

TEST("a file that is there no more, or was damaged, is asked for without its version") {
  for (const bool isThere : {false, true}) {
    Server server;
    server.on("/f", [&](const Server::Request& request) {
      if (request.header("If-None-Match") == "\"one\"")
        return std::string{"HTTP/1.1 304 Not Modified\r\n\r\n"};
      return std::string{"HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: 3\r\n\r\none"};
    });
    test::Scratch scratch;
    if (isThere) scratch.write("0", "o");
    Job job{{.output = {.ifModified = true}}, scratch.path()};
    auto extras = std::make_unique<mcurl::Extras>();
    extras->known = Version::parse(versionOf(3, "\"one\""));
    extras->doneBytes = 3;
    job.add({.id = 0, .url = server.url("/f"), .name = "0", .extras = std::move(extras)});
    CHECK_EQ(job.await(1).at(0).reason(), Reason::kDone);
    CHECK_EQ(scratch.read("0"), "one");
  }
}

TEST("the journal has the plan of a target before it starts, and of a retry no second") {
  test::Scratch place;
  const mcurl::Fd fd = mcurl::openLocked(place / "journal", false);
  Server server;
  Job job{{.output = {.journal = fd.get()}}};
  job.add({.id = 0, .url = server.url("/bytes/5"), .name = "a", .serial = 0});
  job.await(1);
  job.add({.id = 0, .isRetry = true, .url = server.url("/bytes/5"), .name = "b", .serial = 0});
  job.await(1);
  job.add({.id = 0, .url = server.url("/bytes/5"), .name = "c", .serial = 1, .entry = "the entry"});
  job.await(1);
  CHECK_EQ(place.read("journal"),
           "\n{\"plan\":0,\"entry\":\"" + server.url("/bytes/5") +
               "\",\"name\":\"a\"}\n\n{\"began\":0,\"name\":\"b\",\"version\":\"\",\"total\":5}\n\n"
               "{\"plan\":1,\"entry\":\"the entry\",\"name\":\"c\"}\n");
}

TEST("a journal that cannot be written stops its targets and names the cause") {
  test::Scratch place;
  place.write("journal", "");
  const mcurl::Fd fd{::open((place / "journal").c_str(), O_RDONLY | O_CLOEXEC)};
  Server server;
  Job job{{.output = {.journal = fd.get()}}};
  job.add({.id = 0, .url = server.url("/bytes/5"), .name = "a", .serial = 0});
  const Ended end = job.await(1).at(0);
  CHECK_EQ(end.reason(), Reason::kLocal);
  CHECK_EQ(end.record.osErrno, EBADF);
  CHECK(end.details.error.find("cannot write the journal") == 0);
  CHECK_EQ(server.requests().size(), 0U);
}

TEST("a server's name waits for JavaScript") {
  Server server;
  server.on("/f", [](const Server::Request&) {
    return std::string{
        "HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename=x\r\nContent-Length: "
        "3\r\n\r\nabc"};
  });
  Job job{{.keepDetails = true, .output = {.remoteName = true}}};
  const Ended end = job.fetch(server.url("/f"));
  CHECK_EQ(end.reason(), Reason::kDone);
  CHECK(static_cast<unsigned>(end.record.flags) & mcurl::kUnnamed);
  CHECK_EQ(end.details.contentDisposition, "attachment; filename=x");
  CHECK_EQ(job.scratch().read("0.part"), "abc");
  const Ended plain = job.fetch(server.url("/bytes/3"));
  CHECK(!(static_cast<unsigned>(plain.record.flags) & mcurl::kUnnamed));
  CHECK(job.scratch().has("1"));
}
