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
  std::string directory{};
  Limits limits{};
  bool overwrite = false;
  bool keepDetails = false;
  OutputOptions output{};
  RequestOptions request{};
};

struct NewTarget {
  uint32_t id = 0;
  double timeoutMs = 0;
  bool isRetry = false;
  std::string url{};
  std::string name{};
  double serial = -1;         // in the journal; -1: none
  bool isJournalled = false;  // its plan is there already
  std::string entry{};        // as the journal is to know it; empty: the URL
  std::unique_ptr<Extras> extras{};
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

  // Gives a body that lies whole in PARTOF.part its name. False with `error` set.
  bool publishAs(const char* partOf, const char* name, bool mayReplace, LocalError& error) const {
    const Output& output = shared_.output;
    const Attributes attributes{.isDurable = output.options.durable, .mayReplace = mayReplace};
    return output.directory.publishAs(partOf, name, attributes, error);
  }

  // The file system took no extended attributes.
  bool lacksAttributes() const noexcept { return shared_.output.directory.lacksAttributes(); }

  // Ends all running transfers; returns at once, records follow, then one last wake.
  void stop() noexcept;
  // Waits for the loops' threads; after stop().
  void join() noexcept;

 private:
  bool writePlans(const std::vector<NewTarget>& targets) const;
  void startLoops();

  Shared shared_;
  const bool overwrite_;
  std::vector<std::unique_ptr<Loop>>
      loops_;  // by index; null until in use. Grown on the owner's thread only.
};

// Once a process, before any loop: curl_global_init(3).
void initLibcurl();

}  // namespace mcurl
