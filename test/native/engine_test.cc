// Whole jobs through Engine, on one loop and on several.
#include "../../native/core/engine.h"

#include <chrono>
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
