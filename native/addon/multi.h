// MultiSocket as a JavaScript object; src/native/multi.ts is its public side.
//
// Lifetime and thread rules:
// 1. Everything happens on the thread of its environment.
// 2. The functions for sockets and times are properties of the JavaScript object, looked up at each
//    call and never referenced from here. The JavaScript side keeps the Easies inside alive.
// 3. `inside_` has the easy handles that libcurl has. An EasyObject that goes first says so by
//    abandon().
// 4. A finalizer or clean-up hook silences libcurl before any other call: there is no object left,
//    or no JavaScript, to be told. cleanup() does not: the program wants its CURL_POLL_REMOVE.
#pragma once

#include <napi.h>

#include <memory>
#include <unordered_map>

#include "../core/multi_socket.h"
#include "easy.h"

namespace mcurl {

class MultiObject final : public Napi::ObjectWrap<MultiObject>,
                          private MultiSocket::Events,
                          private EasyObject::Holder {
 public:
  static Napi::Function define(Napi::Env env);

  static Napi::Value strerror(const Napi::CallbackInfo& info);

  explicit MultiObject(const Napi::CallbackInfo& info);
  ~MultiObject() override;

 private:
  static void onCleanup(void* self) { static_cast<MultiObject*>(self)->free(); }

  void onSocket(CURL* easy, curl_socket_t fd, int what, void* data) noexcept override;
  void onTimer(long timeoutMs) noexcept override;
  void abandon(EasyObject& easy) noexcept override;
  void free() noexcept;
  // The JavaScript object that owns the handle; undefined for one of libcurl's own.
  napi_value ownerOf(CURL* easy) noexcept;

  Napi::Value add(const Napi::CallbackInfo& info);
  Napi::Value remove(const Napi::CallbackInfo& info);
  Napi::Value socketAction(const Napi::CallbackInfo& info);
  Napi::Value assign(const Napi::CallbackInfo& info);
  Napi::Value timeout(const Napi::CallbackInfo& info);
  Napi::Value infoRead(const Napi::CallbackInfo& info);
  Napi::Value setopt(const Napi::CallbackInfo& info);
  Napi::Value failed(const Napi::CallbackInfo& info);
  void cleanup(const Napi::CallbackInfo& info);

  std::unordered_map<CURL*, EasyObject*> inside_;
  std::unique_ptr<MultiSocket> multi_;
};

}  // namespace mcurl
