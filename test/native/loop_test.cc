// What becomes of a transfer on a loop: ends, redirects, retries for free, faults inside libcurl.
#include "../../native/core/loop.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "fault.h"
#include "job.h"
#include "server.h"
#include "test.h"

using mcurl::Reason;
using test::Ended;
using test::Job;
using test::JobOptions;
using test::Server;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A port that nobody listens on.
std::string deadUrl() { return Server{}.url("/bytes/1"); }

JobOptions with(void (*set)(mcurl::RequestOptions& request)) {
  JobOptions options;
  set(options.request);
  return options;
}

}  // namespace

TEST("failures are records that say why, and leave no name") {
  const struct {
    const char* path;
    Reason reason;
    CURLcode result;
    int responseCode;
  } rows[] = {
      {"/short/1000", Reason::kTransfer, CURLE_PARTIAL_FILE, 200},
      {"/short/600000", Reason::kTransfer, CURLE_PARTIAL_FILE, 200},
      {"/badchunk/1000", Reason::kTransfer, CURLE_RECV_ERROR, 200},
      {"/badchunk/600000", Reason::kTransfer, CURLE_RECV_ERROR, 200},
      {"/reset/1000", Reason::kTransfer, CURLE_RECV_ERROR, 200},
      {"/reset/600000", Reason::kTransfer, CURLE_RECV_ERROR, 200},
      {"/resethead", Reason::kTransfer, CURLE_RECV_ERROR, 0},
      {"/lengths/1000", Reason::kTransfer, CURLE_WEIRD_SERVER_REPLY, 200},
      {"/part/600000", Reason::kTransfer, CURLE_WEIRD_SERVER_REPLY, 206},
      {"/part/1000", Reason::kTransfer, CURLE_WEIRD_SERVER_REPLY, 206},
      {"/status/404", Reason::kHttp, CURLE_HTTP_RETURNED_ERROR, 404},
      {"/status/500", Reason::kHttp, CURLE_HTTP_RETURNED_ERROR, 500},
      {"/nothing", Reason::kHttp, CURLE_HTTP_RETURNED_ERROR, 404},
  };
  for (const auto& row : rows) {
    Server server;
    Job job;
    const Ended end = job.fetch(server.url(row.path));
    CHECK_EQ(end.reason(), row.reason);
    CHECK_EQ(end.record.responseCode, row.responseCode);
    CHECK_EQ(end.record.retryAfterMs, -1);
    CHECK(!end.details.error.empty());
    CHECK_EQ(end.details.urlEffective, server.url(row.path));
    CHECK(!job.scratch().has("0"));
    // What nobody wants is not written either.
    if (row.responseCode != 200) CHECK(job.scratch().names().empty());
    // A reset may also be seen as what it cut off; the others have one name.
    if (row.result != CURLE_RECV_ERROR) CHECK_EQ(end.result(), row.result);
    CHECK(end.result() != CURLE_OK);
  }
}

TEST("a refused connection is told, and so is where it was tried") {
  Job job;
  const Ended end = job.fetch(deadUrl());
  CHECK_EQ(end.reason(), Reason::kTransfer);
  CHECK_EQ(end.result(), CURLE_COULDNT_CONNECT);
  CHECK_EQ(end.record.numConnects, 0);
}

TEST("Retry-After crosses in milliseconds") {
  Server server;
  Job job;
  const Ended end = job.fetch(server.url("/status/429/7"));
  CHECK_EQ(end.record.responseCode, 429);
  CHECK_EQ(end.record.retryAfterMs, 7000);
}

TEST("a time limit holds over the wait for an answer") {
  Server server;
  Job job;
  job.add({.id = 0, .timeoutMs = 100, .url = server.url("/heldhead/5"), .name = "0"});
  const Ended end = job.await(1).at(0);
  CHECK_EQ(end.result(), CURLE_OPERATION_TIMEDOUT);
  CHECK(end.record.timeTotalUs >= 100'000);
}

TEST("an error page keeps its connection") {
  Server server;
  Job job{{.limits = {.jobs = 1, .maxPerHost = 1}}};
  for (int i = 0; i < 5; ++i) job.fetch(server.url("/status/404/" + std::to_string(i)));
  CHECK_EQ(server.connections(), 1U);
}

TEST("a body asked for in part is taken when a Range was sent") {
  Server server;
  Job job{with([](auto& request) { request.headers = {"Range: bytes=0-"}; })};
  CHECK_EQ(job.fetch(server.url("/part/1000")).reason(), Reason::kDone);
  CHECK(job.isWhole(0, "/part/1000", 1000));
}

// --- redirects

TEST("redirects are followed over hosts, one record for all") {
  Server first;
  Server second;
  Job job{{.keepDetails = true}};
  const Ended end = job.fetch(
      first.url("/to/" + second.authority() + "/to/" + first.authority() + "/bytes/1000"));
  CHECK_EQ(end.reason(), Reason::kDone);
  CHECK_EQ(end.record.numRedirects, 2);
  CHECK_EQ(end.details.urlEffective, first.url("/bytes/1000"));
  CHECK_EQ(end.record.remotePort, first.port());
  CHECK(end.record.timeRedirectUs > 0);
  CHECK(end.record.timeTotalUs >= end.record.timeRedirectUs);
  CHECK(job.isWhole(0, "/bytes/1000", 1000));
}

TEST("a circle ends at the limit") {
  Server server;
  Job job{with([](auto& request) { request.maxRedirs = 7; })};
  const Ended end = job.fetch(server.url("/circle"));
  CHECK_EQ(end.reason(), Reason::kRedirect);
  CHECK_EQ(end.result(), CURLE_TOO_MANY_REDIRECTS);
  CHECK_EQ(end.record.numRedirects, 7);
  CHECK_EQ(server.requests().size(), 8U);
  CHECK(has(end.details.error, "more than 7 redirects"));
}

TEST("a redirect to what must not be followed is refused") {
  Server server;
  Job job;
  const Ended end = job.fetch(server.url("/to/127.0.0.1:99999/x"));
  CHECK_EQ(end.reason(), Reason::kRedirect);
  CHECK(!end.details.error.empty());
}

TEST("what was given by hand stays with its host, port and all") {
  const auto headOver = [](bool isSameHost, bool isTrusted) {
    Server first;
    Server second;
    Server& last = isSameHost ? first : second;
    JobOptions options = with([](auto& request) {
      request.headers = {"X-Secret: 1", "Authorization: Bearer x", "Accept: image/png"};
      request.userAgent = "tester";
      request.referer = "http://from.test/";
      request.userpwd = "user:pass";
      request.cookie = "by=hand";
    });
    options.request.locationTrusted = isTrusted;
    Job job{std::move(options)};
    CHECK_EQ(job.fetch(first.url("/to/" + last.authority() + "/bytes/5")).reason(), Reason::kDone);
    for (const char* line :
         {"X-Secret: 1", "Authorization: ", "Cookie: by=hand", "Referer: http://from.test/"}) {
      CHECK(has(first.requests().at(0).head, line));
    }
    return last.request("/bytes/5").head;
  };
  for (const auto& [isSameHost, isTrusted] : {std::pair{true, false}, {false, true}}) {
    const std::string head = headOver(isSameHost, isTrusted);
    for (const char* line : {"X-Secret: 1", "Authorization: Bearer x", "Cookie: by=hand",
                             "Referer: ", "Accept: image/png"}) {
      CHECK(has(head, line));
    }
  }
  const std::string head = headOver(false, false);
  for (const char* line : {"X-Secret", "Authorization", "Cookie", "Referer"})
    CHECK(!has(head, line));
  CHECK(has(head, "Accept: image/png"));
  CHECK(has(head, "User-Agent: tester"));
}

TEST("cookies set on the way follow the rules of domains, not of ports") {
  Server first;
  Server samePlace;
  Server elsewhere{"127.0.0.2"};
  Job job;
  CHECK_EQ(job.fetch(first.url("/cookie/" + samePlace.authority() + "/to/" + elsewhere.authority() +
                               "/to/" + first.authority() + "/bytes/5"))
               .reason(),
           Reason::kDone);
  CHECK(!has(first.requests().at(0).head, "Cookie"));
  CHECK(has(samePlace.requests().at(0).head, "Cookie: name=value"));
  CHECK(!has(elsewhere.requests().at(0).head, "Cookie"));
  CHECK(has(first.request("/bytes/5").head, "Cookie: name=value"));
}

TEST("cookies of one target are not another's") {
  Server server;
  Job job;
  job.fetch(server.url("/cookie/" + server.authority() + "/bytes/5"));
  job.fetch(server.url("/bytes/6"));
  CHECK(has(server.request("/bytes/5").head, "Cookie: name=value"));
  CHECK(!has(server.request("/bytes/6").head, "Cookie"));
}

TEST("cookies of a file go where their domain says, on every hop") {
  Server first;
  Server elsewhere{"127.0.0.2"};
  Job job{with(
      [](auto& request) { request.cookieLines = {"127.0.0.2\tFALSE\t/\tFALSE\t0\tfrom\tfile"}; })};
  CHECK_EQ(job.fetch(first.url("/to/" + elsewhere.authority() + "/bytes/5")).reason(),
           Reason::kDone);
  CHECK(!has(first.requests().at(0).head, "Cookie"));
  CHECK(has(elsewhere.request("/bytes/5").head, "Cookie: from=file"));
}

TEST("a redirected transfer waits its turn under the next host's cap") {
  Server from;
  Server to;
  Job job{{.limits = {.jobs = 32, .maxPerHost = 2}}};
  std::vector<std::string> urls;
  for (int i = 0; i < 60; ++i)
    urls.push_back(from.url("/to/" + to.authority() + "/bytes/5000/" + std::to_string(i)));
  job.add(urls);
  for (const auto& [id, end] : job.await(60)) CHECK_EQ(end.reason(), Reason::kDone);
  CHECK(to.peak() <= 2);
  CHECK(from.peak() <= 2);
}

// --- connections

TEST("a connection is used again and again") {
  Server server;
  Job job{{.limits = {.jobs = 8, .maxPerHost = 3}}};
  std::vector<std::string> urls(300, server.url("/bytes/10"));
  job.add(urls);
  job.await(300);
  CHECK(server.connections() <= 3);
}

TEST("a reused connection that dies before the answer is tried once more, free of charge") {
  // libcurl itself tries five more of the idle connections, all of which die; then it gives up.
  constexpr unsigned kIdle = 8;
  Server server;
  Job job{{.limits = {.jobs = kIdle, .maxPerHost = kIdle}}};
  std::vector<std::string> held;
  for (unsigned i = 0; i < kIdle; ++i)
    held.push_back(server.url("/heldhead/1/" + std::to_string(i)));
  job.add(held);
  server.awaitHeld(kIdle);
  server.release();
  job.await(kIdle);
  CHECK_EQ(server.connections(), kIdle);

  const Ended end = job.fetch(server.url("/corpse/1000"));
  CHECK_EQ(end.reason(), Reason::kDone);
  CHECK((static_cast<unsigned>(end.record.flags) & mcurl::kFreshRetry) != 0);
  CHECK(job.isWhole(kIdle, "/corpse/1000", 1000));
  CHECK_EQ(server.connections(), kIdle + 1);
}

TEST("a fresh connection that dies is no free try") {
  Server server;
  Job job;
  const Ended end = job.fetch(server.url("/resethead"));
  CHECK_EQ(end.reason(), Reason::kTransfer);
  CHECK_EQ(static_cast<unsigned>(end.record.flags) & mcurl::kFreshRetry, 0U);
  CHECK_EQ(server.connections(), 1U);
}

TEST("a descriptor closed and opened again under its number is watched anew") {
  // Closed by the server after each answer, often while another opens: numbers come again at once.
  Server server;
  Job job{{.limits = {.jobs = 8, .maxPerHost = 8}}};
  constexpr size_t kCount = 1'500;
  std::vector<std::string> urls;
  const char* kinds[] = {"/last/", "/unframed/", "/reset/", "/bytes/"};
  for (size_t i = 0; i < kCount; ++i)
    urls.push_back(server.url(kinds[i % 4] + std::string{"3000/"} + std::to_string(i)));
  job.add(urls);
  for (const auto& [id, end] : job.await(kCount)) {
    CHECK_EQ(end.reason(), id % 4 == 2 ? Reason::kTransfer : Reason::kDone);
  }
  CHECK(server.connections() > kCount / 2);
}

TEST("out of descriptors, a transfer waits quietly for another to end and fails for none") {
  using namespace std::chrono_literals;
  Server server;
  Job job{{.limits = {.jobs = 8, .maxPerHost = 8}}};
  job.add({server.url("/heldhead/1"), server.url("/heldhead/2")});
  server.awaitHeld(2);
  {
    const fault::Armed armed{fault::socket, EMFILE};
    std::vector<std::string> urls;
    for (int i = 0; i < 20; ++i) urls.push_back(server.url("/bytes/100/" + std::to_string(i)));
    job.add(urls);
    while (fault::socket.fired() < 6) std::this_thread::yield();
    std::this_thread::sleep_for(50ms);  // in which nothing is to happen
    CHECK(fault::socket.fired() < 20);
    server.release();  // their two connections must do for all
    for (const auto& [id, end] : job.await(22)) CHECK_EQ(end.reason(), Reason::kDone);
  }
  CHECK_EQ(server.connections(), 2U);
}

TEST("without a single descriptor a transfer fails as the machine's fault") {
  Server server;
  Job job;
  const fault::Armed armed{fault::socket, EMFILE};
  const Ended end = job.fetch(server.url("/bytes/1"));
  CHECK_EQ(end.reason(), Reason::kLocal);
  CHECK_EQ(end.record.osErrno, EMFILE);
  CHECK(has(end.details.error, "open files"));
}

// --- faults inside libcurl

TEST("an error of socket_action interrupts what runs, once each, and all later transfers succeed") {
  for (const CURLMcode code :
       {CURLM_INTERNAL_ERROR, CURLM_OUT_OF_MEMORY, CURLM_ABORTED_BY_CALLBACK}) {
    Server server;
    Job job{{.limits = {.jobs = 6, .maxPerHost = 6}}};
    std::vector<std::string> held;
    for (int i = 0; i < 6; ++i) held.push_back(server.url("/held/300000/" + std::to_string(i)));
    job.add(held);
    server.awaitHeld(6);
    {
      const fault::Armed armed{fault::socketAction, code, 1, 1};
      server.release();
      for (const auto& [id, end] : job.await(6)) {
        CHECK_EQ(end.reason(), Reason::kInterrupted);
        CHECK(!job.scratch().has(std::to_string(id)));
      }
      CHECK_EQ(fault::socketAction.fired(), 1U);
    }
    for (int i = 0; i < 6; ++i) job.retry(i, held[i]);
    for (const auto& [id, end] : job.await(6)) {
      CHECK_EQ(end.reason(), Reason::kDone);
      CHECK(job.isWhole(id, "/held/300000/" + std::to_string(id), 300'000));
    }
  }
}

TEST("a transfer that cannot be added, and is alone, is interrupted too") {
  Server server;
  Job job;
  {
    const fault::Armed armed{fault::addHandle, CURLM_OUT_OF_MEMORY, 1, 1};
    CHECK_EQ(job.fetch(server.url("/bytes/5")).reason(), Reason::kInterrupted);
  }
  job.retry(0, server.url("/bytes/5"));
  CHECK_EQ(job.await(1).at(0).reason(), Reason::kDone);
}

TEST("faults again and again: each transfer ends once, and retries end well") {
  constexpr size_t kCount = 400;
  for (const auto& [fault, every] :
       {std::pair{&fault::socketAction, 37U}, {&fault::addHandle, 11U}}) {
    Server servers[2];
    Job job{{.limits = {.jobs = 16, .maxPerHost = 8, .loops = 2}}};
    std::vector<std::string> paths;
    std::vector<std::string> urls;
    for (size_t i = 0; i < kCount; ++i) {
      paths.push_back((i % 3 ? "/bytes/" : "/last/") + std::to_string(i % 9 ? 2'000 : 300'000) +
                      "/" + std::to_string(i));
      urls.push_back(servers[i % 2].url(paths[i]));
    }
    const fault::Armed armed{*fault, CURLM_INTERNAL_ERROR, every};
    job.add(urls);
    size_t left = kCount;
    size_t interrupted = 0;
    while (left > 0) {
      for (const auto& [id, end] : job.awaitSome()) {
        if (end.reason() == Reason::kInterrupted) {
          ++interrupted;
          job.retry(id, urls[id]);
        } else {
          CHECK_EQ(end.reason(), Reason::kDone);
          --left;
        }
      }
    }
    CHECK(interrupted > 0);
    for (size_t i = 0; i < kCount; ++i) {
      CHECK(job.isWhole(static_cast<uint32_t>(i), paths[i], i % 9 ? 2'000 : 300'000));
    }
    for (const Server& server : servers) CHECK(server.peak() <= 8 + interrupted);
  }
}

TEST("a fault while sinks finish leaves them to finish") {
  Server server;
  Job job{{.limits = {.jobs = 4, .maxPerHost = 4}}};
  std::vector<std::string> urls;
  for (int i = 0; i < 40; ++i) urls.push_back(server.url("/bytes/400000/" + std::to_string(i)));
  const fault::Armed armed{fault::socketAction, CURLM_INTERNAL_ERROR, 10};
  job.add(urls);
  for (const auto& [id, end] : job.await(40)) {
    const std::string path = "/bytes/400000/" + std::to_string(id);
    CHECK(end.reason() == Reason::kDone || end.reason() == Reason::kInterrupted);
    CHECK_EQ(job.scratch().has(std::to_string(id)), end.reason() == Reason::kDone);
    if (end.reason() == Reason::kDone) CHECK(job.isWhole(id, path, 400'000));
  }
  CHECK(fault::socketAction.fired() > 0);
}

TEST("a time-out that libcurl forgot is found by having it look after all") {
  curl_version_info_data old = *curl_version_info(CURLVERSION_NOW);
  old.version_num = 0x075801;
  const fault::Pretended pretended{old};
  Server server;
  Job job;
  job.add({.id = 0, .timeoutMs = 100, .url = server.url("/held/1000"), .name = "0"});
  server.awaitHeld(1);
  const fault::Armed armed{fault::timeOut, CURLM_OK};
  CHECK_EQ(job.await(1).at(0).result(), CURLE_OPERATION_TIMEDOUT);
}
