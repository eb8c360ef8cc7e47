// A descriptor watched on Node's own loop, by uv_poll.
//
// Lifetime and thread rules:
// 1. Everything happens on the thread of the environment.
// 2. What is watched is a duplicate of our own: libcurl 7.88 closes a socket that is still
//    connecting before it tells, and libuv allows one handle for a descriptor.
// 3. An open handle keeps its object and its function alive, as Node's own sockets do.
// 4. A Watch outlives its object until libuv has closed it. An environment must not end before
// that:
//    the asynchronous clean-up hook closes what is open and waits for what is closing.
#pragma once

#include <napi.h>
#include <uv.h>

#include <unordered_set>

#include "../core/handles.h"

namespace mcurl {

class PollSocket : public Napi::ObjectWrap<PollSocket> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit PollSocket(const Napi::CallbackInfo& info);

 private:
  struct Watch;
  // All of one environment.
  struct Watches {
    uv_loop_t* loop = nullptr;
    napi_async_cleanup_hook_handle hook = nullptr;
    std::unordered_set<Watch*> all;
    bool isLeaving = false;
  };
  struct Watch {
    Watches& watches;
    PollSocket* owner;  // null while closing
    Fd copy;
    int wanted = 0;  // libuv's events
    uv_poll_t poll{};
  };

  static void onLeave(napi_async_cleanup_hook_handle hook, void* watches);
  static void leaveIfDone(Watches& watches);
  static void onPoll(uv_poll_t* poll, int status, int events);

  void watch(int what);
  void shut() noexcept;

  void update(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo&) { shut(); }

  Watch* watch_ = nullptr;
  Napi::FunctionReference function_;
};

}  // namespace mcurl
