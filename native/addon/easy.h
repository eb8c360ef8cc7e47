// A curl easy handle as a JavaScript object; src/native/easy.ts is its public side.
//
// Lifetime and thread rules:
// 1. Everything happens on the thread of its environment.
// 2. The functions that libcurl calls are properties of the JavaScript object, looked up at each
//    call and never referenced from here, so that an abandoned object can be collected.
// 3. While a holder (a Multi) has the handle inside, each knows the other; whichever goes first
//    takes the handle out. The JavaScript side keeps both alive meanwhile, but finalizers and
//    clean-up hooks come in any order.
// 4. From quiet() on no JavaScript runs on behalf of this handle.
// 5. A list that libcurl was given lives until another one replaced it and the handle is outside a
//    holder: protocols keep pointers into lists while they run.
// 6. A JavaScript exception never reaches the functions here: the properties catch it.
#pragma once

#include <napi.h>

#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "../core/handles.h"

namespace mcurl {

class EasyObject : public Napi::ObjectWrap<EasyObject> {
 public:
  class Holder {
   public:
    // Takes the handle out without a word to JavaScript.
    virtual void abandon(EasyObject& easy) noexcept = 0;

   protected:
    ~Holder() = default;
  };

  static Napi::Function define(Napi::Env env);

  static Napi::Value strerror(const Napi::CallbackInfo& info);

  explicit EasyObject(const Napi::CallbackInfo& info);
  ~EasyObject() override;

  CURL* handle() const noexcept { return easy_.get(); }
  // `holder` has the handle inside from now on, or none has.
  void heldBy(Holder* holder) noexcept;
  void quiet() noexcept { isQuiet_ = true; }

 private:
  static void onCleanup(void* self) { static_cast<EasyObject*>(self)->free(); }
  static size_t onWrite(char* data, size_t, size_t count, void* self) noexcept;
  static size_t onHeader(char* data, size_t, size_t count, void* self) noexcept;
  static size_t onRead(char* into, size_t, size_t count, void* self) noexcept;
  static int onSeek(void* self, curl_off_t offset, int origin) noexcept;
  static int onXferInfo(void* self, curl_off_t downloadTotal, curl_off_t downloaded,
                        curl_off_t uploadTotal, curl_off_t uploaded) noexcept;
  static int onDebug(CURL*, curl_infotype type, char* data, size_t count, void* self) noexcept;

  size_t deliver(const char* function, const char* data, size_t count) noexcept;
  void prepare() noexcept;
  void free() noexcept;
  CURLcode set(const curl_easyoption& option, const Napi::Value& value);
  CURLcode setFunction(CURLoption id, bool isSet) noexcept;
  CURLcode setList(CURLoption id, const Napi::Value& value);
  Napi::Value strings(curl_slist* list) const;

  Napi::Value setopt(const Napi::CallbackInfo& info);
  Napi::Value setBody(const Napi::CallbackInfo& info);
  Napi::Value getinfo(const Napi::CallbackInfo& info);
  Napi::Value errorBuffer(const Napi::CallbackInfo& info);
  Napi::Value pause(const Napi::CallbackInfo& info);
  void reset(const Napi::CallbackInfo& info);
  void cleanup(const Napi::CallbackInfo& info);

  // Before the handle: curl_easy_cleanup may still look at them.
  std::array<char, CURL_ERROR_SIZE> error_{};
  std::unordered_map<int, Slist> lists_;  // by CURLoption
  std::vector<Slist> replaced_;           // rule 5
  Easy easy_;
  Holder* holder_ = nullptr;
  bool isQuiet_ = false;
};

}  // namespace mcurl
