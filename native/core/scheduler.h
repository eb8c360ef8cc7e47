// Decides which waiting target starts next, on which loop (ARCHITECTURE.md, Scheduler).
//
// Threads: every member may be called from any thread; one lock guards all.
// 1. A Host lives while something of it waits or runs, or it is paused; a running Target keeps its
//    Host.
// 2. Targets of a host start in the order added; retries, and what a loop gives back, start first.
// 3. Hosts with work take turns, one target a turn.
// 4. A host's cap is shared out to the loops in use; each loop stays within its share, so the
//    shares' sum, the cap, holds without a loop asking another. While shares shrink, because a loop
//    starts, the total is what counts.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "target.h"

namespace mcurl {

struct Limits {
  unsigned jobs = 64;
  unsigned maxPerHost = 16;
  unsigned loops = 1;
  unsigned connections = 32;  // open on a loop, idle ones included
};

class Scheduler {
 public:
  // `wakeLoop` is called with the lock held when a loop that had nothing to do has work: it must
  // only signal. No more loops than jobs, so that each has room for one.
  Scheduler(Limits limits, std::function<void(unsigned loop)> wakeLoop);

  struct Filing {
    std::unique_ptr<Target> target;
    std::string_view hostKey;  // alive until the call returns
    bool mayMultiplex;         // the host's HTTP version has to be learned by a scout
    bool isFirst;              // before all that waits there
  };
  // Files targets under their hosts; counts more loops in as more waits.
  void add(std::vector<Filing> filings);
  // The same for one target that a loop gives back or redirects. `narrow`: the host's shared
  // connection took no more streams than run now on `loop`; when none runs it is gone, and the next
  // target is a scout again.
  void giveBack(unsigned loop, Filing filing, bool narrow);

  // Loops in use: one for each 16 waiting targets, up to the limit; it never falls.
  unsigned loopsInUse() const;

  struct Taken {
    std::vector<std::unique_ptr<Target>> targets;
    uint64_t nextPauseEndNs = 0;  // 0: no host is paused
    bool isLow = false;  // half of what waited after the last add is gone; said once an add
  };
  // What `loop` is to start now.
  Taken take(unsigned loop, uint64_t nowNs);

  struct Released {
    Host* host;
    bool wasScout;
  };
  // Targets that were taken do not run any more: their slots are free. Empties `released`.
  void release(unsigned loop, std::vector<Released>& released);

  // The scout of a host on `loop` has learned what it was sent for (`version`: CURL_HTTP_VERSION_*,
  // or 0 when only its name was to be looked up), or has failed. The others may start.
  void scouted(unsigned loop, Host* host, long version);

  // Starts nothing more on a host until then.
  void pause(std::string_view hostKey, bool mayMultiplex, uint64_t untilNs);

  // The machine has no more descriptors: never again more transfers at once than now.
  void lowerJobs();

  // Drops all that waits and whatever comes later; wakes no loop any more.
  void close();

  size_t waiting() const;
  struct Counts {
    size_t active;
    size_t waiting;
  };
  // Both of one moment: nothing is on its way from one to the other.
  Counts counts() const;

 private:
  // Lets a host be found by a piece of its target's URL.
  struct KeyHash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  Host& hostOf(std::string_view key, bool mayMultiplex);
  Host& file(Filing filing);
  bool isEligible(const Host& host, unsigned loop, uint64_t nowNs) const;
  unsigned share(unsigned cap, unsigned loop, size_t turn) const;
  void wake(unsigned loop);
  // True when some loop's list is longer for it.
  bool enlist(Host& host, unsigned caller, uint64_t nowNs);
  void endScout(unsigned loop, Host& host);
  void forgetIdle(Host& host);

  struct Load {
    unsigned active = 0;
    bool isHungry = false;   // it had room and found nothing
    bool isBlocked = false;  // it had room while the whole had none
  };

  const std::function<void(unsigned)> wakeLoop_;
  mutable std::mutex mutex_;  // guards all below
  Limits limits_;
  std::unordered_map<std::string, std::unique_ptr<Host>, KeyHash, std::equal_to<>> hosts_;
  std::vector<Load> loads_;
  std::vector<std::deque<Host*>> rings_;  // hosts with work, by loop
  std::deque<Host*> scoutQueue_;          // hosts that wait for a place among the scouts
  std::multimap<uint64_t, Host*> paused_;
  unsigned inUse_ = 1;
  size_t turns_ = 0;
  size_t waiting_ = 0;
  size_t active_ = 0;
  unsigned scouts_ = 0;
  size_t lowWater_ = 0;
  bool isClosed_ = false;
};

}  // namespace mcurl
