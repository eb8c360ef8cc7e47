// All loops as one: targets in, records out.
//
// Lifetime and thread rules:
// 1. All members are called from one thread, the owner's, unless said otherwise.
// 2. `wake` is called from any loop's thread and must only signal; see InfoQueue for when.
// 3. Each target added ends as exactly one record, except those that had not started when stop()
//    was called.
// 4. The destructor stops the loops and joins their threads.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "loop.h"

namespace mcurl {

struct EngineOptions {
  std::string directory;
  Limits limits;
  bool overwrite = false;
  bool keepDetails = false;
  RequestOptions request;
};

struct NewTarget {
  uint32_t id;
  double timeoutMs;
  bool isRetry;
  std::string url;
  std::string name;
};

class Engine {
 public:
  // Throws std::system_error for the directory, std::runtime_error for the libcurl,
  // std::invalid_argument for options.
  Engine(EngineOptions options, std::function<void()> wake);
  ~Engine();

  // Transfers at once: as asked, or as many as descriptors allow.
  unsigned jobs() const noexcept { return shared_.limits.jobs; }

  void add(std::vector<NewTarget> targets);
  size_t infoRead(Record* into, size_t max) { return shared_.infoQueue.read(into, max); }
  const Details* details(double id) { return shared_.infoQueue.details(id); }

  // Doubles before the first slot of a sample, and in each slot; src/native/binding.ts names them.
  static constexpr size_t kSampleHeader = 4;
  static constexpr size_t kSampleSize = 4;
  // Writes the header and as many running transfers as fit; returns how many.
  size_t sample(std::span<double> into) const;

  // Starts nothing more on the URL's host for that long.
  void pauseHost(const std::string& url, double pauseMs);

  // Ends all running transfers; returns at once, records follow, then one last wake.
  void stop() noexcept;
  // Waits for the loops' threads; after stop().
  void join() noexcept;

 private:
  void startLoops();

  Shared shared_;
  std::vector<std::unique_ptr<Loop>>
      loops_;  // by index; null until in use. Grown on the owner's thread only.
};

// Once a process, before any loop: curl_global_init(3).
void initLibcurl();

}  // namespace mcurl
