#include "job.h"

#include <chrono>

#include "server.h"

namespace test {

using namespace std::chrono_literals;

Job::Job(JobOptions options, const std::string& directory)
    : engine_{std::make_unique<mcurl::Engine>(
          mcurl::EngineOptions{directory.empty() ? scratch_.path() : directory, options.limits,
                               options.overwrite, options.keepDetails, options.output,
                               std::move(options.request)},
          [this] {
            std::lock_guard lock{mutex_};
            ++wakes_;
            woken_.notify_all();
          })} {}

void Job::add(mcurl::NewTarget target) {
  nextId_ = std::max(nextId_, target.id + 1);
  std::vector<mcurl::NewTarget> targets;
  targets.push_back(std::move(target));
  engine_->add(std::move(targets));
}

uint32_t Job::add(const std::vector<std::string>& urls) {
  const uint32_t first = nextId_;
  std::vector<mcurl::NewTarget> targets;
  for (const std::string& url : urls) {
    const uint32_t id = nextId_++;
    targets.push_back({.id = id, .url = url, .name = std::to_string(id)});
  }
  engine_->add(std::move(targets));
  return first;
}

void Job::retry(uint32_t id, const std::string& url) {
  add({.id = id, .isRetry = true, .url = url, .name = std::to_string(id)});
}

void Job::read(std::map<uint32_t, Ended>& into) {
  mcurl::Record records[16];
  while (const size_t count = engine_->infoRead(records, std::size(records))) {
    for (size_t i = 0; i < count; ++i) {
      const auto id = static_cast<uint32_t>(records[i].id);
      const mcurl::Details* details = engine_->details(id);
      const bool isFirst =
          into.try_emplace(id, Ended{records[i], details ? *details : mcurl::Details{}}).second;
      if (!isFirst) throw Failure{"target " + std::to_string(id) + " ended twice"};
    }
  }
}

std::map<uint32_t, Ended> Job::awaitSome() {
  std::map<uint32_t, Ended> ended;
  for (;;) {
    const unsigned seen = wakes();
    read(ended);
    if (!ended.empty()) return ended;
    awaitWake(seen);
  }
}

std::map<uint32_t, Ended> Job::await(size_t count) {
  std::map<uint32_t, Ended> ended;
  while (ended.size() < count) {
    for (auto& [id, end] : awaitSome()) {
      if (!ended.try_emplace(id, std::move(end)).second) {
        throw Failure{"target " + std::to_string(id) + " ended twice"};
      }
    }
  }
  CHECK_EQ(ended.size(), count);
  return ended;
}

Ended Job::fetch(const std::string& url) {
  const uint32_t id = add(std::vector{url});
  return await(1).at(id);
}

std::map<uint32_t, Ended> Job::stop() {
  engine_->stop();
  engine_->join();
  std::map<uint32_t, Ended> ended;
  read(ended);
  return ended;
}

bool Job::isWhole(uint32_t id, const std::string& path, size_t bytes) {
  return scratch_.read(std::to_string(id)) == content(path, bytes);
}

unsigned Job::wakes() const {
  std::lock_guard lock{mutex_};
  return wakes_;
}

void Job::awaitWake(unsigned seen) {
  std::unique_lock lock{mutex_};
  if (!woken_.wait_for(lock, 20s, [&] { return wakes_ > seen; }))
    throw Failure{"no wake within 20 s"};
}

}  // namespace test
