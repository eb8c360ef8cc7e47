// Faults that cannot be caused from outside, put in by the linker (--wrap in binding.gyp). Each is
// armed by one test and disarmed when its object goes.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <functional>

namespace fault {

// How a wrapped function fails: every `every`th call from now on, 0 for never.
class Fault {
 public:
  // From any thread. True: fail this call with code().
  bool isDue() noexcept {
    const unsigned every = every_.load(std::memory_order_acquire);
    if (every == 0 || (calls_.fetch_add(1, std::memory_order_relaxed) + 1) % every != 0)
      return false;
    if (times_.fetch_sub(1, std::memory_order_relaxed) <= 0) return false;
    fired_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  int code() const noexcept { return code_.load(std::memory_order_relaxed); }
  unsigned fired() const noexcept { return fired_.load(std::memory_order_relaxed); }

  void arm(int code, unsigned every, int times) noexcept {
    code_.store(code, std::memory_order_relaxed);
    calls_.store(0, std::memory_order_relaxed);
    fired_.store(0, std::memory_order_relaxed);
    times_.store(times, std::memory_order_relaxed);
    every_.store(every, std::memory_order_release);
  }
  void disarm() noexcept { every_.store(0, std::memory_order_release); }

 private:
  std::atomic<unsigned> every_{0};
  std::atomic<unsigned> calls_{0};
  std::atomic<int> times_{0};
  std::atomic<unsigned> fired_{0};
  std::atomic<int> code_{0};
};

extern Fault socketAction;  // a CURLMcode; libcurl has done its work all the same
extern Fault timeOut;       // CURLM_OK; CURL_SOCKET_TIMEOUT finds nothing due
extern Fault addHandle;     // a CURLMcode; the handle is not inside
extern Fault tmpFile;       // an errno of open with O_TMPFILE
extern Fault linkAt;        // an errno
extern Fault socket;        // an errno
extern Fault write;         // an errno
extern Fault sync;          // an errno, of fsync and fdatasync
extern Fault clock;         // seconds that CLOCK_REALTIME is wrong by

// Arms one fault for the length of a block.
class Armed {
 public:
  static constexpr int kAlways = 1 << 30;
  Armed(Fault& fault, int code, unsigned every = 1, int times = kAlways) : fault_{fault} {
    fault_.arm(code, every, times);
  }
  Armed(const Armed&) = delete;
  Armed& operator=(const Armed&) = delete;
  ~Armed() { fault_.disarm(); }

 private:
  Fault& fault_;
};

// Shows each fsync and fdatasync to a test just before it is made, for the length of a block: `see`
// gets the descriptor, on whichever thread syncs.
class Seen {
 public:
  explicit Seen(std::function<void(int fd)> see);
  Seen(const Seen&) = delete;
  Seen& operator=(const Seen&) = delete;
  ~Seen();

 private:
  const std::function<void(int fd)> see_;
};

// Lets the core meet another libcurl for the length of a block: what curl_version_info says.
class Pretended {
 public:
  explicit Pretended(curl_version_info_data info);
  Pretended(const Pretended&) = delete;
  Pretended& operator=(const Pretended&) = delete;
  ~Pretended();

 private:
  curl_version_info_data info_;
};

}  // namespace fault
