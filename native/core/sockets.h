// The descriptors that libcurl wants watched, as libuv poll handles.
//
// Lifetime and thread rules:
// 1. All runs on the loop's thread; the uv loop must outlive the handles' closing.
// 2. Each is watched by a duplicate of our own: libcurl 7.88 closes a socket that is still
// connecting
//    before it tells, and its number may by then be another thread's file.
// 3. A descriptor that we opened and that was last watched for reading stays watched over
//    CURL_POLL_REMOVE until closing() (a kept-alive connection is asked for again at once); any
//    other is forgotten at REMOVE, for nobody may tell of its close.
// 4. opened() forgets whatever was watched under that number: it is another socket.
#pragma once

#include <curl/curl.h>
#include <uv.h>

#include <vector>

#include "handles.h"

namespace mcurl {

class Sockets {
 public:
  class Listener {
   public:
    // `events` as CURL_CSELECT_ bits. It may open, close and forget sockets, this one too.
    virtual void onReady(curl_socket_t fd, int events) noexcept = 0;

   protected:
    ~Listener() = default;
  };

  Sockets(uv_loop_t& loop, Listener& listener) : loop_{loop}, listener_{listener} {}
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  // What CURLMOPT_SOCKETFUNCTION says.
  void want(curl_socket_t fd, int what) noexcept;
  // What CURLOPT_OPENSOCKETFUNCTION made, and CURLOPT_CLOSESOCKETFUNCTION is about to close.
  void opened(curl_socket_t fd) noexcept;
  void closing(curl_socket_t fd) noexcept;

  // A wish could not be met: libcurl would wait for ever.
  bool hasFailed() const noexcept { return hasFailed_; }
  // For a new CURLM, or none.
  void forgetAll() noexcept;

 private:
  struct Socket {
    Socket(Sockets* sockets, curl_socket_t number, Fd duplicate)
        : owner{sockets}, fd{number}, copy{std::move(duplicate)} {}
    Sockets* owner;
    curl_socket_t fd;  // libcurl's
    Fd copy;           // ours
    int wanted = 0;    // what libcurl asked for last, as libuv events
    int watched = 0;   // what libuv watches
    uv_poll_t poll{};
  };
  struct Entry {
    Socket* socket = nullptr;
    bool isOurs = false;
  };

  Entry& at(curl_socket_t fd) noexcept;
  void watch(Socket& socket) noexcept;
  void ready(Socket& socket, int status, int events) noexcept;
  void forget(Entry& entry) noexcept;

  uv_loop_t& loop_;
  Listener& listener_;
  std::vector<Entry> entries_;  // by descriptor
  bool hasFailed_ = false;
};

}  // namespace mcurl
