#include "poll_socket.h"

#include <curl/curl.h>
#include <fcntl.h>

#include <cerrno>
#include <memory>

namespace mcurl {
namespace {

// `error` as libuv has it: negative.
[[noreturn]] void fail(Napi::Env env, int fd, int error) {
  Napi::Error thrown = Napi::Error::New(
      env, "descriptor " + std::to_string(fd) + " cannot be watched: " + uv_strerror(error));
  thrown.Set("code", uv_err_name(error));
  throw thrown;
}

}  // namespace

Napi::Function PollSocket::define(Napi::Env env) {
  auto watches = std::make_unique<Watches>();
  napi_get_uv_event_loop(env, &watches->loop);
  napi_add_async_cleanup_hook(env, &PollSocket::onLeave, watches.get(), &watches->hook);
  // From here on the hook frees it.
  return DefineClass(
      env, "PollSocket",
      {InstanceMethod<&PollSocket::update>("update"), InstanceMethod<&PollSocket::close>("close")},
      watches.release());
}

void PollSocket::onLeave(napi_async_cleanup_hook_handle, void* data) {
  auto& watches = *static_cast<Watches*>(data);
  watches.isLeaving = true;
  for (Watch* watch : watches.all) {
    if (watch->owner != nullptr) watch->owner->shut();
  }
  leaveIfDone(watches);
}

void PollSocket::leaveIfDone(Watches& watches) {
  if (!watches.isLeaving || !watches.all.empty()) return;
  napi_remove_async_cleanup_hook(watches.hook);
  delete &watches;
}

PollSocket::PollSocket(const Napi::CallbackInfo& info) : ObjectWrap{info} {
  const Napi::Env env = info.Env();
  auto& watches = *static_cast<Watches*>(info.Data());
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const int what = info[1].As<Napi::Number>().Int32Value();
  auto watch = std::make_unique<Watch>(watches, this, Fd{::fcntl(fd, F_DUPFD_CLOEXEC, 0)});
  if (!watch->copy) fail(env, fd, -errno);
  const int error = uv_poll_init_socket(watches.loop, &watch->poll, watch->copy.get());
  if (error != 0) fail(env, fd, error);
  watch->poll.data = watch.get();
  watches.all.insert(watch.get());
  watch_ = watch.release();
  function_ = Napi::Persistent(info[2].As<Napi::Function>());
  Ref();
  this->watch(what);
}

void PollSocket::watch(int what) {
  watch_->wanted = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                   ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
  if (watch_->wanted == 0) {
    uv_poll_stop(&watch_->poll);
    return;
  }
  const int error = uv_poll_start(&watch_->poll, watch_->wanted, &PollSocket::onPoll);
  if (error == 0) return;
  const int fd = watch_->copy.get();
  shut();
  fail(Env(), fd, error);
}

void PollSocket::onPoll(uv_poll_t* poll, int status, int events) {
  auto& watch = *static_cast<Watch*>(poll->data);
  const napi_env env = watch.owner->Env();
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  // ERR alone loses what can still be read on libcurl 7.88.
  const int bits = status < 0 ? CURL_CSELECT_IN | CURL_CSELECT_OUT
                              : ((events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                                    ((events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0);
  napi_value function = nullptr;
  napi_value receiver = nullptr;
  napi_value argument = nullptr;
  napi_value result = nullptr;
  napi_get_reference_value(env, watch.owner->function_, &function);
  napi_get_reference_value(env, *watch.owner, &receiver);
  napi_create_int32(env, bits, &argument);
  if (function != nullptr && receiver != nullptr &&
      napi_make_callback(env, nullptr, receiver, function, 1, &argument, &result) != napi_ok) {
    bool isPending = false;
    napi_value exception = nullptr;
    if (napi_is_exception_pending(env, &isPending) == napi_ok && isPending &&
        napi_get_and_clear_last_exception(env, &exception) == napi_ok) {
      napi_fatal_exception(env, exception);
    }
  }
  // libuv has stopped after an error.
  if (status < 0 && watch.owner != nullptr && watch.wanted != 0)
    uv_poll_start(&watch.poll, watch.wanted, &PollSocket::onPoll);
  napi_close_handle_scope(env, scope);
}

void PollSocket::shut() noexcept {
  Watch* const watch = std::exchange(watch_, nullptr);
  if (watch == nullptr) return;
  watch->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&watch->poll), [](uv_handle_t* handle) {
    auto* closed = static_cast<Watch*>(handle->data);
    Watches& watches = closed->watches;
    watches.all.erase(closed);
    delete closed;
    leaveIfDone(watches);
  });
  watch->copy.reset();  // after libuv has let go of it
  function_.Reset();
  Unref();
}

void PollSocket::update(const Napi::CallbackInfo& info) {
  if (watch_ == nullptr) return;
  const int what = info[0].As<Napi::Number>().Int32Value();
  if (what == CURL_POLL_REMOVE) {
    shut();
  } else {
    watch(what);
  }
}

}  // namespace mcurl
