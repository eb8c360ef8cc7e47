// The output directory: names inside it, seen whole or not at all.
//
// Threads: all members may be called from any loop; each call stands alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "handles.h"

namespace mcurl {

// What went wrong with a local file: the errno and a sentence that names the thing and the cause.
struct LocalError {
  int osErrno = 0;
  std::string text;
};

// What a file gets beside its bytes, before its name.
struct Attributes {
  std::string url{};          // user.xdg.origin.url; empty: no extended attributes at all
  std::string contentType{};  // user.mime_type
  std::string version{};      // user.mcurl.version, by which --if-modified asks later
  time_t lastModified = -1;   // its time of modification; -1: as it comes
  bool isDurable = false;     // on the disk before it has its name, and the name after it
  bool mayReplace = false;    // a file of that name
};

class Directory {
 public:
  enum class Existing {
    kAbsent,  // or to be replaced
    kBefore,  // a regular file, there before the run
    kError,   // something else has the name, or it appeared during the run
  };

  // Throws std::system_error.
  explicit Directory(const std::string& path);

  // What has the name. `doneBytes`: the journal has a whole file of that size under it (-1: it has
  // none), so one of another size is to be replaced.
  Existing existing(const char* name, bool mayReplace, int64_t doneBytes, LocalError& error) const;

  // Gives a complete body its name in one step, by O_TMPFILE and linkat; false with error.osErrno 0
  // when this file system cannot, so that the body must go by openPart.
  bool publishHeld(const char* name, std::string_view body, const Attributes& attributes,
                   LocalError& error);

  // Something is called NAME.part.
  bool hasPart(const char* name) const;

  // NAME.part, when it may be ours; else without size.
  struct Part {
    int64_t size = 0;
    std::string id{};  // its inode and time of birth, which no other file has
  };
  Part part(const char* name) const;
  // Of an open one.
  static std::string idOf(const Fd& part);

  // NAME.part as it is, made when it is missing, at its beginning; locked and known to be ours. No
  // Fd with `error` set.
  Fd openPart(const char* name, LocalError& error) const;

  // NAME.part, written to its end, gets its name. Flushes what only close(2) would tell.
  bool publishPart(const Fd& part, const char* name, const Attributes& attributes,
                   LocalError& error) const;

  // The attributes alone, for a .part that gets its name later.
  bool dress(const Fd& part, const char* name, const Attributes& attributes,
             LocalError& error) const;

  // A whole body that lies in PARTOF.part gets a name that was decided only now. False with EEXIST
  // when the name is taken.
  bool publishAs(const char* partOf, const char* name, const Attributes& attributes,
                 LocalError& error) const;

  // NAME.part, locked by us, is of no use any more, or goes to NAME.bad (false when that exists).
  void removePart(const char* name) const;
  bool keepBad(const char* name) const;

  // What publish left in user.mcurl.version of a file; empty when there is none. `size`: of the
  // file.
  std::string versionOf(const char* name, int64_t& size) const;

  // A file or name of ours got no extended attributes, because the file system has none.
  bool lacksAttributes() const noexcept { return lacksAttributes_; }

 private:
  enum class Link { kUnknown, kEmptyPath, kProcFd, kNone };

  bool link(int fd, const char* name);
  bool set(int fd, const Attributes& attributes) const noexcept;
  bool rename(const char* from, const char* name, bool mayReplace) const;
  bool syncNames(const Attributes& attributes) const noexcept;

  Fd fd_;
  bool wasEmpty_ = false;
  timespec openedAt_{};
  std::atomic<Link> link_{Link::kUnknown};
  mutable std::atomic<bool> lacksAttributes_{false};
};

// Opens a directory, or a file (made when missing, 0600, to read and append), and locks it until
// the descriptor and its copies are closed: a crash leaves no lock behind. Throws
// std::system_error: EWOULDBLOCK when another process, or another job of this one, has it.
Fd openLocked(const std::string& path, bool isDirectory);

// Writes all of `data` at the descriptor's position; false with errno set.
bool writeAll(int fd, const char* data, size_t size) noexcept;

LocalError localError(const char* what, std::string_view name, int osErrno);

}  // namespace mcurl
