// How libcurl's callbacks reach JavaScript: as properties of the JavaScript object that wraps the
// handle. Nothing here throws, and no exception stays pending: both would cross libcurl.
#pragma once

#include <napi.h>

#include <algorithm>
#include <initializer_list>

namespace mcurl {

// Calls the property `name` of the object behind `reference`, inside the caller's handle scope.
// nullptr: the object is collected, has no such function, threw, or the environment is ending.
inline napi_value callProperty(napi_env env, napi_ref reference, const char* name,
                               std::initializer_list<napi_value> arguments) noexcept {
  napi_value object = nullptr;
  napi_value function = nullptr;
  napi_value result = nullptr;
  const bool areMade =
      std::none_of(arguments.begin(), arguments.end(), [](napi_value v) { return v == nullptr; });
  if (areMade && napi_get_reference_value(env, reference, &object) == napi_ok &&
      object != nullptr && napi_get_named_property(env, object, name, &function) == napi_ok &&
      napi_call_function(env, object, function, arguments.size(), arguments.begin(), &result) ==
          napi_ok) {
    return result;
  }
  bool isPending = false;
  napi_value dropped = nullptr;
  if (napi_is_exception_pending(env, &isPending) == napi_ok && isPending)
    napi_get_and_clear_last_exception(env, &dropped);
  return nullptr;
}

inline napi_value numberOf(napi_env env, double value) noexcept {
  napi_value number = nullptr;
  napi_create_double(env, value, &number);
  return number;
}

// The handle scope of a callback. During an environment's end none may open: isOpen() tells.
class CallScope {
 public:
  explicit CallScope(napi_env env) noexcept : env_{env} {
    if (napi_open_handle_scope(env, &scope_) != napi_ok) scope_ = nullptr;
  }
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;
  ~CallScope() {
    if (scope_ != nullptr) napi_close_handle_scope(env_, scope_);
  }
  bool isOpen() const noexcept { return scope_ != nullptr; }

 private:
  napi_env env_;
  napi_handle_scope scope_ = nullptr;
};

}  // namespace mcurl
