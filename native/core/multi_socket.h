// An owning CURLM that speaks exactly the contract of curl_multi_socket_action(3): socket function,
// timer function, socketAction, assign, timeout, infoRead. Who watches the sockets is the caller's
// business.
//
// Lifetime and thread rules:
// 1. One thread uses a MultiSocket, its easy handles and its Events.
// 2. Events must outlive it: curl_multi_cleanup still calls them.
// 3. Events only record: they must not call any member but assign(), and cannot fail (libcurl
//    versions crash on -1).
// 4. remove() takes only handles whose add() succeeded.
// 5. After failed() turns true no action is allowed until every handle is removed; then new ones
//    may be added.
#pragma once

#include <optional>

#include "handles.h"

namespace mcurl {

class MultiSocket {
 public:
  class Events {
   public:
    // CURLMOPT_SOCKETFUNCTION: `what` is CURL_POLL_IN, OUT, INOUT or REMOVE; `data` what assign()
    // bound.
    virtual void onSocket(CURL* easy, curl_socket_t fd, int what, void* data) noexcept = 0;
    // CURLMOPT_TIMERFUNCTION: 0 is as soon as possible but not inside; -1 disarms; one-shot.
    virtual void onTimer(long timeoutMs) noexcept = 0;

   protected:
    ~Events() = default;
  };

  struct Message {
    CURL* easy;
    CURLcode result;
    int remaining;
  };

  // Throws std::bad_alloc.
  explicit MultiSocket(Events& events);
  MultiSocket(const MultiSocket&) = delete;
  MultiSocket& operator=(const MultiSocket&) = delete;
  ~MultiSocket();

  CURLMcode add(CURL* easy) noexcept;
  CURLMcode remove(CURL* easy) noexcept;

  // Tells libcurl of action on a socket (events as CURL_CSELECT_ bits, 0 when not known), or, with
  // CURL_SOCKET_TIMEOUT, that the time is up. Sets `running` only when it succeeds.
  CURLMcode socketAction(curl_socket_t fd, int events, int& running) noexcept;

  // Has libcurl look after each transfer, whatever it waits for (curl_multi_socket_all): a way out
  // of what it may have forgotten, and no more. Sets `running` as above.
  CURLMcode socketAll(int& running) noexcept;

  CURLMcode assign(curl_socket_t fd, void* data) noexcept;

  // Milliseconds until CURL_SOCKET_TIMEOUT is due; -1: no time-out.
  long timeoutMs() noexcept;

  // The next ended transfer; to be called until empty after each batch of actions.
  std::optional<Message> infoRead() noexcept;

  CURLMcode setopt(CURLMoption option, long value) noexcept;

  // Events are told nothing more: for an owner that is going.
  void silence() noexcept;

  // An action or an add failed, and handles from before it are still inside.
  bool failed() const noexcept { return failed_; }

 private:
  CURLMcode noted(CURLMcode code) noexcept;

  Multi multi_;
  size_t added_ = 0;
  bool failed_ = false;
};

}  // namespace mcurl
