#include "sink.h"

#include <algorithm>
#include <cerrno>
#include <new>

namespace mcurl {

bool Sink::write(const char* data, size_t size) noexcept {
  try {
    if (!part_) {
      const int64_t whole = std::max(expected_, size_ + static_cast<int64_t>(size));
      if (whole <= kMaxHeld && hold(data, size)) {
        size_ += static_cast<int64_t>(size);
        return true;
      }
      if (!spill()) return false;
    }
    if (!writeAll(part_.get(), data, size)) {
      error_ = localError("cannot write", name_, errno);
      // A full disk is full for the others too: give back what is of no use.
      static_cast<void>(::ftruncate(part_.get(), 0) == 0);
      return false;
    }
    size_ += static_cast<int64_t>(size);
    return true;
  } catch (const std::bad_alloc&) {
    error_ = {ENOMEM, "out of memory"};
    return false;
  }
}

// Capacity grows with the content (the server's word alone reserves at most kMaxHeld) and is paid
// for in full.
bool Sink::hold(const char* data, size_t size) {
  const size_t need = held_.size() + size;
  if (need > held_.capacity() || budgeted_ == 0) {
    const size_t capacity =
        std::max({need, held_.size() * 2, static_cast<size_t>(std::max<int64_t>(expected_, 0))});
    const auto more = static_cast<int64_t>(capacity) - budgeted_;
    if (!budget_.take(more)) return false;
    budgeted_ += more;
    held_.reserve(capacity);
  }
  held_.append(data, size);
  return true;
}

// From memory to NAME.part.
bool Sink::spill() {
  part_ = directory_.openPart(name_.c_str(), error_);
  if (!part_) return false;
  if (!writeAll(part_.get(), held_.data(), held_.size())) {
    error_ = localError("cannot write", name_, errno);
    return false;
  }
  std::string{}.swap(held_);
  budget_.give(std::exchange(budgeted_, 0));
  return true;
}

void Sink::finish(uv_loop_t* loop, Listener& listener) noexcept {
  try {
    if (!part_) {
      if (directory_.publishHeld(name_.c_str(), held_, error_)) {
        listener.onSinkFinished(*this, true);
        return;
      }
      if (error_.osErrno != 0 || !spill()) {
        listener.onSinkFinished(*this, false);
        return;
      }
    }
  } catch (const std::bad_alloc&) {
    error_ = {ENOMEM, "out of memory"};
    listener.onSinkFinished(*this, false);
    return;
  }
  listener_ = &listener;
  work_.data = this;
  const auto publish = [](uv_work_t* work) {
    auto* sink = static_cast<Sink*>(work->data);
    sink->published_ = sink->directory_.publishPart(sink->part_, sink->name_.c_str(), sink->error_);
    sink->part_.reset();
  };
  const auto finished = [](uv_work_t* work, int) {
    auto* sink = static_cast<Sink*>(work->data);
    sink->listener_->onSinkFinished(*sink, sink->published_);
  };
  if (uv_queue_work(loop, &work_, publish, finished) != 0) {
    publish(&work_);
    listener.onSinkFinished(*this, published_);
  }
}

void Sink::drop() noexcept {
  if (budgeted_ > 0) budget_.give(std::exchange(budgeted_, 0));
  part_.reset();
}

}  // namespace mcurl
