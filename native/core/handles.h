// Owners of libcurl handles and file descriptors: move-only, freed once. Leaf of the core.
#pragma once

#include <curl/curl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <utility>

namespace mcurl {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* handle) const noexcept {
    Free(handle);
  }
};

using Easy = std::unique_ptr<CURL, Deleter<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, Deleter<curl_multi_cleanup>>;
using Share = std::unique_ptr<CURLSH, Deleter<curl_share_cleanup>>;
using Slist = std::unique_ptr<curl_slist, Deleter<curl_slist_free_all>>;
using CurlUrl = std::unique_ptr<CURLU, Deleter<curl_url_cleanup>>;
using CurlString = std::unique_ptr<char, Deleter<curl_free>>;
static_assert(sizeof(Easy) == sizeof(void*));

// An open file descriptor, or none (-1).
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_{fd} {}
  Fd(Fd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset() noexcept {
    if (fd_ >= 0) close();
  }
  int release() noexcept { return std::exchange(fd_, -1); }
  // False, with errno, when the system reports an error of an earlier write only now.
  bool close() noexcept { return closeNumber(std::exchange(fd_, -1)) == 0; }

 private:
  // TSan sees neither openat(2) nor the closes of libuv: it would take the close of a file for a
  // race with the former owner of its number.
  static long closeNumber(int fd) noexcept {
#ifdef __SANITIZE_THREAD__
    return ::syscall(SYS_close, fd);
#else
    return ::close(fd);
#endif
  }

  int fd_ = -1;
};

}  // namespace mcurl
