#include "directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
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
    const std::string_view name = entry->d_name;
    // A journal is no file of the job's.
    if (name != "." && name != ".." && !(name[0] == '.' && name.ends_with("mcurl-journal"))) {
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

constexpr const char* kVersionAttribute = "user.mcurl.version";

// openat2 keeps whatever the name is beneath the directory; where there is none, names of one
// component and O_NOFOLLOW must do.
int openBeneath(int directory, const char* name, int flags) {
  if (std::strchr(name, '/') != nullptr) {
    errno = EXDEV;
    return -1;
  }
  open_how how{};
  how.flags = static_cast<uint64_t>(flags);
  how.mode = (flags & O_CREAT) != 0 ? kMode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const long fd = ::syscall(SYS_openat2, directory, name, &how, sizeof how);
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(fd);
  return ::openat(directory, name, flags, kMode);
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

Directory::Directory(const std::string& path)
    : fd_{::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)} {
  if (!fd_) throw std::system_error(errno, std::generic_category(), "cannot open " + path);
  ::clock_gettime(CLOCK_REALTIME, &openedAt_);
  wasEmpty_ = !hasEntries(fd_.get());
}

Directory::Existing Directory::existing(const char* name, bool mayReplace, int64_t doneBytes,
                                        LocalError& error) const {
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
  if (doneBytes >= 0 && S_ISREG(status.st_mode))
    return status.st_size == doneBytes ? Existing::kBefore : Existing::kAbsent;
  if (mayReplace) return Existing::kAbsent;
  if (!S_ISREG(status.st_mode)) {
    error = {EEXIST, std::string{name} + " is a symbolic link (--overwrite replaces it)"};
    return Existing::kError;
  }
  // Later than now: the clock was set back since, and that file is older than it says.
  timespec now{};
  if (isLater(status.st_ctim, openedAt_) && ::clock_gettime(CLOCK_REALTIME, &now) == 0 &&
      !isLater(status.st_ctim, now)) {
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

// The last steps before a name: what they cannot do is told by close(2) or not at all.
bool Directory::set(int fd, const Attributes& attributes) const noexcept {
  if (!attributes.url.empty()) {
    const auto setText = [&](const char* key, const std::string& value) {
      if (!value.empty() && ::fsetxattr(fd, key, value.data(), value.size(), 0) != 0)
        lacksAttributes_ = true;
    };
    setText("user.xdg.origin.url", attributes.url);
    setText("user.mime_type", attributes.contentType);
    setText(kVersionAttribute, attributes.version);
  }
  if (attributes.lastModified >= 0) {
    const timespec times[2] = {{0, UTIME_OMIT}, {attributes.lastModified, 0}};
    ::futimens(fd, times);
  }
  return !attributes.isDurable || ::fsync(fd) == 0;
}

bool Directory::syncNames(const Attributes& attributes) const noexcept {
  return !attributes.isDurable || ::fsync(fd_.get()) == 0;
}

bool Directory::publishHeld(const char* name, std::string_view body, const Attributes& attributes,
                            LocalError& error) {
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
  if (!writeAll(fd.get(), body.data(), body.size()) || !set(fd.get(), attributes)) {
    error = localError("cannot write", name, errno);
    return false;
  }
  if (link(fd.get(), name)) {
    if (syncNames(attributes)) return true;
    error = localError("cannot sync", name, errno);
    return false;
  }
  // linkat cannot replace; a rename can.
  if (errno == EEXIST && attributes.mayReplace) return false;
  if (errno == EEXIST) {
    error = {EEXIST, std::string{name} + " appeared during this run"};
  } else if (errno == ENOENT || errno == EXDEV || errno == EOPNOTSUPP || errno == EPERM) {
    return false;  // no /proc, or a file system that does not link such files
  } else {
    error = localError("cannot name", name, errno);
  }
  return false;
}

bool Directory::hasPart(const char* name) const {
  return ::faccessat(fd_.get(), partName(name).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

namespace {
std::string idOf(const struct statx& status) {
  std::string id = std::to_string(status.stx_ino);
  if ((status.stx_mask & STATX_BTIME) != 0) {
    const statx_timestamp& birth = status.stx_btime;
    id += '-' + std::to_string(birth.tv_sec) + '.' + std::to_string(birth.tv_nsec);
  }
  return id;
}
}  // namespace

Directory::Part Directory::part(const char* name) const {
  struct statx status {};
  if (::statx(fd_.get(), partName(name).c_str(), AT_SYMLINK_NOFOLLOW,
              STATX_BASIC_STATS | STATX_BTIME, &status) != 0 ||
      !S_ISREG(status.stx_mode) || status.stx_uid != ::geteuid() || status.stx_nlink != 1)
    return {};
  return {static_cast<int64_t>(status.stx_size), ::mcurl::idOf(status)};
}

std::string Directory::idOf(const Fd& part) {
  struct statx status {};
  if (::statx(part.get(), "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) != 0) return {};
  return ::mcurl::idOf(status);
}

Fd Directory::openPart(const char* name, LocalError& error) const {
  const std::string part = partName(name);
  Fd fd{
      openBeneath(fd_.get(), part.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
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
  return fd;
}

bool Directory::dress(const Fd& part, const char* name, const Attributes& attributes,
                      LocalError& error) const {
  // NFS and quotas speak up only at close; closing a duplicate keeps the lock until the name is
  // given.
  Fd copy{::fcntl(part.get(), F_DUPFD_CLOEXEC, 0)};
  if (copy && set(copy.get(), attributes) && copy.close()) return true;
  error = localError("cannot write", name, errno);
  return false;
}

bool Directory::publishPart(const Fd& part, const char* name, const Attributes& attributes,
                            LocalError& error) const {
  if (!dress(part, name, attributes, error)) return false;
  if (rename(partName(name).c_str(), name, attributes.mayReplace)) {
    if (syncNames(attributes)) return true;
    error = localError("cannot sync", name, errno);
    return false;
  }
  error = errno == EEXIST ? LocalError{EEXIST, std::string{name} + " appeared during this run"}
                          : localError("cannot name", name, errno);
  return false;
}

bool Directory::publishAs(const char* partOf, const char* name, const Attributes& attributes,
                          LocalError& error) const {
  if (std::strchr(name, '/') != nullptr) {
    error = localError("cannot name", name, EXDEV);
    return false;
  }
  if (rename(partName(partOf).c_str(), name, attributes.mayReplace) && syncNames(attributes))
    return true;
  error = localError("cannot name", name, errno);
  return false;
}

bool Directory::rename(const char* from, const char* name, bool mayReplace) const {
  if (mayReplace) return ::renameat(fd_.get(), from, fd_.get(), name) == 0;
  if (::syscall(SYS_renameat2, fd_.get(), from, fd_.get(), name, kNoReplace) == 0) return true;
  // A file system or kernel without NOREPLACE.
  if (errno != EINVAL && errno != ENOSYS) return false;
  if (::linkat(fd_.get(), from, fd_.get(), name, 0) != 0) return false;
  ::unlinkat(fd_.get(), from, 0);
  return true;
}

void Directory::removePart(const char* name) const {
  ::unlinkat(fd_.get(), partName(name).c_str(), 0);
}

bool Directory::keepBad(const char* name) const {
  return rename(partName(name).c_str(), (std::string{name} + ".bad").c_str(), false);
}

std::string Directory::versionOf(const char* name, int64_t& size) const {
  const Fd fd{openBeneath(fd_.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return {};
  size = status.st_size;
  char text[2048];
  const ssize_t length = ::fgetxattr(fd.get(), kVersionAttribute, text, sizeof text);
  return length > 0 ? std::string{text, static_cast<size_t>(length)} : std::string{};
}

Fd openLocked(const std::string& path, bool isDirectory) {
  const int flags = isDirectory ? O_RDONLY | O_DIRECTORY : O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW;
  const auto fail = [&](int osErrno) -> Fd {
    throw std::system_error(osErrno, std::generic_category(), "cannot lock " + path);
  };
  for (;;) {
    Fd fd{::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0600)};
    struct stat opened {};
    if (!fd || ::fstat(fd.get(), &opened) != 0) return fail(errno);
    if (!isDirectory && !S_ISREG(opened.st_mode)) return fail(EINVAL);
    // Whoever owns a journal can read the URLs in it, and says what is whole.
    if (!isDirectory && opened.st_uid != ::geteuid())
      throw std::system_error(EPERM, std::generic_category(), path + " belongs to another user");
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return fail(errno);
      return fd;  // a file system without locks: nothing to ask
    }
    // The run before may have removed it in between.
    struct stat named {};
    if (::stat(path.c_str(), &named) == 0 && named.st_ino == opened.st_ino &&
        named.st_dev == opened.st_dev)
      return fd;
  }
}

}  // namespace mcurl
