// One transfer by itself: driven by curl_multi_perform in the place of a loop.
#include "../../native/core/transfer.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "../../native/core/url.h"
#include "fault.h"
#include "scratch.h"
#include "server.h"
#include "test.h"

using mcurl::Easy;
using mcurl::Hops;
using mcurl::Host;
using mcurl::Reason;
using mcurl::Record;
using mcurl::RequestOptions;
using mcurl::Slot;
using mcurl::Target;
using mcurl::Transfer;
using test::Scratch;
using test::Server;
using Judgement = Transfer::Judgement;
using Next = Judgement::Next;

namespace {

constexpr uint64_t kNowNs = 5'000'000'000;
constexpr uint64_t kNsPerMs = 1'000'000;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// What transfers need around them, and all that they tell their owner.
struct Bed final : Transfer::Owner {
  explicit Bed(RequestOptions options = {}, mcurl::OutputOptions outputOptions = {})
      : output{scratch.path(), outputOptions}, request{std::move(options), 16} {
    curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, 32L);
    uv_loop_init(&loop);
  }
  ~Bed() { uv_loop_close(&loop); }

  bool mayConnect(Transfer&) noexcept override { return isOpen; }
  void onSocketOpened(Transfer&, curl_socket_t fd) noexcept override {
    opened.push_back(fd);
    isInherited = (::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0;
  }
  void onSocketClosing(curl_socket_t fd) noexcept override { closed.push_back(fd); }
  void onHeaders(Transfer& transfer) noexcept override {
    statuses.push_back(transfer.response().status);
    bytesAtHeaders = bytes;
  }
  void onBytes(size_t count) noexcept override {
    bytes += count;
    if (onPiece) onPiece();
  }

  // A target that was queued half a second before it starts.
  std::unique_ptr<Target> target(const std::string& url) {
    auto target = std::make_unique<Target>();
    target->id = 7;
    target->url = url;
    target->name = "a";
    target->queuedNs = kNowNs - 500 * kNsPerMs;
    host.key = mcurl::hrefHostKey(url).view();
    target->host = &host;
    return target;
  }

  bool isOpen = true;
  bool isInherited = true;  // by programs that the process starts
  std::vector<curl_socket_t> opened;
  std::vector<curl_socket_t> closed;
  std::vector<int> statuses;
  size_t bytes = 0;
  size_t bytesAtHeaders = 0;
  std::function<void()> onPiece;
  Host host;
  Scratch scratch;
  uv_loop_t loop;
  mcurl::Output output;
  const mcurl::Request request;
  mcurl::Multi multi{curl_multi_init()};  // closes connections, and says so: last
};

struct Run {
  Run(Bed& bed, std::unique_ptr<Target> target)
      : bed{bed},
        transfer{Easy{curl_easy_init()},
                 std::move(target),
                 bed.request,
                 bed.output,
                 &bed.loop,
                 nullptr,
                 bed,
                 kNowNs} {}
  Run(Bed& bed, const std::string& url) : Run{bed, bed.target(url)} {}

  // To the end.
  CURLcode perform() { return performAll(bed, {this}).front(); }
  Judgement judge() { return transfer.judge(perform()); }

  // The same for several at once; their results in the order given.
  static std::vector<CURLcode> performAll(Bed& bed, const std::vector<Run*>& runs) {
    CURLM* multi = bed.multi.get();
    for (Run* run : runs) CHECK_EQ(curl_multi_add_handle(multi, run->transfer.easy()), CURLM_OK);
    int running;
    do {
      CHECK_EQ(curl_multi_perform(multi, &running), CURLM_OK);
      if (running > 0) CHECK_EQ(curl_multi_poll(multi, nullptr, 0, 1000, nullptr), CURLM_OK);
    } while (running > 0);
    std::map<CURL*, CURLcode> results;
    int left;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      results[message->easy_handle] = message->data.result;
    }
    std::vector<CURLcode> ordered;
    for (Run* run : runs) {
      ordered.push_back(results.at(run->transfer.easy()));
      curl_multi_remove_handle(multi, run->transfer.easy());
    }
    return ordered;
  }

  Record record(bool timings = false, uint64_t nowNs = kNowNs) const {
    Record record;
    transfer.fill(record, timings, nowNs);
    return record;
  }

  Bed& bed;
  Transfer transfer;
};

// Leaves so many connections idle. One of those that dies as it is used again is replaced by
// libcurl itself, five times; only then is it seen.
void leaveIdle(Bed& bed, Server& server, unsigned count) {
  std::vector<std::unique_ptr<Run>> runs;
  std::vector<Run*> all;
  for (unsigned i = 0; i < count; ++i) {
    const std::string path = "/heldhead/1/" + std::to_string(i);
    all.push_back(runs.emplace_back(std::make_unique<Run>(bed, server.url(path))).get());
  }
  std::thread release{[&] {
    server.awaitHeld(count);
    server.release();
  }};
  Run::performAll(bed, all);
  release.join();
  CHECK_EQ(server.connections(), count);
}

// A target that some hops led to.
std::unique_ptr<Target> hopped(Bed& bed, const std::string& url, const std::string& firstHostKey) {
  auto target = bed.target(url);
  target->hops = std::make_unique<Hops>();
  target->hops->firstHostKey = firstHostKey;
  return target;
}

// An answer with these header lines beside its length, from a path of its own.
std::string answer(Server& server, const std::string& status, const std::string& lines,
                   const std::string& body) {
  const std::string path = "/own/" + std::to_string(server.requests().size());
  server.on(path, [=](const Server::Request&) {
    return "HTTP/1.1 " + status + "\r\n" + lines +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  });
  return path;
}

// What gzip makes of a shell command's output.
std::string gzipped(const std::string& command) {
  FILE* pipe = ::popen((command + " | gzip").c_str(), "r");
  CHECK(pipe != nullptr);
  std::string all;
  char piece[65536];
  while (const size_t count = std::fread(piece, 1, sizeof piece, pipe)) all.append(piece, count);
  CHECK_EQ(::pclose(pipe), 0);
  return all;
}

constexpr const char* kVersion = "1000\t\"v\"\t";  // a thousand bytes with the ETag "v"

// A target whose first 400 bytes of kVersion lie in its .part.
std::unique_ptr<Target> begun(Bed& bed, const std::string& url) {
  bed.scratch.write("a.part", test::content(url, 1000).substr(0, 400));
  auto target = bed.target(url);
  target->extras = std::make_unique<mcurl::Extras>();
  target->extras->version = mcurl::Version::parse(kVersion);
  target->extras->mayHavePart = true;
  return target;
}

constexpr const char* kRest = "Content-Range: bytes 400-999/1000\r\nETag: \"v\"\r\n";

}  // namespace

TEST("a whole body is to be published; its owner heard of socket, headers and bytes") {
  Server server;
  Bed bed;
  {
    Run run{bed, server.url("/bytes/100000")};
    const Judgement judgement = run.judge();
    CHECK_EQ(judgement.next, Next::kPublish);
    CHECK_EQ(judgement.reason, Reason::kDone);
    CHECK_EQ(judgement.result, CURLE_OK);
    CHECK_EQ(run.transfer.sink().size(), 100'000);
    CHECK(run.transfer.hasOpenedSocket());
    const Record record = run.record();
    CHECK_EQ(record.id, 7);
    CHECK_EQ(record.responseCode, 200);
    CHECK_EQ(record.sizeDelivered, 100'000);
    CHECK_EQ(record.contentLength, 100'000);
    CHECK_EQ(record.flags, 0);
  }
  CHECK_EQ(bed.bytes, 100'000U);
  CHECK_EQ(bed.bytesAtHeaders, 0U);
  CHECK_EQ(bed.statuses.size(), 1U);
  CHECK_EQ(bed.statuses.front(), 200);
  CHECK_EQ(bed.opened.size(), 1U);
  CHECK(!bed.isInherited);
  CHECK(bed.closed.empty());
  bed.multi.reset();
  CHECK(bed.closed == bed.opened);
}

TEST("only a body whose end nothing told is unverified") {
  Server server;
  Bed bed;
  const auto flags = [&](const char* path) {
    Run run{bed, server.url(path)};
    CHECK_EQ(run.judge().next, Next::kPublish);
    CHECK_EQ(run.transfer.sink().size(), 1000);
    return run.record().flags;
  };
  CHECK_EQ(flags("/bytes/1000"), 0);
  CHECK_EQ(flags("/chunked/1000"), 0);
  CHECK_EQ(flags("/unframed/1000"), 0 + mcurl::kUnverified);
  server.on("/none", [](const Server::Request&) { return "HTTP/1.1 204 No Content\r\n\r\n"; });
  Run none{bed, server.url("/none")};
  CHECK_EQ(none.judge().next, Next::kPublish);
  CHECK_EQ(none.record().flags, 0);
}

TEST("what is no whole body fails, and says why") {
  const struct {
    const char* path;
    Reason reason;
    CURLcode result;  // CURLE_OK: whatever libcurl called it
    const char* words;
  } rows[] = {
      {"/short/1000", Reason::kTransfer, CURLE_PARTIAL_FILE, "500 bytes remaining"},
      {"/badchunk/1000", Reason::kTransfer, CURLE_OK, ""},
      {"/reset/1000", Reason::kTransfer, CURLE_OK, ""},
      {"/lengths/1000", Reason::kTransfer, CURLE_WEIRD_SERVER_REPLY, "Content-Length"},
      {"/part/1000", Reason::kTransfer, CURLE_WEIRD_SERVER_REPLY, "a part (206)"},
      {"/part/600000", Reason::kTransfer, CURLE_WEIRD_SERVER_REPLY, "a part (206)"},
      {"/status/404", Reason::kHttp, CURLE_HTTP_RETURNED_ERROR, "answered 404"},
      {"/status/503/9", Reason::kHttp, CURLE_HTTP_RETURNED_ERROR, "answered 503"},
  };
  Server server;
  for (const auto& row : rows) {
    Bed bed;
    Run run{bed, server.url(row.path)};
    const Judgement judgement = run.judge();
    CHECK_EQ(judgement.next, Next::kFail);
    CHECK_EQ(judgement.reason, row.reason);
    if (row.result != CURLE_OK) CHECK_EQ(judgement.result, row.result);
    CHECK(judgement.result != CURLE_OK);
    CHECK(!judgement.error.empty());
    CHECK(has(judgement.error, row.words));
    CHECK_EQ(judgement.osErrno, 0);
    // The bodies of errors, and parts, are nobody's.
    if (row.result == CURLE_HTTP_RETURNED_ERROR || run.transfer.response().status == 206) {
      CHECK_EQ(bed.bytes, 0U);
      CHECK_EQ(run.record().sizeDelivered, 0);
    }
    const bool hasAsked = has(row.path, "503");
    CHECK_EQ(run.record().retryAfterMs, hasAsked ? 9000 : -1);
  }
}

TEST("a body that says less than its length is not whole, whatever libcurl thinks of it") {
  Server server;
  Bed bed;
  Run run{bed, server.url("/short/1000")};
  run.perform();
  const Judgement judgement = run.transfer.judge(CURLE_OK);
  CHECK_EQ(judgement.next, Next::kFail);
  CHECK_EQ(judgement.result, CURLE_PARTIAL_FILE);
  CHECK_EQ(judgement.error, "500 bytes came of 1000");
}

TEST("an unwanted body is read to its end when that is near, else its connection is closed") {
  Server server;
  Bed bed;
  for (const char* path : {"/part/65536", "/part/65536/b", "/part/65537", "/bytes/1"}) {
    Run{bed, server.url(path)}.judge();
  }
  CHECK_EQ(server.connections(), 2U);
  CHECK_EQ(server.request("/part/65537").connection, 1U);
  CHECK_EQ(server.request("/bytes/1").connection, 2U);
}

TEST("no more is read of a body that nobody wants than it takes to know that it is long") {
  Server server;
  Bed bed;
  const auto read = [&](const std::string& path) {
    Run run{bed, server.url(path)};
    CHECK_EQ(run.judge().next, Next::kFail);
    curl_off_t bytes = 0;
    curl_easy_getinfo(run.transfer.easy(), CURLINFO_SIZE_DOWNLOAD_T, &bytes);
    return bytes;
  };
  CHECK(read("/part/600000") <= 32 << 10);
  server.on("/error", [](const Server::Request&) {
    std::string body;
    for (int i = 0; i < 60; ++i) body += "2710\r\n" + std::string(10'000, 'x') + "\r\n";
    return "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n" + body + "0\r\n\r\n";
  });
  const curl_off_t bytes = read("/error");
  CHECK(bytes > 32 << 10 && bytes <= 128 << 10);
}

TEST("chunks count, whatever length is told beside them; their trailers are no headers") {
  Server server;
  Bed bed;
  const std::string body = "5\r\nabcde\r\n0\r\nX-Trailer: 1\r\nX-More: 2\r\n\r\n";
  Run run{bed, server.url(answer(server, "200 OK", "Transfer-Encoding: chunked\r\n", body))};
  CHECK_EQ(run.judge().next, Next::kPublish);
  CHECK_EQ(run.record().contentLength, -1);
  CHECK_EQ(run.transfer.sink().size(), 5);
  CHECK_EQ(bed.statuses.size(), 1U);
}

TEST("a part is the whole answer when a Range was asked for") {
  Server server;
  RequestOptions options;
  options.headers = {"Range: bytes=0-"};
  Bed bed{options};
  Run run{bed, server.url("/part/1000")};
  CHECK_EQ(run.judge().next, Next::kPublish);
  CHECK_EQ(run.transfer.sink().size(), 1000);
}

TEST("what the disk refuses is a local failure with its errno") {
  Server server;
  Bed bed;
  std::filesystem::create_directory(bed.scratch / "a.part");
  Run run{bed, server.url("/bytes/600000")};
  const Judgement judgement = run.judge();
  CHECK_EQ(judgement.next, Next::kFail);
  CHECK_EQ(judgement.reason, Reason::kLocal);
  CHECK_EQ(judgement.result, CURLE_WRITE_ERROR);
  CHECK_EQ(judgement.osErrno, EISDIR);
  CHECK(has(judgement.error, "a.part"));
  CHECK_EQ(bed.bytes, 0U);
}

TEST("one that must not connect is given back, and opens nothing") {
  Server server;
  Bed bed;
  bed.isOpen = false;
  Run run{bed, server.url("/bytes/1")};
  CHECK_EQ(run.judge().next, Next::kGiveBack);
  CHECK(!run.transfer.hasOpenedSocket());
  CHECK(bed.opened.empty());
  CHECK_EQ(server.connections(), 0U);
}

TEST("--no-private refuses an address by itself, whoever named it, and opens nothing") {
  Server server;
  const std::string name = "a.test:" + std::to_string(server.port());
  RequestOptions direct;
  direct.noPrivate = true;
  RequestOptions resolved = direct;
  resolved.resolve = {name + ":127.0.0.1,127.0.0.2"};
  RequestOptions proxied = direct;
  proxied.proxy = "http://" + server.authority();
  const std::pair<RequestOptions, std::string> rows[] = {
      {direct, server.url("/bytes/1")},
      {resolved, "http://" + name + "/bytes/1"},
      {proxied, "http://198.41.0.4/bytes/1"},
  };
  for (const auto& [options, url] : rows) {
    Bed bed{options};
    Run run{bed, url};
    const Judgement judgement = run.judge();
    CHECK_EQ(judgement.next, Next::kFail);
    CHECK_EQ(judgement.reason, Reason::kAddress);
    CHECK(has(judgement.error, "--no-private refuses 127.0.0."));
    CHECK(bed.opened.empty());
  }
  CHECK_EQ(server.connections(), 0U);
}

TEST("one without a descriptor is given back with the way out; other errors of socket(2) fail") {
  Server server;
  Bed bed;
  for (const int code : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    const fault::Armed none{fault::socket, code};
    Run run{bed, server.url("/bytes/1")};
    const Judgement judgement = run.judge();
    CHECK_EQ(judgement.next, Next::kGiveBack);
    CHECK_EQ(judgement.reason, Reason::kLocal);
    CHECK_EQ(judgement.osErrno, code);
    CHECK(has(judgement.error, "ulimit -n"));
  }
  const fault::Armed none{fault::socket, EACCES};
  Run run{bed, server.url("/bytes/1")};
  const Judgement judgement = run.judge();
  CHECK_EQ(judgement.next, Next::kFail);
  CHECK_EQ(judgement.reason, Reason::kTransfer);
}

TEST("libcurl's words are told, or its code's when it has none") {
  Bed bed;
  Run run{bed, Server{}.url("/bytes/1")};  // that server is gone
  const Judgement judgement = run.judge();
  CHECK_EQ(judgement.result, CURLE_COULDNT_CONNECT);
  CHECK(has(judgement.error, "127.0.0.1"));
  Run silent{bed, "http://a.test/"};
  CHECK_EQ(silent.transfer.judge(CURLE_READ_ERROR).error, curl_easy_strerror(CURLE_READ_ERROR));
}

TEST("a reused connection that dies before the answer is worth a fresh one, once") {
  Server server;
  Bed bed;
  leaveIdle(bed, server, 16);
  Run first{bed, server.url("/corpse/10")};
  CHECK_EQ(first.judge().next, Next::kFresh);
  CHECK(!first.transfer.hasOpenedSocket());
  std::unique_ptr<Target> target = first.transfer.takeTarget();
  CHECK_EQ(target->id, 7U);
  target->isFreshRetry = true;
  bed.host.isMultiplexed = true;  // so that it goes to an old connection once more
  Run second{bed, std::move(target)};
  CHECK_EQ(second.judge().next, Next::kFail);
  target = second.transfer.takeTarget();
  bed.host.isMultiplexed = false;
  Run third{bed, std::move(target)};
  CHECK_EQ(third.judge().next, Next::kPublish);
  CHECK_EQ(third.record().flags, 0 + mcurl::kFreshRetry);
  CHECK_EQ(server.connections(), 17U);
}

TEST("a connection that dies is no free try when it is new, or has begun to answer") {
  Server server;
  Bed bed;
  Run fresh{bed, server.url("/resethead")};
  CHECK_EQ(fresh.judge().next, Next::kFail);
  CHECK(fresh.transfer.hasOpenedSocket());
  CHECK_EQ((Run{bed, server.url("/bytes/1")}.judge().next), Next::kPublish);
  Run midway{bed, server.url("/reset/1000")};
  CHECK_EQ(midway.judge().next, Next::kFail);
  CHECK(!midway.transfer.hasOpenedSocket());
}

TEST("a fresh retry opens a connection; where many share one, only the scout does") {
  const struct {
    bool isMultiplexed;
    bool isScout;
    unsigned connections;
  } rows[] = {{false, false, 2}, {false, true, 2}, {true, false, 1}, {true, true, 2}};
  for (const auto& row : rows) {
    Server server;
    Bed bed;
    Run{bed, server.url("/bytes/1")}.judge();
    auto target = bed.target(server.url("/bytes/2"));
    target->isFreshRetry = true;
    target->isScout = row.isScout;
    bed.host.isMultiplexed = row.isMultiplexed;
    Run again{bed, std::move(target)};
    CHECK_EQ(again.judge().next, Next::kPublish);
    CHECK_EQ(server.connections(), row.connections);
    CHECK_EQ(again.transfer.hasOpenedSocket(), row.connections == 2);
  }
}

TEST("a redirect is a hop; its cookies are kept, and nobody else's") {
  Server server;
  Bed bed;
  Run hop{bed, server.url("/cookie/" + server.authority() + "/bytes/5")};
  const Judgement judgement = hop.judge();
  CHECK_EQ(judgement.next, Next::kHop);
  CHECK_EQ(judgement.reason, Reason::kRedirect);
  CHECK_EQ(hop.transfer.response().location, server.url("/bytes/5"));
  const std::vector<std::string> cookies = hop.transfer.cookies();
  CHECK_EQ(cookies.size(), 1U);
  CHECK(has(cookies.front(), "name\tvalue"));

  auto target = hopped(bed, server.url("/bytes/5"), bed.host.key);
  target->hops->cookies = cookies;
  Run end{bed, std::move(target)};
  CHECK_EQ(end.judge().next, Next::kPublish);
  CHECK(has(server.request("/bytes/5").head, "Cookie: name=value\r\n"));
  Run other{bed, server.url("/bytes/6")};
  other.judge();
  CHECK(!has(server.request("/bytes/6").head, "Cookie"));
  CHECK(other.transfer.cookies().empty());
  Run set{bed, server.url(answer(server, "200 OK", "Set-Cookie: a=1\r\n", "x"))};
  CHECK_EQ(set.judge().next, Next::kPublish);
  CHECK(set.transfer.cookies().empty());  // of no use to anybody, and dear
}

TEST("cookies of a file are those of the first hop only; later hops bring their own") {
  Server server;
  RequestOptions options;
  options.cookieLines = {"127.0.0.1\tFALSE\t/\tFALSE\t0\tfrom\tfile"};
  Bed bed{options};
  Run{bed, server.url("/bytes/1")}.judge();
  CHECK(has(server.request("/bytes/1").head, "Cookie: from=file\r\n"));
  Run{bed, hopped(bed, server.url("/bytes/2"), bed.host.key)}.judge();
  CHECK(!has(server.request("/bytes/2").head, "Cookie"));
}

TEST("what was given by hand stays with the first host, unless the user trusts them all") {
  Server server;
  RequestOptions options;
  options.userpwd = "me:pw";
  const std::string own = server.url("");
  for (const bool isTrusting : {false, true}) {
    options.locationTrusted = isTrusting;
    Bed bed{options};
    const std::string path = isTrusting ? "/bytes/1" : "/bytes/2";
    Run{bed, hopped(bed, server.url(path + "/a"), own)}.judge();
    Run{bed, hopped(bed, server.url(path + "/b"), "http://a.test")}.judge();
    CHECK(has(server.request(path + "/a").head, "Authorization"));
    CHECK_EQ(has(server.request(path + "/b").head, "Authorization"), isTrusting);
  }
}

TEST("a time limit is that of the target, from its first start") {
  Server server;
  Bed bed;
  auto target = bed.target(server.url("/heldhead/1"));
  target->timeoutMs = 60'000;
  target->startedNs = kNowNs - 59'990 * kNsPerMs;
  Run late{bed, std::move(target)};
  CHECK_EQ(late.judge().result, CURLE_OPERATION_TIMEDOUT);
  target = late.transfer.takeTarget();
  target->startedNs = kNowNs - 61'000 * kNsPerMs;  // over before it began; 0 would be no limit
  CHECK_EQ((Run{bed, std::move(target)}.judge().result), CURLE_OPERATION_TIMEDOUT);
}

TEST("a slot shows a transfer while it runs") {
  Server server;
  Bed bed;
  Slot slot;
  Run run{bed, server.url("/bytes/100000")};
  slot.received = 99;
  slot.expected = 99;
  run.transfer.setSlot(&slot);
  CHECK_EQ(slot.id.load(), 7U);
  CHECK_EQ(slot.received.load(), 0);
  CHECK_EQ(slot.expected.load(), -1);
  CHECK_EQ(slot.startedNs.load(), kNowNs);
  int64_t expected = -1;
  int64_t before = -1;  // its last piece, which is told before it is shown
  bed.onPiece = [&] {
    expected = slot.expected;
    before = slot.received;
  };
  CHECK_EQ(run.judge().next, Next::kPublish);
  CHECK_EQ(expected, 100'000);
  CHECK(before > 0 && before < 100'000);
  CHECK_EQ(slot.received.load(), 100'000);
  CHECK(run.transfer.dropSlot() == &slot);
  CHECK_EQ(slot.id.load(), Slot::kFree);
  CHECK(run.transfer.dropSlot() == nullptr);
}

TEST("of a body in chunks a slot shows no length") {
  Server server;
  Bed bed;
  Slot slot;
  Run run{bed, server.url("/chunked/100000")};
  run.transfer.setSlot(&slot);
  CHECK_EQ(run.judge().next, Next::kPublish);
  CHECK_EQ(slot.expected.load(), -1);
  CHECK_EQ(slot.received.load(), 100'000);
  CHECK_EQ(run.record().contentLength, -1);
}

TEST("a record counts times, connections and redirects over all hops") {
  Server server;
  Bed bed;
  auto target = hopped(bed, server.url("/bytes/5"), bed.host.key);
  target->startedNs = kNowNs - 100 * kNsPerMs;
  target->hops->count = 3;
  target->hops->connects = 2;
  target->hops->redirectNs = 80 * kNsPerMs;
  Run run{bed, std::move(target)};
  CHECK_EQ(run.judge().next, Next::kPublish);
  CHECK_EQ(run.transfer.connects(), 3);

  const Record plain = run.record(false, kNowNs + 50 * kNsPerMs);
  CHECK_EQ(plain.numRedirects, 3);
  CHECK_EQ(plain.timeTotalUs, 150'000);
  CHECK_EQ(plain.sizeDownload, 5);
  CHECK_EQ(plain.numConnects + plain.remotePort + plain.timeQueueUs + plain.timeRedirectUs, 0);

  const Record whole = run.record(true, kNowNs + 50 * kNsPerMs);
  CHECK_EQ(whole.timeTotalUs, 150'000);
  CHECK_EQ(whole.numConnects, 3);
  CHECK_EQ(whole.httpVersion, 0 + CURL_HTTP_VERSION_1_1);
  CHECK_EQ(whole.remotePort, server.port());
  CHECK_EQ(whole.timeQueueUs, 400'000);
  CHECK_EQ(whole.timeRedirectUs, 80'000);
  CHECK(whole.timeNamelookupUs >= 80'000);
  CHECK(whole.timeConnectUs >= whole.timeNamelookupUs);
  CHECK(whole.timePretransferUs >= whole.timeConnectUs);
  CHECK(whole.timeStarttransferUs > whole.timePretransferUs);
  CHECK_EQ(whole.timeAppconnectUs, 0);
}

TEST("details are of the last hop") {
  Server server;
  Bed bed;
  Run run{bed, hopped(bed, server.url("/bytes/5"), "http://a.test")};
  run.judge();
  const mcurl::Details details = run.transfer.details("because");
  CHECK_EQ(details.urlEffective, server.url("/bytes/5"));
  CHECK_EQ(details.remoteIp, "127.0.0.1");
  CHECK_EQ(details.contentType, "");
  CHECK_EQ(details.error, "because");
}

TEST("a body that is decoded has no length to check") {
  Server server;
  RequestOptions options;
  options.compressed = true;
  Bed bed{options};
  const std::string body = gzipped("printf %01000d 7");
  const std::string lines = "Content-Encoding: gzip\r\n";
  Slot slot;
  Run run{bed, server.url(answer(server, "200 OK", lines, body))};
  run.transfer.setSlot(&slot);
  CHECK_EQ(run.judge().next, Next::kPublish);
  CHECK_EQ(run.transfer.sink().size(), 1000);
  CHECK_EQ(run.record().contentLength, -1);
  CHECK_EQ(slot.expected.load(), -1);
  // Nobody asked for it: what came is what is kept.
  Bed plain;
  Run raw{plain, server.url(answer(server, "200 OK", lines, body))};
  CHECK_EQ(raw.judge().next, Next::kPublish);
  CHECK_EQ(raw.record().contentLength, static_cast<double>(body.size()));
}

TEST("a body that unpacks to a thousand times its size is given up once it is large") {
  Server server;
  RequestOptions options;
  options.compressed = true;
  Bed bed{options};
  const std::string lines = "Content-Encoding: gzip\r\n";
  const auto zeros = [&](const char* size) {
    const std::string body = gzipped("head -c " + std::string{size} + " /dev/zero");
    return server.url(answer(server, "200 OK", lines, body));
  };
  {
    Run run{bed, zeros("70M")};
    const Judgement judgement = run.judge();
    CHECK_EQ(judgement.next, Next::kFail);
    CHECK_EQ(judgement.result, CURLE_FILESIZE_EXCEEDED);
    CHECK(has(judgement.error, "--compressed"));
    CHECK(run.transfer.sink().size() < 65 << 20);
  }
  CHECK_EQ((Run{bed, zeros("1M")}.judge().next), Next::kPublish);
}

TEST("--max-filesize is the most, by the length that is told and by what comes") {
  Server server;
  RequestOptions options;
  options.maxFilesize = 1000;
  Bed bed{options};
  CHECK_EQ((Run{bed, server.url("/bytes/1000")}.judge().next), Next::kPublish);
  CHECK_EQ((Run{bed, server.url("/chunked/1000")}.judge().next), Next::kPublish);
  for (const char* path : {"/bytes/1001", "/chunked/1001"}) {
    bed.bytes = 0;
    Run run{bed, server.url(path)};
    const Judgement judgement = run.judge();
    CHECK_EQ(judgement.next, Next::kFail);
    CHECK_EQ(judgement.reason, Reason::kTransfer);
    CHECK_EQ(judgement.result, CURLE_FILESIZE_EXCEEDED);
    CHECK(has(judgement.error, "--max-filesize"));
    CHECK(bed.bytes <= 1000);
  }
  bed.bytes = 0;
  CHECK_EQ((Run{bed, server.url("/bytes/600000")}.judge().result), CURLE_FILESIZE_EXCEEDED);
  CHECK(bed.bytes == 0 && !bed.scratch.has("a.part"));
  // The rest of a file counts with what is here.
  options.maxFilesize = 999;
  Bed less{options};
  const std::string path = answer(server, "206 Partial Content", kRest, std::string(600, 'x'));
  CHECK_EQ((Run{less, begun(less, server.url(path))}.judge().result), CURLE_FILESIZE_EXCEEDED);
}

TEST("the rest of a file is asked for by range and version, beside all headers") {
  Server server;
  RequestOptions options;
  options.compressed = true;
  options.headers = {"X-Key: 1"};
  Bed bed{options};
  const std::string path = answer(server, "206 Partial Content", kRest, std::string(600, 'x'));
  Slot slot;
  Run run{bed, begun(bed, server.url(path))};
  run.transfer.setSlot(&slot);
  CHECK_EQ(run.judge().next, Next::kPublish);
  const std::string head = server.request(path).head;
  for (const char* line : {"Range: bytes=400-\r\n", "If-Range: \"v\"\r\n", "X-Key: 1\r\n"})
    CHECK(has(head, line));
  CHECK(!has(head, "Accept-Encoding"));
  CHECK_EQ(slot.expected.load(), 1000);
  CHECK_EQ(slot.received.load(), 1000);
  const Record record = run.record();
  CHECK_EQ(record.resumedFrom, 400);
  CHECK_EQ(record.sizeDelivered, 1000);
  CHECK_EQ(record.sizeDownload, 600);
  CHECK(run.transfer.details("").version.starts_with(kVersion));
}

TEST(
    "no more is asked to be continued than can be believed, and nothing beside a Range of the "
    "user's") {
  Server server;
  RequestOptions options;
  Bed bed{options};
  auto target = begun(bed, server.url("/bytes/1"));
  target->extras->trustedBytes = 100;
  Run{bed, std::move(target)}.judge();
  CHECK(has(server.request("/bytes/1").head, "Range: bytes=100-\r\n"));

  const auto ask = [&](const std::string& path, const char* version, mcurl::ResumeBy by) {
    target = begun(bed, server.url(path));
    target->extras->version = mcurl::Version::parse(version);
    target->extras->resumeBy = by;
    Run{bed, std::move(target)}.judge();
    return server.request(path).head;
  };
  constexpr auto kValidator = mcurl::ResumeBy::kValidator;
  constexpr auto kSize = mcurl::ResumeBy::kSize;
  const std::string bySize = ask("/bytes/2", "1000\t\t", kSize);
  CHECK(has(bySize, "Range: bytes=400-\r\n"));
  CHECK(!has(bySize, "If-Range"));
  CHECK(!has(ask("/bytes/3", "1000\t\t", kValidator), "Range"));
  CHECK(!has(ask("/bytes/4", "", kSize), "Range"));
  CHECK(!has(ask("/bytes/5", "399\t\"v\"\t", kValidator), "Range"));
  CHECK(has(ask("/bytes/6", "400\t\"v\"\t", kValidator), "Range: bytes=400-\r\n"));

  // Another .part of that name has bytes of nobody knows what.
  const std::string id = bed.output.directory.part("a").id;
  CHECK(has(ask("/bytes/8", ("1000\t\"v\"\t\t" + id).c_str(), kValidator), "Range"));
  CHECK(!has(ask("/bytes/9", ("1000\t\"v\"\t\t1" + id).c_str(), kValidator), "Range"));

  options.headers = {"Range: bytes=5-6"};
  Bed own{options};
  Run{own, begun(own, server.url("/bytes/7"))}.judge();
  CHECK(has(server.request("/bytes/7").head, "Range: bytes=5-6\r\n"));
  CHECK(!has(server.request("/bytes/7").head, "If-Range"));
}

TEST("only HTTP is asked for a rest: others do not say which bytes they send") {
  RequestOptions options;
  options.protocols = {"file"};
  Bed bed{options};
  const std::string whole(1000, 'y');
  bed.scratch.write("origin", whole);
  Run run{bed, begun(bed, "file://" + (bed.scratch / "origin"))};
  CHECK_EQ(run.judge().next, Next::kPublish);
  CHECK_EQ(run.record().sizeDelivered, 1000);
}

TEST("a rest that cannot be joined on is refused before its first byte; a short one is not whole") {
  Server server;
  Bed bed;
  const std::string wrong = "Content-Range: bytes 399-999/1000\r\nETag: \"v\"\r\n";
  const std::string rest(600, 'x');
  Run refused{bed, begun(bed, server.url(answer(server, "206 Partial Content", wrong, rest)))};
  CHECK_EQ(refused.judge().next, Next::kAnew);
  CHECK_EQ(bed.bytes, 0U);
  CHECK_EQ(refused.record().resumedFrom, 0);
  // libcurl is told of the whole rest, and gets it; the file is short of a byte all the same.
  Run whole{bed, begun(bed, server.url(answer(server, "206 Partial Content", kRest, rest)))};
  CHECK_EQ(whole.judge().next, Next::kPublish);
  Run all{bed,
          begun(bed, server.url(answer(server, "416 No", "Content-Range: bytes */400\r\n", "")))};
  CHECK_EQ(all.judge().next, Next::kAnew);
}

TEST("details name the version whose bytes are in the .part now, of a failure too") {
  Server server;
  Bed bed;
  server.on(
      "/other",
      [](const Server::Request&) {
        return "HTTP/1.1 200 OK\r\nContent-Length: 600000\r\nETag: \"w\"\r\n\r\n" +
               std::string(300'000, 'x');
      },
      true);
  Run run{bed, begun(bed, server.url("/other"))};
  CHECK_EQ(run.judge().result, CURLE_PARTIAL_FILE);
  CHECK_EQ(run.transfer.details("short").version,
           "600000\t\"w\"\t\t" + bed.output.directory.part("a").id);
}

TEST("a file that had all its bytes is whole by a 416 that says so, whatever its page is") {
  Server server;
  RequestOptions options;
  options.maxFilesize = 450;
  Bed bed{options};
  const std::string lines = "Content-Range: bytes */400\r\nETag: \"v\"\r\n";
  auto target = begun(bed, server.url(answer(server, "416 No", lines, std::string(500, 'e'))));
  target->extras->version = mcurl::Version::parse("400\t\"v\"\t");
  Run run{bed, std::move(target)};
  CHECK_EQ(run.judge().next, Next::kPublish);
  CHECK_EQ(run.record().resumedFrom, 400);
  CHECK_EQ(run.record().sizeDownload, 0);
}

TEST("what has not changed since is told, when that was asked") {
  Server server;
  Bed bed;
  const auto asked = [&](const std::string& path) {
    auto target = bed.target(server.url(path));
    target->extras = std::make_unique<mcurl::Extras>();
    const std::string date = "Thu, 01 Jan 2026 00:00:00 GMT";
    target->extras->known = mcurl::Version::parse("5\t\"v\"\t" + date);
    CHECK_EQ(target->extras->known.lastModified, date);
    return target;
  };
  const auto unchanged = [&] { return answer(server, "304 Not Modified", "", ""); };
  const std::string path = unchanged();
  Run run{bed, asked(path)};
  CHECK_EQ(run.judge().reason, Reason::kNotModified);
  CHECK(has(server.request(path).head, "If-None-Match: \"v\"\r\n"));
  CHECK(has(server.request(path).head, "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT\r\n"));
  CHECK_EQ((Run{bed, asked("/bytes/5")}.judge().next), Next::kPublish);
  CHECK_EQ((Run{bed, server.url(unchanged())}.judge().reason), Reason::kHttp);
  auto target = bed.target(server.url(unchanged()));
  target->extras = std::make_unique<mcurl::Extras>();
  CHECK_EQ((Run{bed, std::move(target)}.judge().reason), Reason::kHttp);
  // What is here in part is asked for as that.
  target = begun(bed, server.url("/bytes/6"));
  target->extras->known = target->extras->version;
  Run{bed, std::move(target)}.judge();
  CHECK(!has(server.request("/bytes/6").head, "If-None-Match"));
}

TEST("a file gets the attributes that were asked for, and no password") {
  Server server;
  const std::string lines =
      "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n"
      "Content-Disposition: inline\r\n";
  std::string url = server.url(answer(server, "200 OK", lines, "x"));
  url.insert(url.find("127"), "me:pw@");
  {
    Bed bed;
    Run run{bed, url};
    run.judge();
    const mcurl::Attributes plain = run.transfer.attributes();
    CHECK(plain.url.empty() && plain.contentType.empty() && plain.version.empty());
    CHECK_EQ(plain.lastModified, -1);
    CHECK(!plain.isDurable && !plain.mayReplace);
    CHECK(!run.transfer.isUnnamed());
    CHECK_EQ(run.record().flags, 0);
    CHECK_EQ(run.transfer.details("").contentType, "text/plain");
    CHECK_EQ(run.transfer.details("").contentDisposition, "");
  }
  Bed bed{{}, {.durable = true, .remoteTime = true, .xattr = true, .remoteName = true}};
  auto target = bed.target(url);
  target->mayReplace = true;
  Run run{bed, std::move(target)};
  run.judge();
  const mcurl::Attributes all = run.transfer.attributes();
  CHECK_EQ(all.url, server.url("/own/0"));
  CHECK_EQ(all.contentType, "text/plain");
  CHECK(has(all.version, "1\t\t"));
  CHECK_EQ(all.lastModified, 1'767'225'600);
  CHECK(all.isDurable && all.mayReplace);
  CHECK(run.transfer.isUnnamed());
  CHECK_EQ(run.record().flags, 0 + mcurl::kUnnamed);
  CHECK_EQ(run.transfer.details("").contentDisposition, "inline");
}
