// A thread that owns one libuv loop and one CURLM, and runs the transfers the scheduler gives it.
//
// Lifetime and thread rules:
// 1. Constructor and destructor belong to the engine, which destroys no loop while another may wake
// it; wake() and
//    stop() may be called from any thread; all else runs on the loop's own thread.
// 2. libcurl's two callbacks only record (a poll handle, a due time); actions are called from
// libuv's callbacks.
// 3. A descriptor that we opened stays watched over REMOVE until it is closed (a kept-alive
// connection is asked
//    for again at once); one that libcurl opened is forgotten at REMOVE, for we are not told of its
//    close.
// 4. After any error of the CURLM every transfer is removed and reported as interrupted and the
// CURLM replaced.
// 5. stop(): running transfers become records, finishing sinks are waited for, then the thread
// ends.
// 6. Member order is destruction order: the CURLM still calls back into the socket table.
#pragma once

#include <uv.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "info_queue.h"
#include "multi_socket.h"
#include "request.h"
#include "scheduler.h"
#include "sink.h"
#include "transfer.h"

namespace mcurl {

// What all loops of an engine share; it outlives them.
struct Shared {
  Shared(RequestOptions options, Limits limits, const std::string& directory, bool overwrite,
         bool keepDetails, std::function<void()> wake, std::function<void(unsigned)> wakeLoop);

  const Limits limits;
  const bool keepDetails;
  const Request request;
  Directory directory;
  HeldBudget budget;
  Scheduler scheduler;
  InfoQueue infoQueue;
};

class Loop final : private MultiSocket::Events, private Transfer::Owner, private Sink::Listener {
 public:
  // Throws std::bad_alloc.
  Loop(Shared& shared, unsigned index);
  ~Loop();  // stops and joins

  // Starts the thread; by then the engine must be able to wake it. Throws std::system_error.
  void start();
  void wake() noexcept;
  void stop() noexcept;

  // Live counters, from any thread.
  const std::vector<Slot>& slots() const noexcept { return slots_; }
  uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  unsigned finishing() const noexcept { return finishing_.load(); }

 private:
  // A descriptor under watch.
  struct Socket {
    Loop* loop;
    curl_socket_t fd;
    int wanted = 0;   // what libcurl asked for last, as libuv events
    int watched = 0;  // what libuv watches
    uv_poll_t poll{};
  };
  // A transfer that libcurl is done with and whose sink is not.
  struct Finishing {
    std::unique_ptr<Transfer> transfer;
    Completion completion;
  };

  // MultiSocket::Events
  void onSocket(CURL* easy, curl_socket_t fd, int what, void* data) noexcept override;
  void onTimer(long timeoutMs) noexcept override;
  // Transfer::Owner
  bool mayConnect(Transfer& transfer) noexcept override;
  void onSocketOpened(Transfer& transfer, curl_socket_t fd) noexcept override;
  void onSocketClosing(curl_socket_t fd) noexcept override;
  void onHeaders(Transfer& transfer) noexcept override;
  void onBytes(size_t count) noexcept override;
  // Sink::Listener
  void onSinkFinished(Sink& sink, bool published) noexcept override;

  void run();
  void createMulti();
  void poll(Socket& socket, int status, int events);
  void watch(Socket& socket);
  void forget(curl_socket_t fd) noexcept;
  bool act(curl_socket_t fd, int events);
  void settle();
  void serveTimer();
  void drain();
  void pull();
  bool begin(std::unique_ptr<Target> target);
  void end(std::unique_ptr<Transfer> transfer, CURLcode result);
  void hop(std::unique_ptr<Transfer> transfer);
  void giveBack(Transfer& transfer);
  void publish(std::unique_ptr<Transfer> transfer);
  void fail(Transfer& transfer, const Transfer::Judgement& judgement);
  void reportUnstarted(const Target& target, Reason reason, int osErrno, std::string error);
  std::unique_ptr<Transfer> remove(Transfer& transfer);
  void release(Transfer& transfer);
  void handOver();
  void interruptAll(Reason reason);
  void recover();
  void shutDown();

  Shared& shared_;
  const unsigned index_;

  uv_loop_t uv_{};
  uv_async_t async_{};
  uv_timer_t timer_{};       // libcurl's
  uv_timer_t pauseTimer_{};  // the end of the next pause of a host
  uv_timer_t watchdog_{};    // versions that forget to re-arm their timer
  uv_check_t check_{};
  uv_idle_t idle_{};
  std::atomic<bool> isStopping_{false};

  std::vector<Socket*> sockets_;  // by descriptor
  std::vector<bool> isOurs_;      // by descriptor: opened by onSocketOpened, not yet closed
  long timerMs_ = -1;             // as libcurl said last
  bool timerChanged_ = false;
  bool timerDue_ = false;
  bool acted_ = false;  // since the last settle
  bool beat_ = false;   // since the watchdog's last look
  bool isFailed_ = false;
  int running_ = 0;
  double meanBody_ = 1 << 20;  // of the last ones published; large until some are known

  Share share_;
  std::optional<MultiSocket> multi_;
  std::vector<std::unique_ptr<Transfer>> transfers_;
  std::vector<Finishing> sinks_;
  std::vector<Completion> ended_;              // on their way to the info queue
  std::vector<Scheduler::Released> released_;  // on their way to the scheduler
  std::vector<Slot> slots_;
  std::vector<Slot*> freeSlots_;
  std::atomic<uint64_t> bytes_{0};
  std::atomic<unsigned> finishing_{0};
  std::thread thread_;
};

}  // namespace mcurl
