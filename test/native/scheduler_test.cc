#include "../../native/core/scheduler.h"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "test.h"

using mcurl::Host;
using mcurl::Limits;
using mcurl::Scheduler;
using mcurl::Target;

namespace {

using Ids = std::vector<uint32_t>;

// A filing only views its host key.
Scheduler::Filing filing(uint32_t id, const std::string& host, bool isFirst = false,
                         bool mayMultiplex = false) {
  static std::set<std::string> keys;
  auto target = std::make_unique<Target>();
  target->id = id;
  return {std::move(target), *keys.insert(host).first, mayMultiplex, isFirst};
}

std::string show(const Ids& ids) {
  std::string text;
  for (const uint32_t id : ids) text += std::to_string(id) + " ";
  return text;
}

// A loop hands back all that ended in a batch of events at once; most tests play one end at a time.
void release(Scheduler& scheduler, unsigned loop, Host* host, bool wasScout) {
  std::vector<Scheduler::Released> released{{host, wasScout}};
  scheduler.release(loop, released);
  CHECK(released.empty());
}

// A scheduler and what runs of it, by hand.
struct Bed {
  explicit Bed(Limits limits)
      : wakes(limits.loops), scheduler{limits, [this](unsigned loop) { ++wakes[loop]; }} {}

  void add(const std::string& host, const Ids& ids, bool isFirst = false,
           bool mayMultiplex = false) {
    std::vector<Scheduler::Filing> filings;
    for (const uint32_t id : ids) filings.push_back(filing(id, host, isFirst, mayMultiplex));
    scheduler.add(std::move(filings));
  }

  // The ids that start, in order.
  Ids take(unsigned loop = 0, uint64_t nowNs = 1) {
    last = scheduler.take(loop, nowNs);
    Ids ids;
    for (std::unique_ptr<Target>& target : last.targets) {
      ids.push_back(target->id);
      running.try_emplace(ids.back(), loop, std::move(target));
    }
    return ids;
  }

  Target& target(uint32_t id) { return *running.at(id).second; }

  void end(uint32_t id) {
    const auto [loop, target] = std::move(running.extract(id).mapped());
    release(scheduler, loop, target->host, target->isScout);
  }

  void scouted(uint32_t id, long version) {
    const unsigned loop = running.at(id).first;
    target(id).isScout = false;
    scheduler.scouted(loop, target(id).host, version);
  }

  std::vector<unsigned> wakes;
  Scheduler scheduler;
  Scheduler::Taken last;
  std::map<uint32_t, std::pair<unsigned, std::unique_ptr<Target>>> running;
};

constexpr const char* kA = "http://127.0.0.1:1";
constexpr const char* kB = "http://127.0.0.1:2";
constexpr const char* kC = "http://127.0.0.1:3";
constexpr const char* kNamed = "http://a.test";

Ids range(uint32_t first, uint32_t count) {
  Ids ids(count);
  for (uint32_t i = 0; i < count; ++i) ids[i] = first + i;
  return ids;
}

}  // namespace

TEST("targets of a host start in the order added") {
  Bed bed{{.jobs = 8, .maxPerHost = 2}};
  bed.add(kA, {1, 2, 3});
  bed.add(kA, {4, 5});
  CHECK_EQ(show(bed.take()), show({1, 2}));
  CHECK_EQ(show(bed.take()), "");
  bed.end(2);
  CHECK_EQ(show(bed.take()), show({3}));
  bed.end(1);
  bed.end(3);
  CHECK_EQ(show(bed.take()), show({4, 5}));
  CHECK_EQ(bed.scheduler.waiting(), 0U);
  CHECK_EQ(bed.scheduler.counts().active, 2U);
}

TEST("hosts take turns, one target a turn") {
  Bed bed{{.jobs = 64, .maxPerHost = 3}};
  bed.add(kA, {1, 2, 3, 4});
  bed.add(kB, {11});
  bed.add(kC, {21, 22, 23, 24});
  CHECK_EQ(show(bed.take()), show({1, 11, 21, 2, 22, 3, 23}));
}

TEST("the turn goes on where it was when the room was full") {
  Bed bed{{.jobs = 2, .maxPerHost = 2}};
  bed.add(kA, {1, 2, 3});
  bed.add(kB, {11, 12, 13});
  bed.add(kC, {21, 22, 23});
  CHECK_EQ(show(bed.take()), show({1, 11}));
  bed.end(1);
  CHECK_EQ(show(bed.take()), show({21}));
  bed.end(11);
  CHECK_EQ(show(bed.take()), show({2}));
}

TEST("a host at its cap does not hold up another") {
  Bed bed{{.jobs = 64, .maxPerHost = 1}};
  bed.add(kA, {1, 2});
  CHECK_EQ(show(bed.take()), show({1}));
  bed.add(kB, {11, 12});
  CHECK_EQ(show(bed.take()), show({11}));
}

TEST("retries and what was given back start first") {
  Bed bed{{.jobs = 8, .maxPerHost = 1}};
  bed.add(kA, {1, 2});
  bed.add(kA, {3}, true);
  CHECK_EQ(show(bed.take()), show({3}));
  std::unique_ptr<Target> target = std::move(bed.running.at(3).second);
  release(bed.scheduler, 0, target->host, false);
  bed.running.clear();
  bed.scheduler.giveBack(0, {std::move(target), kA, false, true}, false);
  CHECK_EQ(show(bed.take()), show({3}));
  bed.end(3);
  CHECK_EQ(show(bed.take()), show({1}));
}

TEST("one loop for each 16 that wait, and never fewer again") {
  Bed bed{{.jobs = 64, .maxPerHost = 64, .loops = 3}};
  bed.add(kA, range(0, 16));
  CHECK_EQ(bed.scheduler.loopsInUse(), 1U);
  bed.add(kA, {16});
  CHECK_EQ(bed.scheduler.loopsInUse(), 2U);
  bed.add(kA, range(100, 1000));
  CHECK_EQ(bed.scheduler.loopsInUse(), 3U);
  while (!bed.take(0).empty() || !bed.take(1).empty() || !bed.take(2).empty()) {
    while (!bed.running.empty()) bed.end(bed.running.begin()->first);
  }
  bed.add(kA, {2000});
  CHECK_EQ(bed.scheduler.loopsInUse(), 3U);
}

TEST("a host's cap is handed out in shares that add up to it") {
  for (unsigned cap = 1; cap <= 9; ++cap) {
    Bed bed{{.jobs = 64, .maxPerHost = cap, .loops = 4}};
    bed.add(kA, range(0, 100));
    size_t active = 0;
    for (unsigned loop = 0; loop < 4; ++loop) {
      const size_t share = bed.take(loop).size();
      CHECK(share == cap / 4 || share == cap / 4 + 1);
      active += share;
    }
    CHECK_EQ(active, cap);
  }
}

TEST("hosts with a cap of one are spread over the loops") {
  Bed bed{{.jobs = 64, .maxPerHost = 1, .loops = 2}};
  for (uint32_t host = 0; host < 40; ++host)
    bed.add("http://127.0.0.1:" + std::to_string(host + 1), {host});
  CHECK_EQ(bed.take(0).size(), 20U);
  CHECK_EQ(bed.take(1).size(), 20U);
}

TEST("all jobs are handed out in shares too") {
  Bed bed{{.jobs = 7, .maxPerHost = 7, .loops = 2}};
  bed.add(kA, range(0, 50));
  bed.add(kB, range(100, 50));
  CHECK_EQ(bed.take(0).size(), 4U);
  CHECK_EQ(bed.take(1).size(), 3U);
  CHECK_EQ(bed.scheduler.counts().active, 7U);
}

TEST("while another loop comes into use, the cap holds") {
  Bed bed{{.jobs = 64, .maxPerHost = 4, .loops = 2}};
  bed.add(kA, range(0, 10));
  CHECK_EQ(bed.take(0).size(), 4U);
  bed.add(kA, range(10, 90));
  CHECK_EQ(bed.scheduler.loopsInUse(), 2U);
  CHECK_EQ(bed.take(1).size(), 0U);
  bed.end(0);
  CHECK_EQ(bed.wakes[1], 1U);
  CHECK_EQ(bed.take(0).size(), 0U);
  CHECK_EQ(bed.take(1).size(), 1U);
}

TEST("a paused host starts nothing until then; others go on") {
  Bed bed{{.jobs = 64, .maxPerHost = 2}};
  bed.add(kA, {1, 2, 3});
  CHECK_EQ(bed.take(0, 10).size(), 2U);
  bed.scheduler.pause(kA, false, 1000);
  bed.add(kB, {11});
  bed.end(1);
  CHECK_EQ(show(bed.take(0, 20)), show({11}));
  CHECK_EQ(bed.last.nextPauseEndNs, 1000U);
  CHECK_EQ(show(bed.take(0, 999)), "");
  CHECK_EQ(show(bed.take(0, 1000)), show({3}));
  CHECK_EQ(bed.last.nextPauseEndNs, 0U);
}

TEST("a longer pause replaces a shorter one, a shorter one changes nothing") {
  Bed bed{{.jobs = 64, .maxPerHost = 2}};
  bed.scheduler.pause(kA, false, 1000);
  bed.scheduler.pause(kA, false, 5000);
  bed.scheduler.pause(kA, false, 2000);
  bed.add(kA, {1});
  CHECK_EQ(show(bed.take(0, 2000)), "");
  CHECK_EQ(show(bed.take(0, 4999)), "");
  CHECK_EQ(bed.last.nextPauseEndNs, 5000U);
  CHECK_EQ(show(bed.take(0, 5000)), show({1}));
}

TEST("a pause outlives all that its host had to do") {
  Bed bed{{.jobs = 64, .maxPerHost = 2}};
  bed.add(kA, {1});
  bed.take(0, 1);
  bed.scheduler.pause(kA, false, 1000);
  bed.end(1);
  bed.add(kA, {2}, true);
  CHECK_EQ(show(bed.take(0, 2)), "");
  CHECK_EQ(show(bed.take(0, 1000)), show({2}));
}

TEST("the end of a pause wakes every loop that may serve the host") {
  Bed bed{{.jobs = 64, .maxPerHost = 4, .loops = 2}};
  bed.scheduler.pause(kA, false, 1000);
  bed.add(kA, range(0, 40));
  CHECK_EQ(bed.take(0, 1).size(), 0U);
  CHECK_EQ(bed.take(1, 1).size(), 0U);
  bed.wakes = {0, 0};
  CHECK_EQ(bed.take(0, 1000).size(), 2U);
  CHECK_EQ(bed.wakes[1], 1U);
  CHECK_EQ(bed.take(1, 1000).size(), 2U);
}

TEST("a host known by name sends a scout first") {
  Bed bed{{.jobs = 64, .maxPerHost = 3}};
  bed.add(kNamed, {1, 2, 3, 4, 5});
  CHECK_EQ(show(bed.take()), show({1}));
  CHECK(bed.target(1).isScout);
  CHECK_EQ(show(bed.take()), "");
  bed.scouted(1, 0);
  CHECK_EQ(show(bed.take()), show({2, 3}));
  CHECK(!bed.target(2).isScout);
}

TEST("when the scout fails the others start") {
  Bed bed{{.jobs = 64, .maxPerHost = 3}};
  bed.add(kNamed, {1, 2, 3, 4, 5});
  CHECK_EQ(show(bed.take()), show({1}));
  bed.end(1);
  CHECK_EQ(show(bed.take()), show({2, 3, 4}));
}

TEST("each loop sends a scout of its own") {
  Bed bed{{.jobs = 64, .maxPerHost = 8, .loops = 2}};
  bed.add(kNamed, range(0, 40));
  CHECK_EQ(bed.take(0).size(), 1U);
  CHECK_EQ(bed.take(1).size(), 1U);
  bed.scouted(0, 0);
  CHECK_EQ(bed.take(0).size(), 3U);
  CHECK_EQ(bed.take(1).size(), 0U);
}

TEST("an HTTP/1.1 host is admitted by connections, an HTTP/2 host by streams") {
  for (const long version : {CURL_HTTP_VERSION_1_1, CURL_HTTP_VERSION_2_0, CURL_HTTP_VERSION_3}) {
    Bed bed{{.jobs = 150, .maxPerHost = 4}};
    bed.add("https://127.0.0.1:1", range(0, 200), false, true);
    CHECK_EQ(bed.take().size(), 1U);
    bed.scouted(0, version);
    CHECK_EQ(bed.take().size(), version == CURL_HTTP_VERSION_1_1 ? 3U : 99U);
  }
}

TEST("streams are still under the jobs") {
  Bed bed{{.jobs = 10, .maxPerHost = 4}};
  bed.add("https://127.0.0.1:1", range(0, 200), false, true);
  bed.take();
  bed.scouted(0, CURL_HTTP_VERSION_2_0);
  CHECK_EQ(bed.take().size(), 9U);
}

TEST("when a multiplexing host's connection is gone, a scout goes again") {
  Bed bed{{.jobs = 100, .maxPerHost = 4}};
  bed.add("https://127.0.0.1:1", range(0, 50), false, true);
  bed.take();
  bed.scouted(0, CURL_HTTP_VERSION_2_0);
  CHECK_EQ(bed.take().size(), 49U);
  bed.add("https://127.0.0.1:1", range(50, 50), false, true);
  for (uint32_t id = 1; id < 50; ++id) bed.end(id);
  std::unique_ptr<Target> target = std::move(bed.running.at(0).second);
  bed.running.erase(0);
  release(bed.scheduler, 0, target->host, false);
  bed.scheduler.giveBack(0, {std::move(target), "https://127.0.0.1:1", true, true}, true);
  CHECK_EQ(show(bed.take()), show({0}));
  CHECK(bed.target(0).isScout);
  bed.scouted(0, CURL_HTTP_VERSION_2_0);
  CHECK_EQ(bed.take().size(), 50U);
}

TEST("when a multiplexing host's connection is full, no more start on it than run") {
  Bed bed{{.jobs = 100, .maxPerHost = 4}};
  bed.add("https://127.0.0.1:1", range(0, 50), false, true);
  bed.take();
  bed.scouted(0, CURL_HTTP_VERSION_2_0);
  CHECK_EQ(bed.take().size(), 49U);
  for (uint32_t id = 3; id < 50; ++id) {
    std::unique_ptr<Target> target = std::move(bed.running.at(id).second);
    bed.running.erase(id);
    release(bed.scheduler, 0, target->host, false);
    bed.scheduler.giveBack(0, {std::move(target), "https://127.0.0.1:1", true, true}, true);
  }
  CHECK_EQ(bed.take().size(), 0U);
  bed.end(1);
  CHECK_EQ(bed.take().size(), 1U);
}

TEST("at most 64 scouts look up names at once, whatever their hosts do") {
  Bed bed{{.jobs = 500, .maxPerHost = 4}};
  for (uint32_t host = 0; host < 200; ++host)
    bed.add("http://" + std::to_string(host) + ".test", {host});
  Ids started = bed.take();
  CHECK_EQ(started.size(), 64U);
  bed.scouted(started[5], 0);
  CHECK_EQ(show(bed.take()), show({64}));
  bed.end(started[6]);
  CHECK_EQ(show(bed.take()), show({65}));
  for (uint32_t next = 66; next < 200; ++next) {
    bed.end(bed.running.rbegin()->first);
    CHECK_EQ(show(bed.take()), show({next}));
  }
}

TEST("a scout's place goes to a host that still wants one") {
  // Loop 1 serves hosts that loop 0 has put in the queue for a place: their turn there is nobody's.
  constexpr uint32_t kBusy = 200;
  constexpr uint32_t kHosts = 60;
  const auto named = [](uint32_t id) { return "http://" + std::to_string(id) + ".test"; };
  Bed bed{{.jobs = 2 * kBusy, .maxPerHost = 2 * kBusy, .loops = 2}};
  bed.add(kA, range(0, kBusy));
  CHECK_EQ(bed.take(1).size(), kBusy);  // loop 1 is full
  uint32_t next = 1'000;
  for (int scout = 0; scout < 64; ++scout) bed.add(named(next), {next}), ++next;
  CHECK_EQ(bed.take(0).size(), 64U);
  uint32_t oldest = 1'000;
  const uint32_t first = next;
  for (uint32_t host = 0; host < kHosts; ++host) bed.add(named(next), {next}), ++next;
  CHECK_EQ(bed.take(0).size(), 0U);  // all are in the queue
  // A newcomer takes the next place, so that the queue turns by one.
  bed.add(named(next), {next});
  bed.end(oldest++);
  CHECK_EQ(show(bed.take(0)), show({next}));
  for (uint32_t host = 0; host + 1 < kHosts; ++host) {
    bed.end(bed.running.lower_bound(1'000)->first);  // a place for the queue's first
    bed.end(host);
    CHECK_EQ(show(bed.take(1)), show({first + host}));  // which loop 1 gives to the one before
    CHECK_EQ(bed.take(0).size(), 0U);
  }
  bed.end(bed.running.lower_bound(1'000)->first);
  CHECK_EQ(show(bed.take(0)), show({first + kHosts - 1}));
}

TEST("a host with nothing to do is forgotten, and with it what was learned") {
  Bed bed{{.jobs = 64, .maxPerHost = 3}};
  bed.add(kNamed, {1});
  bed.take();
  bed.scouted(1, 0);
  bed.end(1);
  bed.add(kNamed, {2, 3});
  CHECK_EQ(show(bed.take()), show({2}));
  CHECK(bed.target(2).isScout);
}

TEST("low water is said once an add, when half is gone") {
  Bed bed{{.jobs = 3, .maxPerHost = 3}};
  bed.add(kA, range(0, 10));
  bed.take();  // 7 wait
  CHECK(!bed.last.isLow);
  bed.end(0);
  bed.end(1);
  bed.take();  // 5
  CHECK(!bed.last.isLow);
  bed.end(2);
  bed.take();  // 4
  CHECK(bed.last.isLow);
  bed.end(3);
  bed.take();
  CHECK(!bed.last.isLow);
  bed.add(kA, range(10, 9));  // 12
  bed.take();
  CHECK(!bed.last.isLow);
}

TEST("lowered jobs stay lowered") {
  Bed bed{{.jobs = 10, .maxPerHost = 10}};
  bed.add(kA, range(0, 40));
  CHECK_EQ(bed.take().size(), 10U);
  for (uint32_t id = 0; id < 4; ++id) bed.end(id);
  bed.scheduler.lowerJobs();
  CHECK_EQ(bed.take().size(), 0U);
  bed.end(4);
  bed.end(5);
  CHECK_EQ(bed.take().size(), 2U);
}

TEST("lowered jobs leave room for one on each loop that comes into use later") {
  Bed bed{{.jobs = 10, .maxPerHost = 1, .loops = 2}};
  bed.add(kA, {1, 2});
  bed.take();
  bed.scheduler.lowerJobs();
  bed.end(1);
  bed.take();
  bed.end(2);
  for (uint32_t host = 0; host < 40; ++host)
    bed.add("http://127.0.0.1:" + std::to_string(host + 1), {10 + host});
  for (unsigned ended = 0; ended < 40; ++ended) {
    bed.take(0);
    bed.take(1);
    CHECK(!bed.running.empty());
    bed.end(bed.running.begin()->first);
  }
}

TEST("closing drops what waits and what is given back, and wakes nobody") {
  Bed bed{{.jobs = 2, .maxPerHost = 2, .loops = 2}};
  bed.add(kA, range(0, 40));
  CHECK_EQ(bed.take(0).size(), 1U);
  CHECK_EQ(bed.take(1).size(), 1U);
  bed.wakes = {0, 0};
  bed.scheduler.close();
  CHECK_EQ(bed.scheduler.waiting(), 0U);
  std::unique_ptr<Target> target = std::move(bed.running.at(0).second);
  release(bed.scheduler, 0, target->host, false);
  bed.scheduler.giveBack(0, {std::move(target), kA, false, true}, false);
  bed.add(kB, {99});
  bed.end(1);
  CHECK_EQ(bed.take(0).size() + bed.take(1).size(), 0U);
  CHECK_EQ(bed.scheduler.waiting(), 0U);
  CHECK_EQ(bed.wakes[0] + bed.wakes[1], 0U);
}

TEST("a loop is woken once when it had nothing to do and now has") {
  Bed bed{{.jobs = 4, .maxPerHost = 4, .loops = 1}};
  bed.add(kA, {1});
  CHECK_EQ(bed.wakes[0], 0U);  // it has not looked yet
  bed.take();
  bed.add(kA, {2});
  bed.add(kB, {3});
  CHECK_EQ(bed.wakes[0], 1U);
  bed.take();
  bed.add(kA, {4, 5, 6});
  CHECK_EQ(bed.wakes[0], 2U);
  CHECK_EQ(bed.take().size(), 1U);  // 4 run
  bed.add(kB, {7});
  CHECK_EQ(bed.wakes[0], 2U);  // it is full and looks when one ends
}

TEST("a loop that found all jobs taken is woken when one ends elsewhere") {
  Bed bed{{.jobs = 10, .maxPerHost = 10, .loops = 2}};
  bed.add(kA, range(0, 16));
  CHECK_EQ(bed.take(0).size(), 10U);
  bed.add(kB, range(100, 16));
  CHECK_EQ(bed.take(1).size(), 0U);
  CHECK_EQ(bed.wakes[1], 0U);
  bed.end(0);
  CHECK_EQ(bed.wakes[1], 1U);
  CHECK_EQ(bed.take(1).size(), 1U);
}

namespace {

// Loops played by one thread, in an order drawn by lot. A loop looks for work only as the real one
// does: when it starts, when it is woken, after something of its own ended, and at the end of a
// pause it was told of. So a wake that is missing ends in a standstill.
class Play {
 public:
  explicit Play(std::mt19937& random)
      : random_{random},
        limits_{.jobs = 1 + draw(150), .maxPerHost = 1 + draw(6), .loops = 1 + draw(4)},
        scheduler_{clamped(), [this](unsigned loop) { isDue_[loop] = true; }},
        isDue_(limits_.loops),
        pauseEndNs_(limits_.loops) {}

  void run() {
    const unsigned hosts = 1 + draw(300);
    const uint32_t targets = 1 + draw(600);
    while (ended_ < targets) {
      if (added_ < targets && draw(3) == 0)
        addSome(hosts, std::min(1 + draw(60), targets - added_));
      step();
      if (draw(40) == 0) scheduler_.pause(hostKey(draw(hosts)), mayMultiplex_, nowNs_ + draw(1000));
      if (draw(200) == 0) scheduler_.lowerJobs();
      CHECK(scheduler_.counts().active == running_.size());
      if (isStill() && added_ == targets && ended_ < targets)
        CHECK(!"a standstill while targets wait");
    }
    CHECK_EQ(scheduler_.waiting(), 0U);
    CHECK_EQ(scheduler_.counts().active, 0U);
  }

 private:
  struct Running {
    unsigned loop;
    std::string host;
    std::unique_ptr<Target> target;
  };

  unsigned draw(unsigned below) {
    return std::uniform_int_distribution<unsigned>{0, below - 1}(random_);
  }

  Limits clamped() {
    limits_.loops = std::min(limits_.loops, limits_.jobs);
    limits_.maxPerHost = std::min(limits_.maxPerHost, limits_.jobs);
    return limits_;
  }

  std::string hostKey(unsigned host) const {
    // Half are known by name, and a third may multiplex.
    return (mayMultiplex_ ? "https://" : "http://") +
           (host % 2 ? "127.0.0.1:" + std::to_string(host + 1) : std::to_string(host) + ".test");
  }

  void addSome(unsigned hosts, unsigned count) {
    std::vector<Scheduler::Filing> filings;
    for (unsigned i = 0; i < count; ++i) {
      const std::string host = hostKey(draw(draw(2) ? hosts : 1 + hosts / 20));
      filings.push_back(filing(added_++, host, false, mayMultiplex_));
    }
    scheduler_.add(std::move(filings));
    for (; started_ < scheduler_.loopsInUse(); ++started_) isDue_[started_] = true;
  }

  bool isStill() const {
    return running_.empty() && std::find(isDue_.begin(), isDue_.end(), true) == isDue_.end() &&
           std::all_of(pauseEndNs_.begin(), pauseEndNs_.end(),
                       [](uint64_t end) { return end == 0; });
  }

  void step() {
    const unsigned loop = draw(limits_.loops);
    if (isDue_[loop] && draw(2)) {
      take(loop);
    } else if (!running_.empty() && draw(3)) {
      act(draw(static_cast<unsigned>(running_.size())));
    } else {
      nowNs_ += draw(100);
      if (pauseEndNs_[loop] != 0 && pauseEndNs_[loop] <= nowNs_) isDue_[loop] = true;
    }
  }

  void take(unsigned loop) {
    isDue_[loop] = false;
    Scheduler::Taken taken = scheduler_.take(loop, nowNs_);
    for (std::unique_ptr<Target>& target : taken.targets) {
      Host& host = *target->host;
      CHECK(host.pausedUntilNs <= nowNs_);
      if (!wasGivenBack_[target->id]) {  // the order within a host
        const auto [last, isFirst] = lastId_.try_emplace(host.key, target->id);
        CHECK(isFirst || last->second < target->id);
        last->second = target->id;
      }
      running_.push_back({loop, host.key, std::move(target)});
    }
    pauseEndNs_[loop] = taken.nextPauseEndNs;
    check();
  }

  void check() {
    CHECK(running_.size() <= limits_.jobs);
    std::map<std::string, unsigned> onHost;
    std::map<std::pair<std::string, unsigned>, unsigned> onLoop;
    for (const Running& running : running_) {
      const bool isMultiplexed = running.target->host->isMultiplexed;
      const unsigned here = ++onLoop[{running.host, running.loop}];
      const unsigned all = ++onHost[running.host];
      CHECK(isMultiplexed ? here <= 100 : all <= limits_.maxPerHost);
    }
  }

  // Something happens to a running target.
  void act(unsigned at) {
    Running& running = running_[at];
    Target& target = *running.target;
    Host* host = target.host;
    if (target.isScout && draw(2)) {
      target.isScout = false;
      scheduler_.scouted(running.loop, host,
                         !mayMultiplex_ ? 0
                         : isHttp2_     ? CURL_HTTP_VERSION_2_0
                                        : CURL_HTTP_VERSION_1_1);
      isDue_[running.loop] = true;
      return;
    }
    const unsigned fate = draw(10);
    const bool isMultiplexed = host->isMultiplexed;
    Running over = std::move(running);
    std::swap(running_[at], running_.back());
    running_.pop_back();
    release(scheduler_, over.loop, host, over.target->isScout);
    over.target->isScout = false;
    isDue_[over.loop] = true;
    if (fate <= 1) {  // given back, or redirected
      wasGivenBack_[over.target->id] = true;
      const std::string key = fate == 0 ? over.host : hostKey(draw(300));
      scheduler_.giveBack(over.loop, {std::move(over.target), key, mayMultiplex_, true},
                          fate == 0 && isMultiplexed);
    } else {
      ++ended_;
    }
  }

  std::mt19937& random_;
  Limits limits_;
  const bool mayMultiplex_ = draw(3) == 0;
  const bool isHttp2_ = draw(2) == 0;
  Scheduler scheduler_;
  std::vector<bool> isDue_;
  std::vector<uint64_t> pauseEndNs_;
  std::vector<Running> running_;
  std::map<std::string, uint32_t> lastId_;
  std::map<uint32_t, bool> wasGivenBack_;
  uint64_t nowNs_ = 1;
  unsigned started_ = 0;
  uint32_t added_ = 0;
  uint32_t ended_ = 0;
};

}  // namespace

TEST("by lot: no cap is passed, the order holds, and nothing waits for ever") {
  std::mt19937 random{test::seed()};
  for (int round = 0; round < 60; ++round) Play{random}.run();
}

TEST("from many threads: no cap is passed and every target starts once") {
  constexpr unsigned kLoops = 4;
  constexpr uint32_t kTargets = 8'000;
  constexpr unsigned kHosts = 30;
  constexpr unsigned kCap = 5;
  constexpr unsigned kJobs = 40;
  struct Mailbox {
    std::mutex mutex;
    std::condition_variable changed;
    bool isWoken = false;
    void wake() {
      std::lock_guard lock{mutex};
      isWoken = true;
      changed.notify_one();
    }
  };
  std::vector<Mailbox> mailboxes(kLoops);
  Scheduler scheduler{{.jobs = kJobs, .maxPerHost = kCap, .loops = kLoops},
                      [&](unsigned loop) { mailboxes[loop].wake(); }};
  std::vector<std::atomic<unsigned>> onHost(kHosts);
  std::atomic<unsigned> running{0};
  std::atomic<uint32_t> ended{0};
  std::atomic<unsigned> passed{0};
  std::vector<std::atomic<unsigned>> starts(kTargets);

  auto addSome = [&, id = 0U]() mutable {
    std::vector<Scheduler::Filing> filings;
    for (unsigned i = 0; i < 400; ++i, ++id) {
      filings.push_back(filing(id, "http://127.0.0.1:" + std::to_string(1 + id % kHosts)));
    }
    scheduler.add(std::move(filings));
  };
  addSome();  // all loops are in use from here on
  CHECK_EQ(scheduler.loopsInUse(), kLoops);
  std::vector<std::thread> threads;
  for (unsigned loop = 0; loop < kLoops; ++loop) {
    threads.emplace_back([&, loop] {
      std::mt19937 random{test::seed() + loop};
      std::vector<std::unique_ptr<Target>> mine;
      while (ended < kTargets) {
        for (std::unique_ptr<Target>& target : scheduler.take(loop, 1).targets) {
          if (++onHost[target->id % kHosts] > kCap) ++passed;
          if (++running > kJobs) ++passed;
          ++starts[target->id];
          mine.push_back(std::move(target));
        }
        if (mine.empty()) {
          std::unique_lock lock{mailboxes[loop].mutex};
          mailboxes[loop].changed.wait(
              lock, [&] { return mailboxes[loop].isWoken || ended >= kTargets; });
          mailboxes[loop].isWoken = false;
          continue;
        }
        std::swap(mine[random() % mine.size()], mine.back());
        const std::unique_ptr<Target> target = std::move(mine.back());
        mine.pop_back();
        --onHost[target->id % kHosts];
        --running;
        release(scheduler, loop, target->host, target->isScout);
        if (++ended == kTargets) {
          for (Mailbox& mailbox : mailboxes) mailbox.wake();
        }
      }
    });
  }
  for (uint32_t added = 400; added < kTargets; added += 400) addSome();
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(passed.load(), 0U);
  CHECK(std::all_of(starts.begin(), starts.end(), [](const auto& count) { return count == 1; }));
  CHECK_EQ(scheduler.counts().active, 0U);
}
