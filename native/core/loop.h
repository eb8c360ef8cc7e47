// A thread that owns one libuv loop and one CURLM, and runs the transfers the scheduler gives it.
//
// Lifetime and thread rules:
// 1. Constructor and destructor belong to the engine, which destroys no loop while another may wake
//    it; wake() and stop() may be called from any thread; all else runs on the loop's own thread.
// 2. libcurl's two callbacks only record (a wish, a due time); actions are called from libuv's
//    callbacks.
// 3. After any error of the CURLM every transfer is removed and reported as interrupted and the
//    CURLM replaced.
// 4. stop(): running transfers become records, finishing sinks are waited for, then the thread
//    ends.
// 5. Member order is destruction order: the CURLM still calls back into the socket table.
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
#include "sockets.h"
#include "transfer.h"

namespace mcurl {

// What all loops of an engine share; it outlives them.
struct Shared {
  Shared(RequestOptions options, Limits limits, const std::string& directory, OutputOptions output,
         bool keepDetails, std::function<void()> wake, std::function<void(unsigned)> wakeLoop);

  const Limits limits;
  const bool keepDetails;
  const Request request;
  Output output;
  Scheduler scheduler;
  InfoQueue infoQueue;
};

class Loop final : private MultiSocket::Events,
                   private Sockets::Listener,
                   private Transfer::Owner,
                   private Sink::Listener {
 public:
  // Throws std::bad_alloc.
  Loop(Shared& shared, unsigned index);
  ~Loop();  // after join()

  // Starts the thread; by then the engine must be able to wake it. Throws std::system_error.
  void start();
  void wake() noexcept;
  void stop() noexcept;
  // Stops and waits for the thread. The engine joins all before it destroys one.
  void join() noexcept;

  // Live counters, from any thread.
  const std::vector<Slot>& slots() const noexcept { return slots_; }
  uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  unsigned finishing() const noexcept { return finishing_.load(); }

 private:
  // A transfer that libcurl is done with and whose sink is not.
  struct Finishing {
    std::unique_ptr<Transfer> transfer;
    Completion completion;
  };

  // MultiSocket::Events
  void onSocket(CURL* easy, curl_socket_t fd, int what, void* data) noexcept override;
  void onTimer(long timeoutMs) noexcept override;
  // Sockets::Listener
  void onReady(curl_socket_t fd, int events) noexcept override;
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
  void act(curl_socket_t fd, int events);
  void actOnAll();
  void acted(CURLMcode code);
  void settle();
  void serveTimer();
  void watch();
  void drain();
  void pull();
  bool isThere(Target& target);
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

  Sockets sockets_;
  long timerMs_ = -1;  // as libcurl said last
  bool timerChanged_ = false;
  bool timerDue_ = false;
  bool acted_ = false;  // since the last settle
  bool beat_ = false;   // since the watchdog's last look
  unsigned looks_ = 0;  // of the watchdog
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
