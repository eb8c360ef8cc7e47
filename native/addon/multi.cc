#include "multi.h"

#include "../core/engine.h"
#include "call.h"

namespace mcurl {

Napi::Function MultiObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeMulti",
      {InstanceMethod<&MultiObject::add>("add"), InstanceMethod<&MultiObject::remove>("remove"),
       InstanceMethod<&MultiObject::socketAction>("socketAction"),
       InstanceMethod<&MultiObject::assign>("assign"),
       InstanceMethod<&MultiObject::timeout>("timeout"),
       InstanceMethod<&MultiObject::infoRead>("infoRead"),
       InstanceMethod<&MultiObject::setopt>("setopt"),
       InstanceAccessor<&MultiObject::failed>("failed"),
       InstanceMethod<&MultiObject::cleanup>("cleanup"),
       StaticMethod<&MultiObject::strerror>("strerror")});
}

Napi::Value MultiObject::strerror(const Napi::CallbackInfo& info) {
  return Napi::String::New(
      info.Env(),
      curl_multi_strerror(static_cast<CURLMcode>(info[0].As<Napi::Number>().Int32Value())));
}

MultiObject::MultiObject(const Napi::CallbackInfo& info) : ObjectWrap{info} {
  initLibcurl();
  multi_ = std::make_unique<MultiSocket>(static_cast<MultiSocket::Events&>(*this));
  napi_add_env_cleanup_hook(Env(), &MultiObject::onCleanup, this);
}

MultiObject::~MultiObject() {
  if (multi_) napi_remove_env_cleanup_hook(Env(), &MultiObject::onCleanup, this);
  free();
}

void MultiObject::free() noexcept {
  if (!multi_) return;
  multi_->silence();
  // First all: a removal may have libcurl call functions of the others.
  for (const auto& [handle, easy] : inside_) easy->quiet();
  for (const auto& [handle, easy] : inside_) {
    multi_->remove(handle);
    easy->heldBy(nullptr);
  }
  inside_.clear();
  multi_.reset();
}

void MultiObject::abandon(EasyObject& easy) noexcept {
  if (multi_) {
    multi_->silence();
    multi_->remove(easy.handle());
  }
  inside_.erase(easy.handle());
  easy.heldBy(nullptr);
}

napi_value MultiObject::ownerOf(CURL* easy) noexcept {
  const napi_env env = Env();
  napi_value object = nullptr;
  napi_value owner = nullptr;
  const auto found = inside_.find(easy);
  if (found != inside_.end() && napi_get_reference_value(env, *found->second, &object) == napi_ok &&
      object != nullptr && napi_get_named_property(env, object, "owner", &owner) == napi_ok) {
    return owner;
  }
  napi_get_undefined(env, &owner);
  return owner;
}

void MultiObject::onSocket(CURL* easy, curl_socket_t fd, int what, void* data) noexcept {
  const napi_env env = Env();
  const CallScope scope{env};
  if (!scope.isOpen()) return;
  napi_value isAssigned = nullptr;
  napi_get_boolean(env, data != nullptr, &isAssigned);
  callProperty(env, *this, "onSocket",
               {ownerOf(easy), numberOf(env, fd), numberOf(env, what), isAssigned});
}

void MultiObject::onTimer(long timeoutMs) noexcept {
  const napi_env env = Env();
  const CallScope scope{env};
  if (!scope.isOpen()) return;
  callProperty(env, *this, "onTimer", {numberOf(env, static_cast<double>(timeoutMs))});
}

Napi::Value MultiObject::add(const Napi::CallbackInfo& info) {
  EasyObject& easy = *EasyObject::Unwrap(info[0].As<Napi::Object>());
  inside_.emplace(easy.handle(), &easy);  // first: a callback may come at once
  const CURLMcode code = multi_->add(easy.handle());
  if (code == CURLM_OK) {
    easy.heldBy(this);
  } else {
    inside_.erase(easy.handle());
  }
  return Napi::Number::New(info.Env(), code);
}

Napi::Value MultiObject::remove(const Napi::CallbackInfo& info) {
  EasyObject& easy = *EasyObject::Unwrap(info[0].As<Napi::Object>());
  const CURLMcode code = multi_->remove(easy.handle());
  if (code != CURLM_RECURSIVE_API_CALL) {
    inside_.erase(easy.handle());
    easy.heldBy(nullptr);
  }
  return Napi::Number::New(info.Env(), code);
}

// The running count, or the CURLMcode as a negative number.
Napi::Value MultiObject::socketAction(const Napi::CallbackInfo& info) {
  int running = 0;
  const CURLMcode code = multi_->socketAction(info[0].As<Napi::Number>().Int32Value(),
                                              info[1].As<Napi::Number>().Int32Value(), running);
  return Napi::Number::New(info.Env(), code == CURLM_OK ? running : -code);
}

// Only that something is assigned crosses to libcurl; JavaScript has what.
Napi::Value MultiObject::assign(const Napi::CallbackInfo& info) {
  const CURLMcode code =
      multi_ ? multi_->assign(info[0].As<Napi::Number>().Int32Value(),
                              info[1].ToBoolean() ? static_cast<void*>(this) : nullptr)
             : CURLM_BAD_HANDLE;
  return Napi::Number::New(info.Env(), code);
}

Napi::Value MultiObject::timeout(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(multi_->timeoutMs()));
}

// [the Easy, its CURLcode, how many remain], or undefined.
Napi::Value MultiObject::infoRead(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  while (const auto message = multi_->infoRead()) {
    if (!inside_.contains(message->easy)) continue;  // one of libcurl's own
    Napi::Array read = Napi::Array::New(env, 3);
    read.Set(0U, Napi::Value{env, ownerOf(message->easy)});
    read.Set(1U, Napi::Number::New(env, message->result));
    read.Set(2U, Napi::Number::New(env, message->remaining));
    return read;
  }
  return env.Undefined();
}

Napi::Value MultiObject::setopt(const Napi::CallbackInfo& info) {
  const auto option = static_cast<CURLMoption>(info[0].As<Napi::Number>().Int32Value());
  const auto value = static_cast<long>(info[1].As<Napi::Number>().Int64Value());
  return Napi::Number::New(info.Env(), multi_->setopt(option, value));
}

Napi::Value MultiObject::failed(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), multi_ && multi_->failed());
}

// Every handle is out by then; the functions are still told of what libcurl closes.
void MultiObject::cleanup(const Napi::CallbackInfo& info) {
  if (!multi_) return;
  napi_remove_env_cleanup_hook(info.Env(), &MultiObject::onCleanup, this);
  multi_.reset();
}

}  // namespace mcurl
