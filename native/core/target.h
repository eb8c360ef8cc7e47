// A target on its way through the core: what JavaScript handed over, and what its redirects left.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "digest.h"
#include "resume.h"

namespace mcurl {

struct Host;

// What only a target that was redirected needs.
struct Hops {
  std::string firstUrl;
  std::string firstHostKey;
  std::vector<std::string> cookies;  // CURLINFO_COOKIELIST of the last hop
  unsigned count = 0;
  uint64_t redirectNs = 0;  // spent before the present hop
  long connects = 0;        // opened before the present hop
};

// What few targets need: those of an earlier run or attempt, and those with a checksum.
struct Extras {
  Version version{};  // that NAME.part holds bytes of; none: it starts over
  ResumeBy resumeBy = ResumeBy::kValidator;
  int64_t trustedBytes = -1;  // of NAME.part; -1: all
  bool mayHavePart = false;
  // The journal has a whole file of that size, and one of another is replaced; -1: it has none.
  int64_t doneBytes = -1;
  std::optional<Checksum> checksum{};
  Version known{};  // of the file that is there, for a conditional request
};

struct Target {
  uint32_t id = 0;
  double serial = -1;  // in the journal; -1: none
  std::string url;     // of the present hop
  std::string name;
  double timeoutMs = 0;
  Host* host = nullptr;  // of the present hop, while filed or running
  std::unique_ptr<Hops> hops;
  std::unique_ptr<Extras> extras;
  uint64_t queuedNs = 0;
  uint64_t startedNs = 0;  // first hop; 0: not yet
  bool isScout = false;
  bool isFreshRetry = false;  // a reused connection died under it; once a target
  bool wasPlanned = false;    // by an earlier run
  bool wasSeen = false;       // existing files were looked for
  bool mayReplace = false;    // a file that has its name
};

// Scheme, host and port; owned and guarded by the scheduler, but for what a loop may read of a
// running target's.
struct Host {
  std::string key;            // never changes
  bool mayMultiplex = false;  // never changes
  std::atomic<bool> isMultiplexed{false};
  bool needsLookup = false;
  size_t turn = 0;  // rotates the remainder of shares over the loops
  bool isAwaitingScout = false;
  uint64_t pausedUntilNs = 0;
  unsigned pauses = 0;  // entries in the scheduler's list of pauses
  unsigned active = 0;
  std::deque<std::unique_ptr<Target>> waiting;

  struct OnLoop {
    enum class Scout : uint8_t { kNeeded, kOut, kDone } scout = Scout::kNeeded;
    bool isListed = false;
    unsigned active = 0;
    unsigned maxStreams = 100;  // at once on a shared connection
  };
  std::vector<OnLoop> onLoop;
};

}  // namespace mcurl
