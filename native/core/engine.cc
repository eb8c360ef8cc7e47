#include "engine.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <stdexcept>

#include "url.h"

namespace mcurl {
namespace {

constexpr double kNsPerMs = 1e6;

// Descriptors that may still be opened; each loop, the resolver and JavaScript need some.
unsigned freeDescriptors(unsigned loops) {
  constexpr rlim_t kMost = 1 << 20;
  constexpr unsigned kElsewhere = 16;
  constexpr unsigned kPerLoop = 6;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return 256;
  const auto most = static_cast<unsigned>(std::min(files.rlim_cur, kMost));
  // The lowest number that is free: about as many are open.
  const Fd lowest{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)};
  const unsigned open = lowest ? static_cast<unsigned>(lowest.get()) : most;
  const unsigned used = open + kElsewhere + kPerLoop * loops;
  return most > used ? most - used : 0;
}

// Room for one on each loop, and a file, a socket and its duplicate for each job. Idle connections
// are kept as far as descriptors go, but not many more than are active: libcurl searches a full
// cache at each completion.
Limits sane(Limits limits) {
  limits.loops = std::max(limits.loops, 1U);
  const unsigned descriptors = freeDescriptors(limits.loops);
  limits.jobs = std::clamp(limits.jobs, 1U, std::max(descriptors / 3, 1U));
  limits.maxPerHost = std::clamp(limits.maxPerHost, 1U, limits.jobs);
  limits.loops = std::min(limits.loops, limits.jobs);
  const unsigned sockets = descriptors > limits.jobs ? (descriptors - limits.jobs) / 2 : 1;
  limits.connections = std::clamp(sockets / limits.loops, 1U, std::max(2 * limits.jobs, 32U));
  return limits;
}

Completion refusal(uint32_t id, Reason reason, std::string url, LocalError error) {
  Completion completion;
  completion.record.id = id;
  completion.record.reason = static_cast<double>(reason);
  completion.record.osErrno = error.osErrno;
  completion.details = std::make_unique<Details>(
      Details{.urlEffective = std::move(url), .error = std::move(error.text)});
  return completion;
}

}  // namespace

void initLibcurl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_ALL); });
  checkLibcurl();
}

Engine::Engine(EngineOptions options, std::function<void()> wake)
    : shared_{std::move(options.request),
              sane(options.limits),
              options.directory,
              options.output,
              options.keepDetails,
              std::move(wake),
              [this](unsigned loop) {
                if (loops_[loop]) loops_[loop]->wake();
              }},
      overwrite_{options.overwrite},
      loops_(shared_.limits.loops) {}

Engine::~Engine() {
  stop();
  join();
}

void Engine::join() noexcept {
  for (const auto& loop : loops_) {
    if (loop) loop->join();
  }
}

// Before any of them may start. False with errno set.
bool Engine::writePlans(const std::vector<NewTarget>& targets) const {
  const Journal& journal = shared_.output.journal;
  if (!journal) return true;
  std::string lines;
  for (const NewTarget& given : targets) {
    if (given.serial < 0 || given.isJournalled || given.isRetry) continue;
    Journal::addPlan(lines,
                     {given.serial, given.entry.empty() ? given.url : given.entry, given.name});
  }
  return lines.empty() || journal.append(lines);
}

void Engine::add(std::vector<NewTarget> targets) {
  std::vector<Scheduler::Filing> filings;
  filings.reserve(targets.size());
  std::vector<Completion> refused;
  const uint64_t now = uv_hrtime();
  std::vector<std::string> made;  // host keys that are no piece of their URL
  made.reserve(targets.size());
  std::string_view agreed;  // the last host key on which libcurl and WHATWG agree
  const int journalErrno = writePlans(targets) ? 0 : errno;
  for (NewTarget& given : targets) {
    if (journalErrno != 0) {
      refused.push_back(refusal(given.id, Reason::kLocal, std::move(given.url),
                                localError("cannot write", "the journal", journalErrno)));
      continue;
    }
    auto target = std::make_unique<Target>();
    target->id = given.id;
    target->url = std::move(given.url);
    target->name = std::move(given.name);
    target->timeoutMs = given.timeoutMs;
    target->queuedNs = now;
    target->serial = given.serial;
    target->wasPlanned = given.isJournalled;
    target->extras = std::move(given.extras);
    target->mayReplace = overwrite_;
    if (given.isRetry) {
      if (!target->extras) target->extras = std::make_unique<Extras>();
      target->extras->mayHavePart = true;
      // A file that is to be replaced is looked at once more.
      target->wasSeen = !shared_.output.options.ifModified && target->extras->doneBytes < 0;
    }
    HrefHostKey key = hrefHostKey(target->url);
    // Equal up to the path means equal to libcurl too; with user and password each URL is looked
    // at.
    if (!key.made.empty() || key.prefix != agreed) {
      const auto read = curlHostKey(target->url.c_str());
      if (!read || *read != key.view()) {
        Completion completion =
            refusal(target->id, Reason::kUrl, std::move(target->url),
                    {0, read ? "ambiguous URL: libcurl reads its host as " + *read
                             : "libcurl cannot read this URL"});
        completion.record.result = CURLE_URL_MALFORMAT;
        refused.push_back(std::move(completion));
        continue;
      }
      if (key.made.empty()) {
        agreed = key.prefix;
      } else {
        key.prefix = made.emplace_back(std::move(key.made));
      }
    }
    const bool mayMultiplex = shared_.request.mayMultiplex(key.prefix);
    filings.push_back({std::move(target), key.prefix, mayMultiplex, given.isRetry});
  }
  shared_.infoQueue.push(refused);
  if (filings.empty()) return;
  shared_.scheduler.add(std::move(filings));
  startLoops();
}

void Engine::startLoops() {
  const unsigned inUse = shared_.scheduler.loopsInUse();
  for (unsigned index = 0; index < inUse; ++index) {
    if (loops_[index]) continue;
    loops_[index] = std::make_unique<Loop>(shared_, index);
    loops_[index]->start();
  }
}

size_t Engine::sample(std::span<double> into) const {
  if (into.size() < kSampleHeader) return 0;
  // Before those that finish: what runs no more finishes or has its record out.
  const Scheduler::Counts counts = shared_.scheduler.counts();
  uint64_t bytes = 0;
  unsigned finishing = 0;
  size_t count = 0;
  const uint64_t now = uv_hrtime();
  for (const auto& loop : loops_) {
    if (!loop) continue;
    bytes += loop->bytes();
    finishing += loop->finishing();
    for (const Slot& slot : loop->slots()) {
      const size_t at = kSampleHeader + count * kSampleSize;
      if (at + kSampleSize > into.size()) break;
      const uint64_t id = slot.id.load(std::memory_order_relaxed);
      if (id == Slot::kFree) continue;
      const uint64_t started = slot.startedNs.load(std::memory_order_relaxed);
      into[at] = static_cast<double>(id);
      into[at + 1] = static_cast<double>(slot.received.load(std::memory_order_relaxed));
      into[at + 2] = static_cast<double>(slot.expected.load(std::memory_order_relaxed));
      into[at + 3] = now > started ? static_cast<double>(now - started) / 1000 : 0;
      ++count;
    }
  }
  into[0] = static_cast<double>(bytes);
  into[1] = static_cast<double>(counts.active);
  into[2] = static_cast<double>(counts.waiting);
  into[3] = finishing;
  return count;
}

void Engine::pauseHost(const std::string& url, double pauseMs) {
  const auto hostKey = curlHostKey(url.c_str());
  if (!hostKey || !(pauseMs > 0)) return;
  shared_.scheduler.pause(*hostKey, shared_.request.mayMultiplex(*hostKey),
                          uv_hrtime() + static_cast<uint64_t>(std::min(pauseMs, 1e12) * kNsPerMs));
}

void Engine::stop() noexcept {
  shared_.scheduler.close();
  for (const auto& loop : loops_) {
    if (loop) loop->stop();
  }
}

}  // namespace mcurl
