#include "fault.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>

namespace fault {

Fault socketAction;
Fault timeOut;
Fault addHandle;
Fault tmpFile;
Fault linkAt;
Fault socket;
Fault write;
Fault sync;
Fault clock;

namespace {
std::atomic<const std::function<void(int)>*> seen{nullptr};
std::atomic<curl_version_info_data*> pretended{nullptr};

int synced(int (*real)(int), int fd) {
  if (const auto* see = seen.load()) (*see)(fd);
  if (!sync.isDue()) return real(fd);
  errno = sync.code();
  return -1;
}
}  // namespace

Seen::Seen(std::function<void(int fd)> see) : see_{std::move(see)} { seen = &see_; }
Seen::~Seen() { seen = nullptr; }

Pretended::Pretended(curl_version_info_data info) : info_{info} { pretended = &info_; }
Pretended::~Pretended() { pretended = nullptr; }

}  // namespace fault

// glibc's headers turn openat into openat64.
#ifdef __GLIBC__
#define WRAPPED_OPENAT(prefix) prefix##openat64
#else
#define WRAPPED_OPENAT(prefix) prefix##openat
#endif

extern "C" {

CURLMcode __real_curl_multi_socket_action(CURLM*, curl_socket_t, int, int*);
CURLMcode __wrap_curl_multi_socket_action(CURLM* multi, curl_socket_t fd, int events,
                                          int* running) {
  if (fd == CURL_SOCKET_TIMEOUT && fault::timeOut.isDue()) return CURLM_OK;
  const CURLMcode code = __real_curl_multi_socket_action(multi, fd, events, running);
  return fault::socketAction.isDue() ? static_cast<CURLMcode>(fault::socketAction.code()) : code;
}

CURLMcode __real_curl_multi_add_handle(CURLM*, CURL*);
CURLMcode __wrap_curl_multi_add_handle(CURLM* multi, CURL* easy) {
  if (fault::addHandle.isDue()) return static_cast<CURLMcode>(fault::addHandle.code());
  return __real_curl_multi_add_handle(multi, easy);
}

curl_version_info_data* __real_curl_version_info(CURLversion);
curl_version_info_data* __wrap_curl_version_info(CURLversion age) {
  curl_version_info_data* info = fault::pretended;
  return info != nullptr ? info : __real_curl_version_info(age);
}

int WRAPPED_OPENAT(__real_)(int directory, const char* path, int flags, ...);
int WRAPPED_OPENAT(__wrap_)(int directory, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const bool isTmpFile = (flags & O_TMPFILE) == O_TMPFILE;
  const mode_t mode = isTmpFile || (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (isTmpFile && fault::tmpFile.isDue()) {
    errno = fault::tmpFile.code();
    return -1;
  }
  return WRAPPED_OPENAT(__real_)(directory, path, flags, mode);
}

int __real_linkat(int, const char*, int, const char*, int);
int __wrap_linkat(int from, const char* path, int to, const char* name, int flags) {
  if (fault::linkAt.isDue()) {
    errno = fault::linkAt.code();
    return -1;
  }
  return __real_linkat(from, path, to, name, flags);
}

int __real_socket(int, int, int);
int __wrap_socket(int family, int type, int protocol) {
  if (fault::socket.isDue()) {
    errno = fault::socket.code();
    return -1;
  }
  return __real_socket(family, type, protocol);
}

ssize_t __real_write(int, const void*, size_t);
ssize_t __wrap_write(int fd, const void* data, size_t size) {
  if (fault::write.isDue()) {
    errno = fault::write.code();
    return -1;
  }
  return __real_write(fd, data, size);
}

int __real_fsync(int);
int __wrap_fsync(int fd) { return fault::synced(__real_fsync, fd); }

int __real_fdatasync(int);
int __wrap_fdatasync(int fd) { return fault::synced(__real_fdatasync, fd); }

int __real_clock_gettime(clockid_t, timespec*);
int __wrap_clock_gettime(clockid_t clock, timespec* now) {
  const int result = __real_clock_gettime(clock, now);
  if (clock == CLOCK_REALTIME && fault::clock.isDue()) now->tv_sec += fault::clock.code();
  return result;
}

}  // extern "C"
