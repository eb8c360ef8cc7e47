#include "multi_socket.h"

#include <new>

namespace mcurl {
namespace {

int onSocket(CURL* easy, curl_socket_t fd, int what, void* events, void* data) {
  static_cast<MultiSocket::Events*>(events)->onSocket(easy, fd, what, data);
  return 0;
}

int onTimer(CURLM*, long timeoutMs, void* events) {
  static_cast<MultiSocket::Events*>(events)->onTimer(timeoutMs);
  return 0;
}

}  // namespace

MultiSocket::MultiSocket(Events& events) : multi_{curl_multi_init()} {
  if (!multi_) throw std::bad_alloc();
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, onSocket);
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, &events);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, onTimer);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, &events);
}

MultiSocket::~MultiSocket() = default;

CURLMcode MultiSocket::add(CURL* easy) noexcept {
  const CURLMcode code = curl_multi_add_handle(multi_.get(), easy);
  if (code == CURLM_OK) ++added_;
  return noted(code);
}

CURLMcode MultiSocket::remove(CURL* easy) noexcept {
  const CURLMcode code = curl_multi_remove_handle(multi_.get(), easy);
  if (code == CURLM_RECURSIVE_API_CALL) return code;  // it is still inside
  if (added_ > 0 && --added_ == 0) failed_ = false;
  return code;
}

CURLMcode MultiSocket::socketAction(curl_socket_t fd, int events, int& running) noexcept {
  if (failed_) return CURLM_INTERNAL_ERROR;
  int now = 0;
  const CURLMcode code = noted(curl_multi_socket_action(multi_.get(), fd, events, &now));
  if (code == CURLM_OK) running = now;
  return code;
}

CURLMcode MultiSocket::socketAll(int& running) noexcept {
  if (failed_) return CURLM_INTERNAL_ERROR;
  int now = 0;
  CURL_IGNORE_DEPRECATION(const CURLMcode code = noted(curl_multi_socket_all(multi_.get(), &now));)
  if (code == CURLM_OK) running = now;
  return code;
}

CURLMcode MultiSocket::assign(curl_socket_t fd, void* data) noexcept {
  return curl_multi_assign(multi_.get(), fd, data);
}

long MultiSocket::timeoutMs() noexcept {
  long ms = -1;
  curl_multi_timeout(multi_.get(), &ms);
  return ms;
}

std::optional<MultiSocket::Message> MultiSocket::infoRead() noexcept {
  int remaining = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_.get(), &remaining)) {
    if (message->msg == CURLMSG_DONE) {
      return Message{message->easy_handle, message->data.result, remaining};
    }
  }
  return std::nullopt;
}

CURLMcode MultiSocket::setopt(CURLMoption option, long value) noexcept {
  return curl_multi_setopt(multi_.get(), option, value);
}

void MultiSocket::silence() noexcept {
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, nullptr);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, nullptr);
}

// A recursive call, an unknown socket or an easy handle used twice says nothing about the
// transfers.
CURLMcode MultiSocket::noted(CURLMcode code) noexcept {
  const bool harmless = code == CURLM_OK || code == CURLM_RECURSIVE_API_CALL ||
                        code == CURLM_BAD_SOCKET || code == CURLM_ADDED_ALREADY;
  if (!harmless && added_ > 0) failed_ = true;
  return code;
}

}  // namespace mcurl
