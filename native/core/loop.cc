#include "loop.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "redirect.h"

namespace mcurl {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kWatchdogMs = 1'000;
// libcurl before 8.4.0 forgets a time-out that is less than a millisecond away (its bug 11937), and
// before 8.0 a name's third address when two have refused at once.
constexpr unsigned kKeepsTimes = 0x080400;
// Every second look of the watchdog has libcurl look after all.
constexpr unsigned kLooks = 2;
// Rounds of action and completion before sockets are looked at again.
constexpr int kRounds = 2;
// Bodies that count in the mean.
constexpr double kMeanOf = 16;
// Options newer than the oldest libcurl we build against, by number.
constexpr auto kMultiQuickExit = static_cast<CURLMoption>(21);

}  // namespace

Shared::Shared(RequestOptions options, Limits all, const std::string& path, OutputOptions files,
               bool keep, std::function<void()> wake, std::function<void(unsigned)> wakeLoop)
    : limits{all},
      keepDetails{keep},
      request{std::move(options), all.jobs},
      output{path, files},
      scheduler{all, std::move(wakeLoop)},
      infoQueue{std::move(wake)} {}

Loop::Loop(Shared& shared, unsigned index)
    : shared_{shared}, index_{index}, sockets_{uv_, *this}, slots_(shared.limits.jobs) {
  for (Slot& slot : slots_) freeSlots_.push_back(&slot);
  transfers_.reserve(slots_.size());
  if (uv_loop_init(&uv_) != 0) throw std::bad_alloc();
  uv_.data = this;
  uv_async_init(&uv_, &async_, [](uv_async_t* handle) {
    auto& loop = *static_cast<Loop*>(handle->loop->data);
    if (loop.isStopping_.load()) {
      loop.shutDown();
    } else {
      loop.settle();
    }
  });
  uv_timer_init(&uv_, &timer_);
  uv_timer_init(&uv_, &pauseTimer_);
  uv_timer_init(&uv_, &watchdog_);
  uv_check_init(&uv_, &check_);
  uv_idle_init(&uv_, &idle_);
  share_.reset(curl_share_init());
  if (share_) curl_share_setopt(share_.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

Loop::~Loop() {
  join();
  uv_loop_close(&uv_);
}

void Loop::join() noexcept {
  stop();
  if (thread_.joinable()) thread_.join();
}

void Loop::start() {
  thread_ = std::thread{[this] { run(); }};
}

void Loop::wake() noexcept { uv_async_send(&async_); }

void Loop::stop() noexcept {
  if (!isStopping_.exchange(true)) uv_async_send(&async_);
}

void Loop::run() {
  createMulti();
  uv_check_start(&check_, [](uv_check_t* handle) {
    auto& loop = *static_cast<Loop*>(handle->loop->data);
    if (loop.acted_ || loop.timerDue_) loop.settle();
  });
  uv_timer_start(
      &watchdog_, [](uv_timer_t* handle) { static_cast<Loop*>(handle->loop->data)->watch(); },
      kWatchdogMs, kWatchdogMs);
  settle();
  uv_run(&uv_, UV_RUN_DEFAULT);
  shared_.infoQueue.wake();
}

void Loop::watch() {
  if (!beat_ && !transfers_.empty()) timerDue_ = true;
  beat_ = false;
  if (curl_version_info(CURLVERSION_NOW)->version_num < kKeepsTimes && ++looks_ % kLooks == 0)
    actOnAll();
  if (acted_ || timerDue_) settle();
}

void Loop::createMulti() {
  multi_.emplace(static_cast<MultiSocket::Events&>(*this));
  multi_->setopt(CURLMOPT_MAXCONNECTS, static_cast<long>(shared_.limits.connections));
  multi_->setopt(kMultiQuickExit, 1);
}

// --- what libcurl and its transfers tell

void Loop::onSocket(CURL*, curl_socket_t fd, int what, void*) noexcept { sockets_.want(fd, what); }

void Loop::onTimer(long timeoutMs) noexcept {
  timerDue_ = timeoutMs == 0;
  timerMs_ = timeoutMs;
  timerChanged_ = true;
}

bool Loop::mayConnect(Transfer& transfer) noexcept {
  // A multiplexing host has one connection a loop: whoever finds it full or gone is given back.
  const Target& target = transfer.target();
  return !target.host->isMultiplexed || target.isScout || transfer.hasOpenedSocket();
}

void Loop::onSocketOpened(Transfer& transfer, curl_socket_t fd) noexcept {
  sockets_.opened(fd);
  Target& target = transfer.target();
  if (target.isScout && !target.host->mayMultiplex) {
    target.isScout = false;
    shared_.scheduler.scouted(index_, target.host, 0);
  }
}

void Loop::onSocketClosing(curl_socket_t fd) noexcept { sockets_.closing(fd); }

void Loop::onHeaders(Transfer& transfer) noexcept {
  Target& target = transfer.target();
  if (!target.isScout) return;
  long version = 0;
  curl_easy_getinfo(transfer.easy(), CURLINFO_HTTP_VERSION, &version);
  target.isScout = false;
  shared_.scheduler.scouted(index_, target.host, version);
}

void Loop::onBytes(size_t count) noexcept {
  bytes_.store(bytes_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
}

void Loop::serveTimer() {
  if (timerDue_) {
    uv_idle_start(&idle_, [](uv_idle_t*) {});  // the next wait for sockets returns at once
    return;
  }
  uv_idle_stop(&idle_);
  if (!std::exchange(timerChanged_, false)) return;
  if (timerMs_ < 0) {
    uv_timer_stop(&timer_);
    return;
  }
  uv_timer_start(
      &timer_,
      [](uv_timer_t* handle) {
        auto& loop = *static_cast<Loop*>(handle->loop->data);
        loop.timerDue_ = true;
        loop.settle();
      },
      static_cast<uint64_t>(timerMs_), 0);
}

// --- actions and what follows from them

void Loop::onReady(curl_socket_t fd, int events) noexcept { act(fd, events); }

void Loop::act(curl_socket_t fd, int events) { acted(multi_->socketAction(fd, events, running_)); }

void Loop::actOnAll() { acted(multi_->socketAll(running_)); }

void Loop::acted(CURLMcode code) {
  acted_ = true;
  beat_ = true;
  if (code != CURLM_OK || sockets_.hasFailed()) recover();
}

void Loop::settle() {
  acted_ = false;
  for (int round = 0; round < kRounds; ++round) {
    if (std::exchange(timerDue_, false)) act(CURL_SOCKET_TIMEOUT, 0);
    drain();
    pull();
    if (!timerDue_) break;
  }
  acted_ = false;
  serveTimer();
}

void Loop::drain() {
  while (const auto message = multi_->infoRead()) {
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy, CURLINFO_PRIVATE, &transfer);
    end(remove(*transfer), message->result);
  }
}

void Loop::pull() {
  handOver();
  if (isStopping_.load()) return;
  Scheduler::Taken taken = shared_.scheduler.take(index_, uv_hrtime());
  for (;;) {
    bool anySkipped = false;
    for (std::unique_ptr<Target>& target : taken.targets) anySkipped |= !begin(std::move(target));
    if (taken.isLow) shared_.infoQueue.wake();
    if (!anySkipped) break;
    handOver();
    taken = shared_.scheduler.take(index_, uv_hrtime());
  }
  if (taken.nextPauseEndNs != 0) {
    const uint64_t now = uv_hrtime();
    const uint64_t waitMs =
        taken.nextPauseEndNs > now ? (taken.nextPauseEndNs - now) / kNsPerMs + 1 : 0;
    uv_timer_start(
        &pauseTimer_, [](uv_timer_t* handle) { static_cast<Loop*>(handle->loop->data)->settle(); },
        waitMs, 0);
  }
}

// Looks for a file that has the target's name; true, and a record, when nothing is to be fetched.
bool Loop::isThere(Target& target) {
  if (std::exchange(target.wasSeen, true)) return false;
  const Directory& directory = shared_.output.directory;
  const char* name = target.name.c_str();
  const int64_t doneBytes = target.extras ? target.extras->doneBytes : -1;
  LocalError error;
  const Directory::Existing existing =
      directory.existing(name, target.mayReplace, doneBytes, error);
  if (existing == Directory::Existing::kAbsent) {
    // Whatever of ours has the name by now is not what the journal knows.
    target.mayReplace = target.mayReplace || doneBytes >= 0;
    if (target.extras) target.extras->known = {};
    return false;
  }
  if (existing == Directory::Existing::kBefore && shared_.output.options.ifModified) {
    if (!target.extras) target.extras = std::make_unique<Extras>();
    Version& known = target.extras->known;
    if (known.etag.empty() && known.lastModified.empty()) {
      int64_t size = -1;
      known = Version::parse(directory.versionOf(name, size));
      if (known.total != size) known = {};  // it was shortened, or written to, since
    }
    target.mayReplace = true;
    return false;
  }
  reportUnstarted(target,
                  existing == Directory::Existing::kBefore ? Reason::kExists : Reason::kLocal,
                  error.osErrno, std::move(error.text));
  return true;
}

// False when the target ended without a transfer.
bool Loop::begin(std::unique_ptr<Target> target) {
  Host* host = target->host;
  const bool isScout = target->isScout;
  if (isThere(*target)) {
    released_.push_back({host, isScout});
    return false;
  }
  try {
    CURLSH* share = shared_.request.sharesTls() ? share_.get() : nullptr;
    Easy easy{curl_easy_init()};
    if (!easy) throw std::bad_alloc();
    curl_easy_setopt(easy.get(), CURLOPT_BUFFERSIZE, shared_.request.bufferSize(meanBody_));
    auto transfer = std::make_unique<Transfer>(std::move(easy), std::move(target), shared_.request,
                                               shared_.output, &uv_, share,
                                               static_cast<Transfer::Owner&>(*this), uv_hrtime());
    Transfer& added = *transfer;
    added.index = transfers_.size();
    transfers_.push_back(std::move(transfer));
    if (!freeSlots_.empty()) {
      added.setSlot(freeSlots_.back());
      freeSlots_.pop_back();
    }
    added.isAdded = multi_->add(added.easy()) == CURLM_OK;
    if (!added.isAdded) recover();
  } catch (const std::bad_alloc&) {
    if (target) reportUnstarted(*target, Reason::kLocal, ENOMEM, "out of memory");
    released_.push_back({host, isScout});
    return false;
  }
  return true;
}

// Takes a transfer out of the CURLM.
std::unique_ptr<Transfer> Loop::remove(Transfer& transfer) {
  std::unique_ptr<Transfer> removed = std::move(transfers_[transfer.index]);
  if (transfers_.back()) {
    transfers_[transfer.index] = std::move(transfers_.back());
    transfers_[transfer.index]->index = transfer.index;
  }
  transfers_.pop_back();
  if (removed->isAdded) multi_->remove(removed->easy());
  if (Slot* slot = removed->dropSlot()) freeSlots_.push_back(slot);
  return removed;
}

// Its connection's place is free at the next handOver().
void Loop::release(Transfer& transfer) {
  Target& target = transfer.target();
  released_.push_back({std::exchange(target.host, nullptr), std::exchange(target.isScout, false)});
}

// Records first, then places: whoever sees that nothing runs any more finds the records.
void Loop::handOver() {
  shared_.infoQueue.push(ended_);
  finishing_.store(static_cast<unsigned>(sinks_.size()));
  shared_.scheduler.release(index_, released_);
}

void Loop::end(std::unique_ptr<Transfer> transfer, CURLcode result) {
  using Next = Transfer::Judgement::Next;
  Transfer::Judgement judgement = transfer->judge(result);
  if (judgement.next == Next::kGiveBack && judgement.osErrno != 0) {
    // Descriptors are scarce: it starts again when one of the others has ended.
    if (!transfers_.empty()) {
      giveBack(*transfer);
      shared_.scheduler.lowerJobs();
      return;
    }
    judgement.next = Next::kFail;
  }
  switch (judgement.next) {
    case Next::kPublish:
      publish(std::move(transfer));
      break;
    case Next::kHop:
      hop(std::move(transfer));
      break;
    case Next::kFresh:
      transfer->target().isFreshRetry = true;
      giveBack(*transfer);
      break;
    case Next::kAnew:
      transfer->target().extras->version = {};
      giveBack(*transfer);
      break;
    case Next::kGiveBack:
      giveBack(*transfer);
      break;
    case Next::kFail:
      fail(*transfer, judgement);
      break;
  }
}

// To the front of its host's queue, as if it had not started. Places first: the scheduler is to see
// who is left.
void Loop::giveBack(Transfer& transfer) {
  Host& host = *transfer.target().host;
  const std::string hostKey = host.key;  // the host may be forgotten
  Scheduler::Filing filing{nullptr, hostKey, host.mayMultiplex, true};
  const bool isMultiplexed = host.isMultiplexed;
  release(transfer);
  handOver();
  filing.target = transfer.takeTarget();
  shared_.scheduler.giveBack(index_, std::move(filing), isMultiplexed);
}

void Loop::hop(std::unique_ptr<Transfer> transfer) {
  Target& target = transfer->target();
  const RequestOptions& options = shared_.request.options();
  const Hop hop = decideHop({.url = target.url,
                             .firstUrl = target.hops ? target.hops->firstUrl : target.url,
                             .location = transfer->response().location,
                             .hops = target.hops ? target.hops->count : 0,
                             .maxRedirs = options.maxRedirs,
                             .protocols = options.protocols,
                             .allowDowngrade = options.locationTrusted});
  if (!hop.error.empty()) {
    fail(*transfer, {.next = Transfer::Judgement::Next::kFail,
                     .reason = Reason::kRedirect,
                     .result = CURLE_TOO_MANY_REDIRECTS,
                     .error = hop.error});
    return;
  }
  if (!target.hops) target.hops = std::make_unique<Hops>(Hops{target.url, target.host->key, {}});
  target.hops->cookies = transfer->cookies();
  target.hops->connects = transfer->connects();
  target.hops->count += 1;
  target.hops->redirectNs = uv_hrtime() - target.startedNs;
  target.url = hop.url;
  release(*transfer);
  shared_.scheduler.giveBack(
      index_,
      {transfer->takeTarget(), hop.hostKey, shared_.request.mayMultiplex(hop.hostKey), true},
      false);
}

void Loop::publish(std::unique_ptr<Transfer> transfer) {
  Completion completion;
  transfer->fill(completion.record, shared_.keepDetails, uv_hrtime());
  meanBody_ += (completion.record.sizeDelivered - meanBody_) / kMeanOf;
  if (shared_.keepDetails) completion.details = std::make_unique<Details>(transfer->details({}));
  Attributes attributes = transfer->attributes();
  const bool isUnnamed = transfer->isUnnamed();
  release(*transfer);
  Sink& sink = transfer->sink();
  sinks_.push_back({std::move(transfer), std::move(completion)});
  finishing_.store(static_cast<unsigned>(sinks_.size()));
  sink.finish(std::move(attributes), isUnnamed, *this);
}

void Loop::onSinkFinished(Sink& sink, bool published) noexcept {
  // Nearly always the last: small bodies finish at once.
  const auto found = std::find_if(sinks_.rbegin(), sinks_.rend(), [&](const Finishing& finishing) {
    return &finishing.transfer->sink() == &sink;
  });
  Finishing finished = std::move(*found);
  std::swap(*found, sinks_.back());
  sinks_.pop_back();
  if (!published) {
    finished.completion.record.reason =
        static_cast<double>(sink.isCorrupt() ? Reason::kIntegrity : Reason::kLocal);
    finished.completion.record.osErrno = sink.error().osErrno;
    finished.completion.details =
        std::make_unique<Details>(finished.transfer->details(sink.error().text));
  } else if (finished.completion.details) {
    finished.completion.details->digest = sink.digest();
  }
  ended_.push_back(std::move(finished.completion));
  acted_ = true;  // it is handed over when this batch is settled
  // Not from here: a small body ends in the middle of drain().
  if (isStopping_.load()) uv_async_send(&async_);
}

void Loop::fail(Transfer& transfer, const Transfer::Judgement& judgement) {
  Completion completion;
  transfer.fill(completion.record, true, uv_hrtime());
  completion.record.reason = static_cast<double>(judgement.reason);
  completion.record.result = judgement.result;
  completion.record.osErrno = judgement.osErrno;
  completion.details = std::make_unique<Details>(transfer.details(judgement.error));
  if (transfer.target().host != nullptr) release(transfer);
  ended_.push_back(std::move(completion));
}

void Loop::reportUnstarted(const Target& target, Reason reason, int osErrno, std::string error) {
  Completion completion;
  completion.record.id = target.id;
  completion.record.reason = static_cast<double>(reason);
  completion.record.osErrno = osErrno;
  if (reason != Reason::kExists || shared_.keepDetails) {
    completion.details =
        std::make_unique<Details>(Details{.urlEffective = target.url, .error = std::move(error)});
  }
  ended_.push_back(std::move(completion));
}

void Loop::interruptAll(Reason reason) {
  while (!transfers_.empty()) {
    const std::unique_ptr<Transfer> transfer = remove(*transfers_.back());
    fail(*transfer,
         {.next = Transfer::Judgement::Next::kFail,
          .reason = reason,
          .result = CURLE_ABORTED_BY_CALLBACK,
          .error = reason == Reason::kStopped ? "stopped" : "interrupted inside libcurl"});
  }
}

// After an error nothing is known of any transfer (curl_multi_socket_action(3)): all handles leave,
// and a new CURLM begins.
void Loop::recover() {
  interruptAll(Reason::kInterrupted);
  multi_.reset();
  sockets_.forgetAll();
  timerMs_ = -1;
  timerChanged_ = true;
  timerDue_ = true;  // the records are handed over in a round to come
  createMulti();
}

void Loop::shutDown() {
  interruptAll(Reason::kStopped);
  handOver();
  if (!sinks_.empty() || uv_is_closing(reinterpret_cast<uv_handle_t*>(&async_))) return;
  multi_.reset();
  sockets_.forgetAll();
  for (uv_handle_t* handle :
       {reinterpret_cast<uv_handle_t*>(&async_), reinterpret_cast<uv_handle_t*>(&timer_),
        reinterpret_cast<uv_handle_t*>(&pauseTimer_), reinterpret_cast<uv_handle_t*>(&watchdog_),
        reinterpret_cast<uv_handle_t*>(&check_), reinterpret_cast<uv_handle_t*>(&idle_)}) {
    uv_close(handle, nullptr);
  }
}

}  // namespace mcurl
