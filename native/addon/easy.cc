#include "easy.h"

#include <climits>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "../core/engine.h"
#include "call.h"

namespace mcurl {
namespace {

const curl_easyoption* optionNamed(const std::string& name) {
  static const auto options = [] {
    std::unordered_map<std::string_view, const curl_easyoption*> all;
    const curl_easyoption* option = nullptr;
    while ((option = curl_easy_option_next(option)) != nullptr) all.emplace(option->name, option);
    return all;
  }();
  const auto found = options.find(name);
  return found == options.end() ? nullptr : found->second;
}

// What a callback answered; `otherwise` when it could not be asked.
int64_t numberFrom(napi_env env, napi_value answer, int64_t otherwise) noexcept {
  int64_t number = otherwise;
  if (answer != nullptr) napi_get_value_int64(env, answer, &number);
  return number;
}

int intFrom(napi_env env, napi_value answer, int otherwise) noexcept {
  return static_cast<int>(
      std::clamp<int64_t>(numberFrom(env, answer, otherwise), INT_MIN, INT_MAX));
}

napi_value bufferOf(napi_env env, const char* data, size_t count) noexcept {
  napi_value buffer = nullptr;
  napi_create_buffer_copy(env, count, data, nullptr, &buffer);
  return buffer;
}

}  // namespace

Napi::Function EasyObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeEasy",
      {InstanceMethod<&EasyObject::setopt>("setopt"),
       InstanceMethod<&EasyObject::setBody>("setBody"),
       InstanceMethod<&EasyObject::getinfo>("getinfo"),
       InstanceAccessor<&EasyObject::errorBuffer>("errorBuffer"),
       InstanceMethod<&EasyObject::pause>("pause"), InstanceMethod<&EasyObject::reset>("reset"),
       InstanceMethod<&EasyObject::cleanup>("cleanup"),
       StaticMethod<&EasyObject::strerror>("strerror")});
}

Napi::Value EasyObject::strerror(const Napi::CallbackInfo& info) {
  return Napi::String::New(
      info.Env(),
      curl_easy_strerror(static_cast<CURLcode>(info[0].As<Napi::Number>().Int32Value())));
}

EasyObject::EasyObject(const Napi::CallbackInfo& info) : ObjectWrap{info} {
  initLibcurl();
  easy_.reset(curl_easy_init());
  if (!easy_) throw std::bad_alloc();
  prepare();
  napi_add_env_cleanup_hook(Env(), &EasyObject::onCleanup, this);
}

EasyObject::~EasyObject() {
  if (easy_) napi_remove_env_cleanup_hook(Env(), &EasyObject::onCleanup, this);
  free();
}

// What every handle has, also after a reset. Signals are Node's; a removal must not wait for the
// thread that looks up the name.
void EasyObject::prepare() noexcept {
  curl_easy_setopt(easy_.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_.get(), CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy_.get(), CURLOPT_ERRORBUFFER, error_.data());
}

void EasyObject::free() noexcept {
  quiet();
  if (holder_ != nullptr) holder_->abandon(*this);
  easy_.reset();
}

void EasyObject::heldBy(Holder* holder) noexcept {
  holder_ = holder;
  if (holder == nullptr) replaced_.clear();
}

size_t EasyObject::deliver(const char* function, const char* data, size_t count) noexcept {
  if (isQuiet_) return count;
  const napi_env env = Env();
  const CallScope scope{env};
  if (!scope.isOpen()) return CURL_WRITEFUNC_ERROR;
  const napi_value answer = callProperty(env, *this, function, {bufferOf(env, data, count)});
  return static_cast<size_t>(numberFrom(env, answer, CURL_WRITEFUNC_ERROR));
}

size_t EasyObject::onWrite(char* data, size_t, size_t count, void* self) noexcept {
  return static_cast<EasyObject*>(self)->deliver("WRITEFUNCTION", data, count);
}

size_t EasyObject::onHeader(char* data, size_t, size_t count, void* self) noexcept {
  return static_cast<EasyObject*>(self)->deliver("HEADERFUNCTION", data, count);
}

size_t EasyObject::onRead(char* into, size_t, size_t count, void* self) noexcept {
  auto& easy = *static_cast<EasyObject*>(self);
  if (easy.isQuiet_) return CURL_READFUNC_ABORT;
  const napi_env env = easy.Env();
  const CallScope scope{env};
  if (!scope.isOpen()) return CURL_READFUNC_ABORT;
  const napi_value answer =
      callProperty(env, easy, "READFUNCTION", {numberOf(env, static_cast<double>(count))});
  bool isData = false;
  if (answer != nullptr) napi_is_buffer(env, answer, &isData);
  if (!isData) {
    // Never a count: nothing was written that libcurl could send.
    const int64_t number = numberFrom(env, answer, CURL_READFUNC_ABORT);
    return number == 0 || number == CURL_READFUNC_PAUSE ? static_cast<size_t>(number)
                                                        : CURL_READFUNC_ABORT;
  }
  void* data = nullptr;
  size_t length = 0;
  napi_get_buffer_info(env, answer, &data, &length);
  if (length > count) return CURL_READFUNC_ABORT;
  if (length > 0) std::memcpy(into, data, length);
  return length;
}

int EasyObject::onSeek(void* self, curl_off_t offset, int origin) noexcept {
  auto& easy = *static_cast<EasyObject*>(self);
  if (easy.isQuiet_) return CURL_SEEKFUNC_FAIL;
  const napi_env env = easy.Env();
  const CallScope scope{env};
  if (!scope.isOpen()) return CURL_SEEKFUNC_FAIL;
  const napi_value answer =
      callProperty(env, easy, "SEEKFUNCTION",
                   {numberOf(env, static_cast<double>(offset)), numberOf(env, origin)});
  return intFrom(env, answer, CURL_SEEKFUNC_FAIL);
}

int EasyObject::onXferInfo(void* self, curl_off_t downloadTotal, curl_off_t downloaded,
                           curl_off_t uploadTotal, curl_off_t uploaded) noexcept {
  auto& easy = *static_cast<EasyObject*>(self);
  if (easy.isQuiet_) return 0;
  const napi_env env = easy.Env();
  const CallScope scope{env};
  if (!scope.isOpen()) return 1;
  const napi_value answer = callProperty(env, easy, "XFERINFOFUNCTION",
                                         {numberOf(env, static_cast<double>(downloadTotal)),
                                          numberOf(env, static_cast<double>(downloaded)),
                                          numberOf(env, static_cast<double>(uploadTotal)),
                                          numberOf(env, static_cast<double>(uploaded))});
  return intFrom(env, answer, 1);
}

int EasyObject::onDebug(CURL*, curl_infotype type, char* data, size_t count, void* self) noexcept {
  auto& easy = *static_cast<EasyObject*>(self);
  if (easy.isQuiet_) return 0;
  const napi_env env = easy.Env();
  const CallScope scope{env};
  if (scope.isOpen())
    callProperty(env, easy, "DEBUGFUNCTION", {numberOf(env, type), bufferOf(env, data, count)});
  return 0;
}

Napi::Value EasyObject::setopt(const Napi::CallbackInfo& info) {
  const curl_easyoption* option = optionNamed(info[0].As<Napi::String>().Utf8Value());
  const CURLcode code = option == nullptr ? CURLE_UNKNOWN_OPTION : set(*option, info[1]);
  return Napi::Number::New(info.Env(), code);
}

CURLcode EasyObject::set(const curl_easyoption& option, const Napi::Value& value) {
  CURL* const easy = easy_.get();
  if (easy == nullptr) return CURLE_BAD_FUNCTION_ARGUMENT;
  switch (option.type) {
    case CURLOT_LONG:
    case CURLOT_VALUES:
      return curl_easy_setopt(easy, option.id,
                              static_cast<long>(value.As<Napi::Number>().Int64Value()));
    case CURLOT_OFF_T:
      return curl_easy_setopt(easy, option.id,
                              static_cast<curl_off_t>(value.As<Napi::Number>().Int64Value()));
    case CURLOT_STRING:
      if (value.IsNull()) return curl_easy_setopt(easy, option.id, nullptr);
      return curl_easy_setopt(easy, option.id, value.As<Napi::String>().Utf8Value().c_str());
    case CURLOT_SLIST:
      return setList(option.id, value);
    case CURLOT_BLOB: {
      if (value.IsNull()) return curl_easy_setopt(easy, option.id, nullptr);
      auto bytes = value.As<Napi::Uint8Array>();
      curl_blob blob{bytes.Data(), bytes.ByteLength(), CURL_BLOB_COPY};
      return curl_easy_setopt(easy, option.id, &blob);
    }
    case CURLOT_FUNCTION:
      return setFunction(option.id, value.ToBoolean());
    default:
      return CURLE_UNKNOWN_OPTION;
  }
}

CURLcode EasyObject::setList(CURLoption id, const Napi::Value& value) {
  Slist list;
  if (value.IsArray()) {
    const auto lines = value.As<Napi::Array>();
    for (uint32_t i = 0; i < lines.Length(); ++i) {
      const std::string line = lines.Get(i).As<Napi::String>().Utf8Value();
      curl_slist* longer = curl_slist_append(list.get(), line.c_str());
      if (longer == nullptr) return CURLE_OUT_OF_MEMORY;
      list.release();
      list.reset(longer);
    }
  }
  const CURLcode code = curl_easy_setopt(easy_.get(), id, list.get());
  if (code == CURLE_OK) {
    std::swap(lists_[id], list);
    if (holder_ != nullptr) replaced_.push_back(std::move(list));
  }
  return code;
}

// Without a function of ours libcurl's own is used, and its data is then a FILE*.
CURLcode EasyObject::setFunction(CURLoption id, bool isSet) noexcept {
  CURL* const easy = easy_.get();
  switch (id) {
    case CURLOPT_WRITEFUNCTION:
      curl_easy_setopt(easy, CURLOPT_WRITEDATA, isSet ? static_cast<void*>(this) : stdout);
      return curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, isSet ? &onWrite : nullptr);
    case CURLOPT_HEADERFUNCTION:
      curl_easy_setopt(easy, CURLOPT_HEADERDATA, isSet ? this : nullptr);
      return curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, isSet ? &onHeader : nullptr);
    case CURLOPT_READFUNCTION:
      curl_easy_setopt(easy, CURLOPT_READDATA, isSet ? static_cast<void*>(this) : stdin);
      return curl_easy_setopt(easy, CURLOPT_READFUNCTION, isSet ? &onRead : nullptr);
    case CURLOPT_SEEKFUNCTION:
      curl_easy_setopt(easy, CURLOPT_SEEKDATA, this);
      return curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, isSet ? &onSeek : nullptr);
    case CURLOPT_XFERINFOFUNCTION:
      curl_easy_setopt(easy, CURLOPT_XFERINFODATA, this);
      return curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, isSet ? &onXferInfo : nullptr);
    case CURLOPT_DEBUGFUNCTION:
      curl_easy_setopt(easy, CURLOPT_DEBUGDATA, this);
      return curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, isSet ? &onDebug : nullptr);
    default:
      return CURLE_UNKNOWN_OPTION;
  }
}

// A request body of bytes, copied by libcurl, or null: none.
Napi::Value EasyObject::setBody(const Napi::CallbackInfo& info) {
  CURL* const easy = easy_.get();
  const auto done = [&](CURLcode code) { return Napi::Number::New(info.Env(), code); };
  if (info[0].IsNull()) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t{-1});
    return done(curl_easy_setopt(easy, CURLOPT_POSTFIELDS, nullptr));
  }
  auto bytes = info[0].As<Napi::Uint8Array>();
  const size_t length = bytes.ByteLength();
  // The size first: it says how much is copied.
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(length));
  return done(curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
                               length > 0 ? reinterpret_cast<char*>(bytes.Data()) : ""));
}

Napi::Value EasyObject::strings(curl_slist* list) const {
  Napi::Array all = Napi::Array::New(Env());
  for (; list != nullptr; list = list->next)
    all.Set(all.Length(), Napi::String::New(Env(), list->data));
  return all;
}

// By libcurl's number; undefined when libcurl does not know it, or what it gives has no value here.
Napi::Value EasyObject::getinfo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  CURL* const easy = easy_.get();
  const auto id = static_cast<CURLINFO>(info[0].As<Napi::Number>().Int32Value());
  switch (id & CURLINFO_TYPEMASK) {
    case CURLINFO_STRING: {
      const char* text = nullptr;
      if (id == CURLINFO_PRIVATE || curl_easy_getinfo(easy, id, &text) != CURLE_OK) break;
      if (text == nullptr) return env.Null();
      return Napi::String::New(env, text);
    }
    case CURLINFO_LONG: {
      long number = 0;
      if (curl_easy_getinfo(easy, id, &number) != CURLE_OK) break;
      return Napi::Number::New(env, static_cast<double>(number));
    }
    case CURLINFO_DOUBLE: {
      double number = 0;
      if (curl_easy_getinfo(easy, id, &number) != CURLE_OK) break;
      return Napi::Number::New(env, number);
    }
    case CURLINFO_OFF_T: {
      curl_off_t number = 0;
      if (curl_easy_getinfo(easy, id, &number) != CURLE_OK) break;
      return Napi::Number::New(env, static_cast<double>(number));
    }
    case CURLINFO_SOCKET: {
      curl_socket_t fd = CURL_SOCKET_BAD;
      if (curl_easy_getinfo(easy, id, &fd) != CURLE_OK) break;
      return Napi::Number::New(env, fd);
    }
    case CURLINFO_SLIST: {
      if (id == CURLINFO_CERTINFO) {
        curl_certinfo* chain = nullptr;
        if (curl_easy_getinfo(easy, id, &chain) != CURLE_OK || chain == nullptr) break;
        Napi::Array certificates = Napi::Array::New(env);
        for (int i = 0; i < chain->num_of_certs; ++i)
          certificates.Set(static_cast<uint32_t>(i), strings(chain->certinfo[i]));
        return certificates;
      }
      if (id != CURLINFO_COOKIELIST && id != CURLINFO_SSL_ENGINES) break;
      curl_slist* list = nullptr;
      if (curl_easy_getinfo(easy, id, &list) != CURLE_OK) break;
      const Slist owner{list};
      return strings(list);
    }
    default:
      break;
  }
  return env.Undefined();
}

Napi::Value EasyObject::errorBuffer(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), error_.data());
}

Napi::Value EasyObject::pause(const Napi::CallbackInfo& info) {
  const CURLcode code = curl_easy_pause(easy_.get(), info[0].As<Napi::Number>().Int32Value());
  return Napi::Number::New(info.Env(), code);
}

void EasyObject::reset(const Napi::CallbackInfo&) {
  // A reset alone leaves libcurl a pointer to the list of CURLOPT_RESOLVE.
  for (auto& [id, list] : lists_) {
    curl_easy_setopt(easy_.get(), static_cast<CURLoption>(id), nullptr);
    if (holder_ != nullptr) replaced_.push_back(std::move(list));
  }
  lists_.clear();
  curl_easy_reset(easy_.get());
  error_[0] = '\0';
  prepare();
}

void EasyObject::cleanup(const Napi::CallbackInfo& info) {
  if (easy_) napi_remove_env_cleanup_hook(info.Env(), &EasyObject::onCleanup, this);
  free();
}

}  // namespace mcurl
