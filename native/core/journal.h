// The core's lines of the journal: what is planned, what began, how far it is on the disk.
// JavaScript writes the rest and reads it all (src/job/journal.ts).
//
// Threads: all members from any thread; a call is one write(2) with O_APPEND.
// 1. began() returns before the first byte of its version enters the .part, plan() before a target
//    may start: without this order a kill at the wrong moment makes a mixture.
// 2. Each write begins with a line end of its own, so that a line torn before it (disk full) costs
//    no other.
#pragma once

#include <string>
#include <string_view>

#include "handles.h"

namespace mcurl {

class Journal {
 public:
  // Shares the open file (and so the lock) of `fd`, which stays the caller's; -1: no journal.
  // Throws std::system_error.
  explicit Journal(int fd);

  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

  struct Planned {
    double serial;
    std::string_view entry;
    std::string_view name;
  };
  // Appends one line to `lines`, for append().
  static void addPlan(std::string& lines, const Planned& planned);
  static void addBegan(std::string& lines, double serial, std::string_view name,
                       std::string_view version, int64_t total);
  static void addDurable(std::string& lines, double serial, int64_t size);

  // False with errno set.
  bool append(const std::string& lines) const noexcept;
  // Waits until all that was appended is on the disk. False with errno set.
  bool sync() const noexcept;

 private:
  Fd fd_;
};

}  // namespace mcurl
