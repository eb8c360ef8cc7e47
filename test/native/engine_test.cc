// Whole jobs through Engine, on one loop and on several.
#include "../../native/core/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "job.h"
#include "server.h"
#include "test.h"

using mcurl::Reason;
using test::Ended;
using test::Job;
using test::JobOptions;
using test::Server;

namespace {

double nowS() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Every kind of body that is whole, of all sizes about what a sink changes its mind at.
void fetchMany(unsigned loops, size_t count) {
  static constexpr const char* kKinds[] = {"/bytes/", "/chunked/", "/unframed/", "/last/",
                                           "/corpse/"};
  Server servers[2];
  Job job{{.limits = {.jobs = 32, .maxPerHost = 12, .loops = loops}}};
  std::vector<std::string> urls;
  std::vector<std::string> paths;
  std::vector<size_t> sizes;
  for (size_t i = 0; i < count; ++i) {
    sizes.push_back(i % 50 == 0 ? 300'000 + i : i % 7 == 0 ? i % 3 : i * 13 % 20'000);
    paths.push_back(kKinds[i % 5] + std::to_string(sizes[i]) + "/" + std::to_string(i));
    urls.push_back(servers[i % 2].url(paths[i]));
  }
  job.add(urls);
  const auto ended = job.await(count);
  for (const auto& [id, end] : ended) {
    CHECK_EQ(end.reason(), Reason::kDone);
    CHECK_EQ(end.record.sizeDelivered, static_cast<double>(sizes[id]));
    CHECK_EQ(end.record.responseCode, 200);
    const bool isUnverified = (static_cast<unsigned>(end.record.flags) & mcurl::kUnverified) != 0;
    CHECK_EQ(isUnverified, paths[id].starts_with("/unframed"));
    CHECK(job.isWhole(id, paths[id], sizes[id]));
  }
  CHECK_EQ(job.scratch().names().size(), count);
  for (const Server& server : servers) CHECK(server.peak() <= 12);
}

}  // namespace

TEST("thousands of small bodies on one loop, every byte") { fetchMany(1, 2'000); }

TEST("thousands of small bodies on three loops, every byte") { fetchMany(3, 2'000); }

TEST("a short list is fetched by one loop and a long one by all, under the same caps") {
  Server server;
  Job job{{.limits = {.jobs = 12, .maxPerHost = 7, .loops = 4}}};
  std::vector<std::string> urls;
  for (int i = 0; i < 600; ++i) urls.push_back(server.url("/bytes/2000/" + std::to_string(i)));
  job.add(urls);
  job.await(600);
  CHECK(server.peak() <= 7);
  CHECK(server.peak() >= 2);
}

TEST("all jobs run at once, and no more") {
  Server servers[3];
  Job job{{.limits = {.jobs = 10, .maxPerHost = 8, .loops = 2}}};
  std::vector<std::string> urls;
  for (int i = 0; i < 60; ++i)
    urls.push_back(servers[i % 3].url("/heldhead/10/" + std::to_string(i)));
  job.add(urls);
  double sample[mcurl::Engine::kSampleHeader];
  do {
    job.engine().sample(sample);
  } while (sample[1] < 10);
  CHECK_EQ(sample[2], 50);
  for (Server& server : servers) server.release();
  job.await(60);
  do {  // a place is free a moment after its record is out
    job.engine().sample(sample);
  } while (sample[1] + sample[2] > 0);
}

TEST("one wake until a read has returned 0") {
  Server server;
  Job job{{.limits = {.jobs = 4, .maxPerHost = 4}}};
  std::vector<std::string> urls(200, server.url("/bytes/10"));
  job.add(urls);
  job.awaitWake(0);
  // Whatever ends meanwhile wakes nobody.
  double sample[mcurl::Engine::kSampleHeader];
  do {
    job.engine().sample(sample);
  } while (sample[1] + sample[2] + sample[3] > 0);
  CHECK_EQ(job.wakes(), 1U);
  std::map<uint32_t, Ended> ended;
  job.read(ended);
  CHECK_EQ(ended.size(), 200U);
  CHECK_EQ(job.wakes(), 1U);
  job.fetch(server.url("/bytes/10"));
  CHECK(job.wakes() >= 2);
}

TEST("low water wakes while nothing has ended yet") {
  Server server;
  Job job{{.limits = {.jobs = 8, .maxPerHost = 8}}};
  std::vector<std::string> urls(10, server.url("/heldhead/1"));
  job.add(urls);
  job.awaitWake(0);
  std::map<uint32_t, Ended> ended;
  job.read(ended);
  CHECK(ended.empty());
  server.release();
  job.await(10);
}

TEST("what was there before is told and not fetched; with overwrite it is replaced") {
  Server server;
  for (const bool overwrite : {false, true}) {
    JobOptions options;
    options.overwrite = overwrite;
    test::Scratch scratch;
    scratch.write("0", "old");
    scratch.write("other", "old");
    Job job{std::move(options), scratch.path()};
    const Ended end = job.fetch(server.url("/bytes/700"));
    CHECK_EQ(end.reason(), overwrite ? Reason::kDone : Reason::kExists);
    CHECK_EQ(scratch.read("0"), overwrite ? test::content("/bytes/700", 700) : "old");
    CHECK_EQ(scratch.names().size(), 2U);
  }
  CHECK_EQ(server.requests().size(), 1U);
}

TEST("a retry does not take what its target left for an old file") {
  Server server;
  test::Scratch scratch;
  scratch.write("0", "old");
  Job job{{}, scratch.path()};
  job.retry(0, server.url("/bytes/7"));
  const Ended end = job.await(1).at(0);
  CHECK_EQ(end.reason(), Reason::kLocal);  // the name is taken: a failure, never a skip
  CHECK_EQ(end.record.osErrno, EEXIST);
}

TEST("a directory that cannot be opened is misuse") {
  try {
    mcurl::Engine engine{{.directory = "/nowhere/at/all"}, [] {}};
    CHECK(!"opened");
  } catch (const std::system_error& error) {
    CHECK_EQ(error.code().value(), ENOENT);
  }
}

TEST("a URL that libcurl reads otherwise is refused, the others go on") {
  Server server;
  Job job;
  job.add({"http://127.0.0.1:99999/", server.url("/bytes/5"), "http://a b/", "nonsense",
           "http://EXAMPLE.test:" + std::to_string(server.port()) + "/"});
  const auto ended = job.await(5);
  for (const uint32_t id : {0U, 2U, 3U, 4U}) {
    CHECK_EQ(ended.at(id).reason(), Reason::kUrl);
    CHECK_EQ(ended.at(id).result(), CURLE_URL_MALFORMAT);
    CHECK(!ended.at(id).details.error.empty());
  }
  CHECK_EQ(ended.at(1).reason(), Reason::kDone);
}

TEST("details are kept of failures, and of all when asked for") {
  Server server;
  for (const bool keepDetails : {false, true}) {
    JobOptions options;
    options.keepDetails = keepDetails;
    Job job{std::move(options)};
    const Ended done = job.fetch(server.url("/bytes/5"));
    CHECK_EQ(done.details.urlEffective, keepDetails ? server.url("/bytes/5") : "");
    CHECK_EQ(done.details.remoteIp, keepDetails ? "127.0.0.1" : "");
    CHECK_EQ(done.record.numConnects, keepDetails ? 1 : 0);
    const Ended failed = job.fetch(server.url("/short/500"));
    CHECK_EQ(failed.details.urlEffective, server.url("/short/500"));
    CHECK(!failed.details.error.empty());
  }
}

TEST("a sample shows what runs, and how far it is") {
  Server server;
  Job job{{.limits = {.jobs = 4, .maxPerHost = 4}}};
  job.add({server.url("/held/400000"), server.url("/heldhead/5")});
  server.awaitHeld(2);
  double sample[mcurl::Engine::kSampleHeader + 4 * mcurl::Engine::kSampleSize];
  size_t count = 0;
  do {
    count = job.engine().sample(sample);
  } while (sample[0] < 200'000);
  CHECK_EQ(count, 2U);
  CHECK_EQ(sample[0], 200'000);
  CHECK_EQ(sample[1], 2);
  for (size_t slot = 0; slot < 2; ++slot) {
    const double* at = sample + mcurl::Engine::kSampleHeader + slot * mcurl::Engine::kSampleSize;
    CHECK_EQ(at[1], at[0] == 0 ? 200'000 : 0);
    CHECK_EQ(at[2], at[0] == 0 ? 400'000 : -1);
    CHECK(at[3] > 0);
  }
  // Less room than slots, and none at all.
  CHECK_EQ(job.engine().sample({sample, mcurl::Engine::kSampleHeader + mcurl::Engine::kSampleSize}),
           1U);
  CHECK_EQ(job.engine().sample({sample, mcurl::Engine::kSampleHeader}), 0U);
  CHECK_EQ(job.engine().sample({sample, 1}), 0U);
  server.release();
  job.await(2);
  CHECK_EQ(job.engine().sample(sample), 0U);
  CHECK_EQ(sample[0], 400'005);
}

TEST("a paused host starts nothing for that long; others go on") {
  Server paused;
  Server other;
  Job job;
  job.engine().pauseHost(paused.url("/any/path"), 300);
  const double start = nowS();
  const uint32_t late = job.add({paused.url("/bytes/5")});
  CHECK_EQ(job.fetch(other.url("/bytes/6")).reason(), Reason::kDone);
  CHECK_EQ(paused.connections(), 0U);
  CHECK_EQ(job.await(1).at(late).reason(), Reason::kDone);
  CHECK(nowS() - start >= 0.29);
  // Nonsense pauses nothing and harms nothing.
  job.engine().pauseHost("nonsense", 1e9);
  job.engine().pauseHost(paused.url("/"), -1);
  CHECK_EQ(job.fetch(paused.url("/bytes/7")).reason(), Reason::kDone);
}

TEST("names are looked up where --resolve says, by a scout first") {
  Server server;
  const std::string port = std::to_string(server.port());
  JobOptions options{.limits = {.jobs = 16, .maxPerHost = 4, .loops = 2}};
  for (int i = 0; i < 20; ++i)
    options.request.resolve.push_back("h" + std::to_string(i) + ".test:" + port + ":127.0.0.1");
  Job job{std::move(options)};
  std::vector<std::string> urls;
  for (int i = 0; i < 400; ++i)
    urls.push_back("http://h" + std::to_string(i % 20) + ".test:" + port + "/bytes/50/" +
                   std::to_string(i));
  job.add(urls);
  for (const auto& [id, end] : job.await(400)) CHECK_EQ(end.reason(), Reason::kDone);
}

// --- leaving

TEST("stop in the midst: all that ran is a record, what waited is not, and it is quick") {
  for (const unsigned loops : {1U, 3U}) {
    Server server;
    Job job{{.limits = {.jobs = 9, .maxPerHost = 9, .loops = loops}}};
    std::vector<std::string> urls;
    for (int i = 0; i < 100; ++i)
      urls.push_back(server.url((i % 2 ? "/held/300000/" : "/heldhead/5/") + std::to_string(i)));
    job.add(urls);
    server.awaitHeld(9);
    const double start = nowS();
    const auto ended = job.stop();
    CHECK(nowS() - start < 2);
    CHECK_EQ(ended.size(), 9U);
    for (const auto& [id, end] : ended) {
      CHECK_EQ(end.reason(), Reason::kStopped);
      CHECK(!job.scratch().has(std::to_string(id)));
    }
    CHECK(job.wakes() > 0);
  }
}

TEST("stop at once, stop twice, and add after it") {
  Server server;
  Job job{{.limits = {.jobs = 4, .maxPerHost = 4, .loops = 2}}};
  job.engine().stop();
  job.engine().stop();
  job.add(std::vector<std::string>(50, server.url("/bytes/5")));
  CHECK_EQ(job.stop().size(), 0U);
  CHECK_EQ(job.scratch().names().size(), 0U);
}

TEST("stop while targets end, hop and are published: each is whole, or stopped, or never began") {
  for (int round = 0; round < 12; ++round) {
    Server servers[2];
    Job job{{.limits = {.jobs = 16, .maxPerHost = 16, .loops = 2}}};
    std::vector<std::string> urls;
    std::vector<std::string> paths;
    for (int i = 0; i < 300; ++i) {
      paths.push_back("/bytes/" + std::to_string(i % 4 ? 3'000 : 300'000) + "/" +
                      std::to_string(i));
      urls.push_back(
          servers[i % 2].url((i % 5 ? "" : "/to/" + servers[(i + 1) % 2].authority()) + paths[i]));
    }
    job.add(urls);
    std::map<uint32_t, Ended> ended = round == 0 ? std::map<uint32_t, Ended>{} : job.awaitSome();
    ended.merge(job.stop());
    size_t done = 0;
    for (const auto& [id, end] : ended) {
      CHECK(end.reason() == Reason::kDone || end.reason() == Reason::kStopped);
      CHECK_EQ(job.scratch().has(std::to_string(id)), end.reason() == Reason::kDone);
      if (end.reason() != Reason::kDone) continue;
      ++done;
      CHECK(job.isWhole(id, paths[id], id % 4 ? 3'000 : 300'000));
    }
    const auto names = job.scratch().names();
    CHECK_EQ(std::count_if(names.begin(), names.end(),
                           [](const auto& name) { return !name.ends_with(".part"); }),
             static_cast<long>(done));
  }
}

TEST("the last wake comes when all loops have ended") {
  Server server;
  Job job{{.limits = {.jobs = 4, .maxPerHost = 4, .loops = 2}}};
  job.add(std::vector<std::string>(40, server.url("/bytes/5")));
  job.await(40);
  std::map<uint32_t, Ended> none;
  job.read(none);  // arms it
  const unsigned before = job.wakes();
  job.engine().stop();
  job.awaitWake(before);
  job.engine().join();
  CHECK_EQ(job.stop().size() + none.size(), 0U);
}

TEST("an engine may be destroyed in mid-job, or before it began") {
  Server server;
  for (int round = 0; round < 10; ++round) {
    Job job{{.limits = {.jobs = 8, .maxPerHost = 8, .loops = 3}}};
    if (round > 0) job.add(std::vector<std::string>(200, server.url("/bytes/20000")));
    if (round > 5) job.awaitSome();
  }
  Server holding;
  Job job;
  job.add({holding.url("/held/300000"), holding.url("/heldhead/1")});
  holding.awaitHeld(2);
}

TEST("two engines at once do not know of each other") {
  Server server;
  std::optional<Job> jobs[2];
  for (auto& job : jobs) {
    job.emplace(JobOptions{.limits = {.jobs = 8, .maxPerHost = 4, .loops = 2}});
    std::vector<std::string> urls;
    for (int i = 0; i < 300; ++i) urls.push_back(server.url("/bytes/1000/" + std::to_string(i)));
    job->add(urls);
  }
  for (const auto& [id, end] : jobs[0]->await(300)) CHECK_EQ(end.reason(), Reason::kDone);
  for (const auto& [id, end] : jobs[1]->await(300)) {
    CHECK(jobs[1]->isWhole(id, "/bytes/1000/" + std::to_string(id), 1'000));
  }
}

TEST("targets are added while others run, from an empty list to a full one and back") {
  Server server;
  Job job{{.limits = {.jobs = 6, .maxPerHost = 3, .loops = 2}}};
  size_t left = 0;
  for (int batch = 0; batch < 40; ++batch) {
    const size_t count = batch % 4 == 0 ? 1 : 40;
    job.add(std::vector<std::string>(count, server.url("/bytes/100")));
    left += count;
    if (batch % 3 == 0) {
      left -= job.await(left).size();
    } else {
      left -= job.awaitSome().size();
    }
  }
  if (left > 0) job.await(left);
  CHECK(server.peak() <= 3);
}
