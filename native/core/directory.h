// The output directory: names inside it, seen whole or not at all.
//
// Threads: all members may be called from any loop; each call stands alone.
#pragma once

#include <atomic>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "handles.h"

namespace mcurl {

// What went wrong with a local file: the errno and a sentence that names the thing and the cause.
struct LocalError {
  int osErrno = 0;
  std::string text;
};

class Directory {
 public:
  enum class Existing { kAbsent, kBefore, kError };

  // Throws std::system_error.
  Directory(const std::string& path, bool overwrite);

  // Whether a regular file of that name was there before the run. kError: something else has the
  // name, or it appeared during the run.
  Existing existing(const char* name, LocalError& error) const;

  // Gives a complete body its name in one step, by O_TMPFILE and linkat; false with error.osErrno 0
  // when this file system cannot, so that the body must go by openPart.
  bool publishHeld(const char* name, std::string_view body, LocalError& error);

  // NAME.part, empty, locked and known to be ours; no Fd with `error` set.
  Fd openPart(const char* name, LocalError& error) const;

  // NAME.part, written to its end, gets its name. Flushes what only close(2) would tell.
  bool publishPart(const Fd& part, const char* name, LocalError& error) const;

 private:
  enum class Link { kUnknown, kEmptyPath, kProcFd, kNone };

  bool link(int fd, const char* name);

  Fd fd_;
  const bool overwrite_;
  bool wasEmpty_ = false;
  timespec openedAt_{};
  std::atomic<Link> link_{Link::kUnknown};
};

// Writes all of `data` at the descriptor's position; false with errno set.
bool writeAll(int fd, const char* data, size_t size) noexcept;

LocalError localError(const char* what, std::string_view name, int osErrno);

}  // namespace mcurl
