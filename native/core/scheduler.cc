#include "scheduler.h"

#include <curl/curl.h>

#include <algorithm>
#include <utility>

#include "url.h"

namespace mcurl {
namespace {

using Scout = Host::OnLoop::Scout;

constexpr size_t kWaitingPerLoop = 16;
// Up to libcurl 8.19 each look-up is a thread.
constexpr unsigned kMaxScouts = 64;
constexpr unsigned kNoLoop = ~0U;

}  // namespace

Scheduler::Scheduler(Limits limits, std::function<void(unsigned)> wakeLoop)
    : wakeLoop_{std::move(wakeLoop)}, limits_{limits}, loads_(limits.loops), rings_(limits.loops) {}

Host& Scheduler::hostOf(std::string_view key, bool mayMultiplex) {
  const auto found = hosts_.find(key);
  if (found != hosts_.end()) return *found->second;
  auto host = std::make_unique<Host>();
  host->key = key;
  host->turn = turns_++;
  host->mayMultiplex = mayMultiplex;
  host->needsLookup = !isAddress(key);
  host->onLoop.resize(limits_.loops);
  return *hosts_.emplace(host->key, std::move(host)).first->second;
}

Host& Scheduler::file(Filing filing) {
  Host& host = hostOf(filing.hostKey, filing.mayMultiplex);
  filing.target->host = &host;
  if (filing.isFirst) {
    host.waiting.push_front(std::move(filing.target));
  } else {
    host.waiting.push_back(std::move(filing.target));
  }
  ++waiting_;
  return host;
}

void Scheduler::add(std::vector<Filing> filings) {
  std::lock_guard lock{mutex_};
  if (isClosed_) return;
  std::vector<Host*> woken;
  for (Filing& filing : filings) {
    Host& host = file(std::move(filing));
    if (host.waiting.size() == 1) woken.push_back(&host);
  }
  lowWater_ = waiting_ / 2;
  const auto wanted = (waiting_ + kWaitingPerLoop - 1) / kWaitingPerLoop;
  const size_t most = std::min(limits_.loops, limits_.jobs);  // lowerJobs() may have left few
  if (inUse_ < std::min(most, wanted)) {
    inUse_ = static_cast<unsigned>(std::min(most, wanted));
    for (auto& [key, host] : hosts_) enlist(*host, kNoLoop, 0);
  } else {
    for (Host* host : woken) enlist(*host, kNoLoop, 0);
  }
}

void Scheduler::giveBack(unsigned loop, Filing filing, bool narrow) {
  std::lock_guard lock{mutex_};
  if (isClosed_) return;
  Host& host = file(std::move(filing));
  Host::OnLoop& here = host.onLoop[loop];
  if (narrow && here.active > 0) {
    here.maxStreams = here.active;
  } else if (narrow && here.scout == Scout::kDone) {
    here = {.scout = Scout::kNeeded, .isListed = here.isListed};
  }
  enlist(host, loop, 0);
}

unsigned Scheduler::loopsInUse() const {
  std::lock_guard lock{mutex_};
  return inUse_;
}

// A cap split over the loops in use; whoever gets the remainder differs from host to host.
unsigned Scheduler::share(unsigned cap, unsigned loop, size_t turn) const {
  return cap / inUse_ + ((loop + turn) % inUse_ < cap % inUse_ ? 1 : 0);
}

bool Scheduler::isEligible(const Host& host, unsigned loop, uint64_t nowNs) const {
  if (host.waiting.empty() || host.pausedUntilNs > nowNs) return false;
  const Host::OnLoop& here = host.onLoop[loop];
  const unsigned connections = share(limits_.maxPerHost, loop, host.turn);
  if (connections == 0) return false;
  if ((host.mayMultiplex || host.needsLookup) && here.scout == Scout::kOut) return false;
  if (host.isMultiplexed) return here.active < here.maxStreams;
  return here.active < connections && host.active < limits_.maxPerHost;
}

void Scheduler::wake(unsigned loop) {
  if (!isClosed_) wakeLoop_(loop);
}

// Puts a host on the list of each loop that may serve it. `caller` looks at its own list anyway.
// With nowNs 0 a paused host stays off; take() looks at the pauses.
bool Scheduler::enlist(Host& host, unsigned caller, uint64_t nowNs) {
  bool isNew = false;
  for (unsigned loop = 0; loop < inUse_; ++loop) {
    if (host.onLoop[loop].isListed || !isEligible(host, loop, nowNs)) continue;
    host.onLoop[loop].isListed = true;
    rings_[loop].push_back(&host);
    if (loop != caller && std::exchange(loads_[loop].isHungry, false)) wake(loop);
    isNew = true;
  }
  return isNew;
}

Scheduler::Taken Scheduler::take(unsigned loop, uint64_t nowNs) {
  std::lock_guard lock{mutex_};
  while (!paused_.empty() && paused_.begin()->first <= nowNs) {
    Host* host = paused_.begin()->second;
    paused_.erase(paused_.begin());
    --host->pauses;
    if (host->pausedUntilNs > nowNs) continue;  // paused anew, for longer
    host->pausedUntilNs = 0;
    enlist(*host, loop, nowNs);
    forgetIdle(*host);
  }
  Taken taken;
  std::deque<Host*>& ring = rings_[loop];
  const unsigned room = share(limits_.jobs, loop, 0);
  while (!ring.empty() && active_ < limits_.jobs && loads_[loop].active < room) {
    Host& host = *ring.front();
    ring.pop_front();
    Host::OnLoop& here = host.onLoop[loop];
    here.isListed = false;
    if (!isEligible(host, loop, nowNs)) {
      forgetIdle(host);
      continue;
    }
    const bool isScout = (host.mayMultiplex || host.needsLookup) && here.scout == Scout::kNeeded;
    if (isScout) {
      if (scouts_ >= kMaxScouts) {
        if (!host.isAwaitingScout) scoutQueue_.push_back(&host);
        host.isAwaitingScout = true;
        continue;
      }
      here.scout = Scout::kOut;
      ++scouts_;
    }
    std::unique_ptr<Target> target = std::move(host.waiting.front());
    host.waiting.pop_front();
    target->isScout = isScout;
    --waiting_;
    ++active_;
    ++loads_[loop].active;
    ++host.active;
    ++here.active;
    taken.targets.push_back(std::move(target));
    if (isEligible(host, loop, nowNs)) {
      here.isListed = true;
      ring.push_back(&host);
    }
  }
  loads_[loop].isHungry = ring.empty();
  loads_[loop].isBlocked = active_ >= limits_.jobs && loads_[loop].active < room;
  if (waiting_ < lowWater_) {
    lowWater_ = 0;
    taken.isLow = true;
  }
  if (!paused_.empty()) taken.nextPauseEndNs = paused_.begin()->first;
  return taken;
}

void Scheduler::release(unsigned loop, std::vector<Released>& released) {
  if (released.empty()) return;
  std::lock_guard lock{mutex_};
  for (const auto& [host, wasScout] : released) {
    if (active_-- == limits_.jobs) {
      for (unsigned other = 0; other < inUse_; ++other) {
        if (other != loop && std::exchange(loads_[other].isBlocked, false)) wake(other);
      }
    }
    --loads_[loop].active;
    --host->active;
    --host->onLoop[loop].active;
    if (wasScout && host->onLoop[loop].scout == Scout::kOut) endScout(loop, *host);
    enlist(*host, loop, 0);
    forgetIdle(*host);
  }
  released.clear();
}

void Scheduler::endScout(unsigned loop, Host& host) {
  host.onLoop[loop].scout = Scout::kDone;
  --scouts_;
  // The place goes to the first host that still wants one.
  while (!scoutQueue_.empty()) {
    Host& next = *scoutQueue_.front();
    scoutQueue_.pop_front();
    next.isAwaitingScout = false;
    if (enlist(next, loop, 0)) return;
    if (&next != &host) forgetIdle(next);
  }
}

void Scheduler::scouted(unsigned loop, Host* host, long version) {
  std::lock_guard lock{mutex_};
  if (version != 0) host->isMultiplexed = version >= CURL_HTTP_VERSION_2_0;
  if (host->onLoop[loop].scout == Scout::kOut) endScout(loop, *host);
  enlist(*host, loop, 0);
}

void Scheduler::pause(std::string_view hostKey, bool mayMultiplex, uint64_t untilNs) {
  std::lock_guard lock{mutex_};
  Host& host = hostOf(hostKey, mayMultiplex);
  if (untilNs <= host.pausedUntilNs) return;
  host.pausedUntilNs = untilNs;
  ++host.pauses;
  paused_.emplace(untilNs, &host);
  wake(0);  // its timer serves the end of the pause
}

void Scheduler::lowerJobs() {
  std::lock_guard lock{mutex_};
  limits_.jobs = static_cast<unsigned>(std::clamp<size_t>(active_, inUse_, limits_.jobs));
}

void Scheduler::close() {
  std::lock_guard lock{mutex_};
  isClosed_ = true;
  for (auto& [key, host] : hosts_) host->waiting.clear();
  waiting_ = 0;
}

size_t Scheduler::waiting() const {
  std::lock_guard lock{mutex_};
  return waiting_;
}

Scheduler::Counts Scheduler::counts() const {
  std::lock_guard lock{mutex_};
  return {active_, waiting_};
}

// With a host goes what was learned of it; a list of ten million hosts must not stay in memory.
void Scheduler::forgetIdle(Host& host) {
  if (!host.waiting.empty() || host.active > 0 || host.pauses > 0 || host.isAwaitingScout) return;
  for (const Host::OnLoop& here : host.onLoop) {
    if (here.isListed) return;
  }
  hosts_.erase(host.key);
}

}  // namespace mcurl
