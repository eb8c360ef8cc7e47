// Where the body bytes of one transfer go: held while small, then into NAME.part; a name is only
// seen whole.
//
// Lifetime and thread rules:
// 1. A sink belongs to one transfer on one loop; write, finish and its destructor run on that
//    loop's thread.
// 2. finish() may answer later: the sink lives until `done` was called, on the loop's thread.
// 3. Destroyed unfinished, a held body is gone and a .part stays, without its final name.
#pragma once

#include <uv.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "directory.h"

namespace mcurl {

// What held bodies may use together, over all loops.
class HeldBudget {
 public:
  bool take(int64_t bytes) noexcept {
    if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= kMax) return true;
    give(bytes);
    return false;
  }
  void give(int64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  static constexpr int64_t kMax = 64 << 20;
  std::atomic<int64_t> used_{0};
};

class Sink {
 public:
  class Listener {
   public:
    virtual void onSinkFinished(Sink& sink, bool published) noexcept = 0;

   protected:
    ~Listener() = default;
  };

  Sink(Directory& directory, HeldBudget& budget, const std::string& name)
      : directory_{directory}, budget_{budget}, name_{name} {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink() { drop(); }

  // What is known of the body's size before its first byte (-1: nothing).
  void expect(int64_t size) noexcept { expected_ = size; }

  // False: see error(). write(2) happens here: a write of 16 KiB to the page cache is cheaper than
  // a thread's.
  bool write(const char* data, size_t size) noexcept;

  // Gives the body its name; `listener` hears of it now (small bodies) or later. The caller has
  // checked that the body is whole.
  void finish(uv_loop_t* loop, Listener& listener) noexcept;

  int64_t size() const noexcept { return size_; }
  const LocalError& error() const noexcept { return error_; }

 private:
  // A body above this goes to .part at once.
  static constexpr int64_t kMaxHeld = 256 << 10;

  bool hold(const char* data, size_t size);
  bool spill();
  void drop() noexcept;

  Directory& directory_;
  HeldBudget& budget_;
  const std::string& name_;
  int64_t expected_ = -1;
  int64_t size_ = 0;
  std::string held_;
  int64_t budgeted_ = 0;
  Fd part_;
  LocalError error_;
  uv_work_t work_{};
  bool published_ = false;
  Listener* listener_ = nullptr;
};

}  // namespace mcurl
