// The queue of records from all loops to JavaScript, and the one wake that says "come now".
//
// Threads: push and wake from any thread; read and details from the reader's thread only.
// 1. The wake function is called at most once until read() has returned 0, which arms it again.
// 2. It is called without the lock held, on the pushing thread; it must only signal.
#pragma once

#include <algorithm>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "record.h"

namespace mcurl {

class InfoQueue {
 public:
  explicit InfoQueue(std::function<void()> wake) : wake_{std::move(wake)} {}

  // Moves `ended` in, in order, and leaves it empty.
  void push(std::vector<Completion>& ended) {
    if (ended.empty()) return;
    {
      std::lock_guard lock{mutex_};
      std::move(ended.begin(), ended.end(), std::back_inserter(waiting_));
    }
    ended.clear();
    wake();
  }

  void wake() {
    {
      std::lock_guard lock{mutex_};
      if (!std::exchange(armed_, false)) return;
    }
    wake_();
  }

  // Copies at most `max` records to `into`; their details are readable until the next call.
  size_t read(Record* into, size_t max) {
    if (next_ == taken_.size()) {
      taken_.clear();
      next_ = 0;
      std::lock_guard lock{mutex_};
      taken_.swap(waiting_);
      if (taken_.empty()) armed_ = true;
    }
    first_ = next_;
    const size_t count = std::min(max, taken_.size() - next_);
    for (size_t i = 0; i < count; ++i) into[i] = taken_[next_++].record;
    cursor_ = first_;
    return count;
  }

  // Details of `id` among the records of the last read, or null. Cheap when asked in the order
  // read.
  const Details* details(double id) {
    for (size_t tried = first_; tried < next_; ++tried) {
      const Completion& completion = taken_[cursor_];
      cursor_ = cursor_ + 1 == next_ ? first_ : cursor_ + 1;
      if (completion.record.id == id) return completion.details.get();
    }
    return nullptr;
  }

 private:
  const std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<Completion> waiting_;  // guarded by mutex_
  bool armed_ = true;                // guarded by mutex_
  std::vector<Completion> taken_;    // the reader's
  size_t first_ = 0;                 // of the last read, in taken_
  size_t next_ = 0;
  size_t cursor_ = 0;
};

}  // namespace mcurl
