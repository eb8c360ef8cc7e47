#include "directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

namespace mcurl {
namespace {

constexpr mode_t kMode = 0666;      // less the umask
constexpr unsigned kNoReplace = 1;  // RENAME_NOREPLACE

bool hasEntries(int fd) {
  const int copy = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = copy < 0 ? nullptr : ::fdopendir(copy);
  if (stream == nullptr) {
    if (copy >= 0) ::close(copy);
    return true;
  }
  bool found = false;
  while (const dirent* entry = ::readdir(stream)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) {
      found = true;
      break;
    }
  }
  ::closedir(stream);
  return found;
}

bool isLater(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

std::string partName(const char* name) { return std::string{name} + ".part"; }

}  // namespace

bool writeAll(int fd, const char* data, size_t size) noexcept {
  while (size > 0) {
    const ssize_t written = ::write(fd, data, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    data += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

LocalError localError(const char* what, std::string_view name, int osErrno) {
  return {osErrno, std::string{what} + " " + std::string{name} + ": " +
                       std::generic_category().message(osErrno)};
}

Directory::Directory(const std::string& path, bool overwrite)
    : fd_{::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)},
      overwrite_{overwrite} {
  if (!fd_) throw std::system_error(errno, std::generic_category(), "cannot open " + path);
  ::clock_gettime(CLOCK_REALTIME, &openedAt_);
  wasEmpty_ = !hasEntries(fd_.get());
}

Directory::Existing Directory::existing(const char* name, LocalError& error) const {
  // What appears in a directory that was empty appeared during the run: publishing will see it.
  if (wasEmpty_) return Existing::kAbsent;
  struct stat status {};
  if (::fstatat(fd_.get(), name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return Existing::kAbsent;
    error = localError("cannot look for", name, errno);
    return Existing::kError;
  }
  if (S_ISDIR(status.st_mode)) {
    error = {EISDIR, std::string{name} + " is a directory"};
    return Existing::kError;
  }
  if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
    error = {EEXIST, std::string{name} + " exists and is no regular file: choose another name"};
    return Existing::kError;
  }
  if (overwrite_) return Existing::kAbsent;
  if (!S_ISREG(status.st_mode)) {
    error = {EEXIST, std::string{name} + " is a symbolic link (--overwrite replaces it)"};
    return Existing::kError;
  }
  if (isLater(status.st_ctim, openedAt_)) {
    error = {EEXIST, std::string{name} + " appeared during this run"};
    return Existing::kError;
  }
  return Existing::kBefore;
}

// Links an O_TMPFILE descriptor, by whichever way this system allows; tried once.
bool Directory::link(int fd, const char* name) {
  const Link way = link_.load(std::memory_order_relaxed);
  if (way == Link::kUnknown || way == Link::kEmptyPath) {
    if (::linkat(fd, "", fd_.get(), name, AT_EMPTY_PATH) == 0) {
      link_.store(Link::kEmptyPath, std::memory_order_relaxed);
      return true;
    }
    // Without CAP_DAC_READ_SEARCH older kernels say ENOENT.
    if (way == Link::kEmptyPath || (errno != ENOENT && errno != EINVAL && errno != EPERM))
      return false;
  }
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (::linkat(AT_FDCWD, path, fd_.get(), name, AT_SYMLINK_FOLLOW) != 0) return false;
  link_.store(Link::kProcFd, std::memory_order_relaxed);
  return true;
}

bool Directory::publishHeld(const char* name, std::string_view body, LocalError& error) {
  error = {};
  if (link_.load(std::memory_order_relaxed) == Link::kNone) return false;
  const Fd fd{::openat(fd_.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, kMode)};
  if (!fd) {
    if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT) {
      link_.store(Link::kNone, std::memory_order_relaxed);
      return false;
    }
    error = localError("cannot create", name, errno);
    return false;
  }
  if (!writeAll(fd.get(), body.data(), body.size())) {
    error = localError("cannot write", name, errno);
    return false;
  }
  if (link(fd.get(), name)) return true;
  if (errno == EEXIST && overwrite_) return false;  // linkat cannot replace; a rename can
  if (errno == EEXIST) {
    error = {EEXIST, std::string{name} + " appeared during this run"};
  } else if (errno == ENOENT || errno == EXDEV || errno == EOPNOTSUPP || errno == EPERM) {
    return false;  // no /proc, or a file system that does not link such files
  } else {
    error = localError("cannot name", name, errno);
  }
  return false;
}

Fd Directory::openPart(const char* name, LocalError& error) const {
  const std::string part = partName(name);
  Fd fd{::openat(fd_.get(), part.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                 kMode)};
  if (!fd) {
    error = errno == ELOOP || errno == ENXIO
                ? LocalError{errno, part + " exists and is no regular file: remove it"}
                : localError("cannot open", part, errno);
    return {};
  }
  struct stat opened {};
  if (::fstat(fd.get(), &opened) != 0 || !S_ISREG(opened.st_mode) || opened.st_uid != ::geteuid()) {
    error = {EEXIST, part + " exists and is not a regular file of this user: remove it"};
    return {};
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    error = errno == EWOULDBLOCK ? LocalError{errno, "another mcurl writes " + part}
                                 : localError("cannot lock", part, errno);
    return {};
  }
  // Between open and lock its writer may have given it the final name: emptying it would destroy
  // that file.
  struct stat named {};
  if (::fstatat(fd_.get(), part.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
      named.st_ino != opened.st_ino || named.st_dev != opened.st_dev) {
    error = {EBUSY, "another mcurl writes " + part};
    return {};
  }
  if (named.st_nlink != 1) {
    error = {EMLINK, part + " has other names (hard links): remove it"};
    return {};
  }
  if (::ftruncate(fd.get(), 0) != 0) {
    error = localError("cannot empty", part, errno);
    return {};
  }
  return fd;
}

bool Directory::publishPart(const Fd& part, const char* name, LocalError& error) const {
  // NFS and quotas speak up only at close; closing a duplicate keeps the lock until the name is
  // given.
  Fd copy{::fcntl(part.get(), F_DUPFD_CLOEXEC, 0)};
  if (!copy || !copy.close()) {
    error = localError("cannot write", name, errno);
    return false;
  }
  const std::string from = partName(name);
  if (overwrite_) {
    if (::renameat(fd_.get(), from.c_str(), fd_.get(), name) == 0) return true;
    error = localError("cannot name", name, errno);
    return false;
  }
  if (::syscall(SYS_renameat2, fd_.get(), from.c_str(), fd_.get(), name, kNoReplace) == 0)
    return true;
  if (errno == EINVAL || errno == ENOSYS) {  // a file system or kernel without NOREPLACE
    if (::linkat(fd_.get(), from.c_str(), fd_.get(), name, 0) == 0) {
      ::unlinkat(fd_.get(), from.c_str(), 0);
      return true;
    }
  }
  error = errno == EEXIST ? LocalError{EEXIST, std::string{name} + " appeared during this run"}
                          : localError("cannot name", name, errno);
  return false;
}

}  // namespace mcurl
