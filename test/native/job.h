// An engine over a scratch directory, and whoever reads its records: waits for wakes as JavaScript
// does.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../../native/core/engine.h"
#include "scratch.h"

namespace test {

struct Ended {
  mcurl::Record record;
  mcurl::Details details;  // empty when none were kept

  mcurl::Reason reason() const { return static_cast<mcurl::Reason>(record.reason); }
  CURLcode result() const { return static_cast<CURLcode>(record.result); }
};

struct JobOptions {
  mcurl::Limits limits{.jobs = 16, .maxPerHost = 16, .loops = 1};
  bool overwrite = false;
  bool keepDetails = false;
  mcurl::OutputOptions output = {};
  mcurl::RequestOptions request = {};
};

class Job {
 public:
  // In a directory of its own, or in one that is there.
  explicit Job(JobOptions options = {}, const std::string& directory = {});

  mcurl::Engine& engine() { return *engine_; }
  Scratch& scratch() { return scratch_; }

  // Adds a target named after its id, "0" for 0; ids count up. Returns the first id.
  uint32_t add(const std::vector<std::string>& urls);
  void retry(uint32_t id, const std::string& url);
  void add(mcurl::NewTarget target);

  // Reads until any have ended.
  std::map<uint32_t, Ended> awaitSome();
  // Reads until so many targets have ended since the last call; fails when one ends twice or none
  // does.
  std::map<uint32_t, Ended> await(size_t count);
  // The same for one URL by itself.
  Ended fetch(const std::string& url);
  // Stops, joins, and reads what is left.
  std::map<uint32_t, Ended> stop();

  // The file of a target, byte by byte, against what the server has at `path`.
  bool isWhole(uint32_t id, const std::string& path, size_t bytes);

  unsigned wakes() const;
  // Blocks until the engine has called `wake` more than `seen` times.
  void awaitWake(unsigned seen);
  // Reads what is there now.
  void read(std::map<uint32_t, Ended>& into);

 private:
  Scratch scratch_;
  uint32_t nextId_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable woken_;
  unsigned wakes_ = 0;  // guarded by mutex_
  std::unique_ptr<mcurl::Engine> engine_;
};

}  // namespace test
