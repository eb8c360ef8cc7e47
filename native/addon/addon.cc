// The border of the engine: arguments in, records out to typed arrays; and the list of all exports.
//
// Lifetime rules, each of which guards against a crash or a hang:
// 1. The thread-safe function holds the process open while the engine is open; close() and the
//    clean-up hook release it, once.
// 2. The clean-up hook joins the loops before the environment goes; after it no loop can call.
// 3. A call that arrives during teardown has no environment and is dropped.
#include <napi.h>
#include <unistd.h>

#include <ctime>
#include <limits>
#include <span>
#include <system_error>

#include "../core/engine.h"
#include "easy.h"
#include "multi.h"
#include "poll_socket.h"

namespace {

using mcurl::Record;

// Bits of a target's third number, as src/native/engine.ts sets them.
constexpr unsigned kIsRetry = 1;
constexpr unsigned kIsJournalled = 2;

std::string stringOf(napi_env env, napi_value value) {
  char small[1024];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, small, sizeof small, &length) != napi_ok) {
    throw Napi::TypeError::New(env, "expected a string");
  }
  if (length < sizeof small - 1) return {small, length};
  napi_get_value_string_utf8(env, value, nullptr, 0, &length);
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, text.data(), length + 1, &length);
  return text;
}

[[noreturn]] void fail(Napi::Env env, const char* code, const char* message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", code);
  throw error;
}

std::string text(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string{};
}

bool flag(const Napi::Object& from, const char* name) { return from.Get(name).ToBoolean(); }

double number(const Napi::Object& from, const char* name, double otherwise) {
  const Napi::Value value = from.Get(name);
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : otherwise;
}

unsigned count(const Napi::Object& from, const char* name, double otherwise) {
  constexpr double kMost = 1e9;
  const double value = number(from, name, otherwise);
  return static_cast<unsigned>(value >= 0 ? std::min(value, kMost) : otherwise);
}

Napi::Float64Array doubles(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() ||
      info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    throw Napi::TypeError::New(info.Env(), "expected a Float64Array");
  }
  return info[0].As<Napi::Float64Array>();
}

std::vector<std::string> lines(const Napi::Object& from, const char* name) {
  std::vector<std::string> all;
  const Napi::Value value = from.Get(name);
  if (!value.IsArray()) return all;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) all.push_back(array.Get(i).ToString());
  return all;
}

mcurl::RequestOptions requestOptions(const Napi::Object& from) {
  mcurl::RequestOptions to;
  to.headers = lines(from, "headers");
  to.userAgent = text(from, "userAgent");
  to.referer = text(from, "referer");
  to.userpwd = text(from, "userpwd");
  to.cookie = text(from, "cookie");
  to.cookieLines = lines(from, "cookieLines");
  to.proxy = text(from, "proxy");
  to.insecure = flag(from, "insecure");
  to.ipVersion = static_cast<int>(count(from, "ipVersion", 0));
  to.netrc = flag(from, "netrc");
  to.cacert = text(from, "cacert");
  to.cert = text(from, "cert");
  to.key = text(from, "key");
  to.keyPassword = text(from, "keyPassword");
  to.resolve = lines(from, "resolve");
  to.connectTo = lines(from, "connectTo");
  to.interface = text(from, "interface");
  to.noPrivate = flag(from, "noPrivate");
  to.httpVersion = text(from, "httpVersion");
  to.compressed = flag(from, "compressed");
  to.locationTrusted = flag(from, "locationTrusted");
  if (from.Get("protocols").IsArray()) to.protocols = lines(from, "protocols");
  to.connectTimeoutMs = static_cast<long>(count(from, "connectTimeoutMs", 30'000));
  to.speedTimeS = static_cast<long>(count(from, "speedTimeS", 60));
  to.speedLimit = static_cast<long>(number(from, "speedLimit", 1));
  to.maxRedirs = count(from, "maxRedirs", 20);
  to.maxFilesize = static_cast<int64_t>(number(from, "maxFilesize", 0));
  to.verbose = flag(from, "verbose");
  return to;
}

mcurl::EngineOptions engineOptions(const Napi::Object& from) {
  mcurl::EngineOptions to;
  to.directory = text(from, "directory");
  to.limits.jobs = count(from, "jobs", 64);
  to.limits.maxPerHost = count(from, "maxPerHost", 16);
  const auto loops = count(from, "loops", 0);
  to.limits.loops = loops > 0 ? loops : std::max(1U, uv_available_parallelism());
  to.overwrite = flag(from, "overwrite");
  to.keepDetails = flag(from, "keepDetails");
  to.output.journal = static_cast<int>(number(from, "journal", -1));
  to.output.durable = flag(from, "durable");
  to.output.keepBad = flag(from, "keepBad");
  to.output.manifest = flag(from, "manifest");
  to.output.remoteTime = flag(from, "remoteTime");
  to.output.xattr = flag(from, "xattr");
  to.output.remoteName = flag(from, "remoteName");
  to.output.ifModified = flag(from, "ifModified");
  to.request = requestOptions(from.Get("request").As<Napi::Object>());
  return to;
}

// What src/native/binding.ts calls TargetExtras.
std::unique_ptr<mcurl::Extras> extras(const Napi::Object& from) {
  auto to = std::make_unique<mcurl::Extras>();
  const Napi::Value version = from.Get("version");
  to->mayHavePart = version.IsString();
  to->version = mcurl::Version::parse(text(from, "version"));
  if (text(from, "resumeBy") == "size") to->resumeBy = mcurl::ResumeBy::kSize;
  to->trustedBytes = static_cast<int64_t>(number(from, "trustedBytes", -1));
  to->doneBytes = static_cast<int64_t>(number(from, "doneBytes", -1));
  // No file has that size.
  if (flag(from, "mayReplace")) to->doneBytes = std::numeric_limits<int64_t>::max();
  to->known = mcurl::Version::parse(text(from, "knownVersion"));
  if (const std::string checksum = text(from, "checksum"); !checksum.empty()) {
    to->checksum = mcurl::Checksum::parse(checksum);
    if (!to->checksum) throw Napi::TypeError::New(from.Env(), "no checksum: " + checksum);
  }
  return to;
}

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Engine",
        {InstanceAccessor<&EngineObject::jobs>("jobs"), InstanceMethod("add", &EngineObject::add),
         InstanceMethod("infoRead", &EngineObject::infoRead),
         InstanceMethod("details", &EngineObject::details),
         InstanceMethod("sample", &EngineObject::sample),
         InstanceMethod("pauseHost", &EngineObject::pauseHost),
         InstanceMethod("publishAs", &EngineObject::publishAs),
         InstanceAccessor<&EngineObject::lacksAttributes>("lacksAttributes"),
         InstanceMethod("stop", &EngineObject::stop), InstanceMethod("close", &EngineObject::close),
         InstanceMethod("exit", &EngineObject::exit)});
  }

  explicit EngineObject(const Napi::CallbackInfo& info) : ObjectWrap{info} {
    const Napi::Env env = info.Env();
    mcurl::EngineOptions options = engineOptions(info[0].As<Napi::Object>());
    wake_ = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "mcurl wake", 0, 1);
    try {
      mcurl::initLibcurl();
      engine_ =
          std::make_unique<mcurl::Engine>(std::move(options), [this] { wake_.NonBlockingCall(); });
    } catch (const std::system_error& error) {
      wake_.Release();
      fail(env, "ERR_MCURL_DIRECTORY", error.what());
    } catch (const std::invalid_argument& error) {
      wake_.Release();
      fail(env, "ERR_MCURL_UNSUPPORTED", error.what());
    } catch (const std::runtime_error& error) {
      wake_.Release();
      fail(env, "ERR_MCURL_LIBCURL", error.what());
    }
    napi_add_env_cleanup_hook(env, &EngineObject::onCleanup, this);
  }

  ~EngineObject() override {
    if (engine_) napi_remove_env_cleanup_hook(Env(), &EngineObject::onCleanup, this);
    shut();
  }

 private:
  static void onCleanup(void* self) { static_cast<EngineObject*>(self)->shut(); }

  void shut() {
    if (!engine_) return;
    engine_.reset();
    wake_.Release();
  }

  mcurl::Engine& open(Napi::Env env) const {
    if (!engine_) fail(env, "ERR_MCURL_CLOSED", "the engine is closed");
    return *engine_;
  }

  Napi::Value jobs(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), open(info.Env()).jobs());
  }

  void add(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    mcurl::Engine& engine = open(env);
    const Napi::Float64Array numbers = doubles(info);
    const auto strings = info[1].As<Napi::Array>();
    const size_t count = numbers.ElementLength() / 4;
    if (strings.Length() != count * 2)
      throw Napi::TypeError::New(env, "numbers and strings do not match");
    const double* number = numbers.Data();
    std::vector<mcurl::NewTarget> targets;
    targets.reserve(count);
    for (uint32_t i = 0; i < count; ++i, number += 4) {
      const Napi::HandleScope scope{env};
      napi_value url;
      napi_value name;
      napi_get_element(env, strings, 2 * i, &url);
      napi_get_element(env, strings, 2 * i + 1, &name);
      const auto flags = static_cast<unsigned>(number[2]);
      targets.push_back({.id = static_cast<uint32_t>(number[0]),
                         .timeoutMs = number[1],
                         .isRetry = (flags & kIsRetry) != 0,
                         .url = stringOf(env, url),
                         .name = stringOf(env, name),
                         .serial = number[3],
                         .isJournalled = (flags & kIsJournalled) != 0,
                         .entry = {},
                         .extras = nullptr});
    }
    if (info[2].IsArray()) {
      const auto list = info[2].As<Napi::Array>();
      for (uint32_t i = 0; i < list.Length(); ++i) {
        const Napi::HandleScope scope{env};
        const auto item = list.Get(i).As<Napi::Object>();
        const auto at = static_cast<size_t>(::number(item, "at", 0));
        if (at >= count) throw Napi::TypeError::New(env, "extras of no target");
        targets[at].entry = text(item, "entry");
        targets[at].extras = extras(item);
      }
    }
    engine.add(std::move(targets));
  }

  Napi::Value infoRead(const Napi::CallbackInfo& info) {
    Napi::Float64Array into = doubles(info);
    const size_t max = into.ByteLength() / sizeof(Record);
    const size_t count = open(info.Env()).infoRead(reinterpret_cast<Record*>(into.Data()), max);
    return Napi::Number::New(info.Env(), static_cast<double>(count));
  }

  Napi::Value details(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const mcurl::Details* found = open(env).details(info[0].ToNumber().DoubleValue());
    if (found == nullptr) return env.Undefined();
    const auto orNull = [env](const std::string& value) -> Napi::Value {
      return value.empty() ? env.Null() : Napi::String::New(env, value).As<Napi::Value>();
    };
    Napi::Object object = Napi::Object::New(env);
    object.Set("urlEffective", found->urlEffective);
    object.Set("remoteIp", orNull(found->remoteIp));
    object.Set("contentType", orNull(found->contentType));
    object.Set("error", found->error);
    object.Set("version", found->version);
    object.Set("digest", found->digest);
    object.Set("contentDisposition", found->contentDisposition);
    return object;
  }

  Napi::Value sample(const Napi::CallbackInfo& info) {
    Napi::Float64Array into = doubles(info);
    const size_t count = open(info.Env()).sample({into.Data(), into.ElementLength()});
    return Napi::Number::New(info.Env(), static_cast<double>(count));
  }

  void pauseHost(const Napi::CallbackInfo& info) {
    open(info.Env()).pauseHost(info[0].ToString(), info[1].ToNumber().DoubleValue());
  }

  Napi::Value publishAs(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    mcurl::LocalError error;
    const bool published =
        open(env).publishAs(info[0].ToString().Utf8Value().c_str(),
                            info[1].ToString().Utf8Value().c_str(), info[2].ToBoolean(), error);
    if (published) return env.Null();
    Napi::Object object = Napi::Object::New(env);
    object.Set("osErrno", error.osErrno);
    object.Set("error", error.text);
    return object;
  }

  Napi::Value lacksAttributes(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), open(info.Env()).lacksAttributes());
  }

  void stop(const Napi::CallbackInfo& info) { open(info.Env()).stop(); }

  // From here on the engine counts as closed; its threads are joined on a thread of libuv's pool,
  // for a transfer's end may take a moment.
  Napi::Value close(const Napi::CallbackInfo& info) {
    class Join : public Napi::AsyncWorker {
     public:
      Join(Napi::Env env, EngineObject& object)
          : AsyncWorker{env},
            object_{object},
            engine_{std::move(object.engine_)},
            done_{Napi::Promise::Deferred::New(env)} {
        napi_remove_env_cleanup_hook(env, &EngineObject::onCleanup, &object_);
        object_.Ref();
        engine_->stop();
      }
      Napi::Promise promise() const { return done_.Promise(); }
      void Execute() override { engine_->join(); }
      void OnOK() override {
        engine_.reset();
        object_.wake_.Release();
        object_.Unref();
        done_.Resolve(Env().Undefined());
      }

     private:
      EngineObject& object_;
      std::unique_ptr<mcurl::Engine> engine_;
      Napi::Promise::Deferred done_;
    };
    if (engine_) {
      auto* join = new Join{info.Env(), *this};
      closed_ = Napi::Persistent(join->promise().As<Napi::Object>());
      join->Queue();
    }
    return closed_.Value();
  }

  void exit(const Napi::CallbackInfo& info) { ::_exit(info[0].ToNumber().Int32Value()); }

  std::unique_ptr<mcurl::Engine> engine_;
  Napi::ThreadSafeFunction wake_;
  Napi::ObjectReference closed_;  // the promise of the first close()
};

// The descriptor is the caller's to close.
Napi::Value lock(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = info[0].ToString();
  try {
    mcurl::Fd fd = mcurl::openLocked(path, info[1].ToBoolean());
    return Napi::Number::New(env, fd.release());
  } catch (const std::system_error& error) {
    const bool isLocked = error.code().value() == EWOULDBLOCK;
    const std::string text =
        isLocked ? "another mcurl is at work on " + path + ": wait for it, or choose another place"
                 : std::string{error.what()};
    fail(env, isLocked ? "ERR_MCURL_LOCKED" : "ERR_MCURL_JOURNAL", text.c_str());
  }
}

Napi::Value threadCpuUs(const Napi::CallbackInfo& info) {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return Napi::Number::New(
      info.Env(), static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  Napi::Array fields = Napi::Array::New(env, mcurl::kRecordFields.size());
  for (uint32_t i = 0; i < mcurl::kRecordFields.size(); ++i) fields[i] = mcurl::kRecordFields[i];
  exports.Set("Engine", EngineObject::define(env));
  exports.Set("NativeEasy", mcurl::EasyObject::define(env));
  exports.Set("NativeMulti", mcurl::MultiObject::define(env));
  exports.Set("PollSocket", mcurl::PollSocket::define(env));
  exports.Set("recordFields", fields);
  exports.Set("curlVersion", curl_version());
  exports.Set("lock", Napi::Function::New(env, lock, "lock"));
  exports.Set("threadCpuUs", Napi::Function::New(env, threadCpuUs, "threadCpuUs"));
  return exports;
}

}  // namespace

NODE_API_MODULE(mcurl, init)
