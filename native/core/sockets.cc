#include "sockets.h"

#include <fcntl.h>

#include <memory>
#include <utility>

namespace mcurl {

// Descriptors are small numbers. Without memory for one nothing can go on: std::terminate.
Sockets::Entry& Sockets::at(curl_socket_t fd) noexcept {
  const auto index = static_cast<size_t>(fd);
  if (index >= entries_.size()) entries_.resize(index + 1);
  return entries_[index];
}

void Sockets::want(curl_socket_t fd, int what) noexcept {
  Entry& entry = at(fd);
  if (what == CURL_POLL_REMOVE) {
    // A socket that is still connecting (watched for writing) is closed without a word.
    const int before = entry.socket == nullptr ? 0 : std::exchange(entry.socket->wanted, 0);
    if ((before & UV_WRITABLE) != 0) entry.isOurs = false;
    if (!entry.isOurs) forget(entry);
    return;
  }
  if (entry.socket == nullptr) {
    auto socket = std::make_unique<Socket>(this, fd, Fd{::fcntl(fd, F_DUPFD_CLOEXEC, 0)});
    if (!socket->copy || uv_poll_init_socket(&loop_, &socket->poll, socket->copy.get()) != 0) {
      hasFailed_ = true;
      return;
    }
    socket->poll.data = socket.get();
    entry.socket = socket.release();
  }
  entry.socket->wanted = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                         ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
  watch(*entry.socket);
}

void Sockets::watch(Socket& socket) noexcept {
  if (socket.watched == socket.wanted) return;
  socket.watched = socket.wanted;
  const auto onPoll = [](uv_poll_t* poll, int status, int events) {
    auto& acted = *static_cast<Socket*>(poll->data);
    acted.owner->ready(acted, status, events);
  };
  if (uv_poll_start(&socket.poll, socket.wanted, onPoll) != 0) hasFailed_ = true;
}

void Sockets::ready(Socket& socket, int status, int events) noexcept {
  if (status < 0) socket.watched = 0;  // libuv has stopped
  if (socket.wanted == 0) {            // an idle connection: libcurl looks when it is used again
    uv_poll_stop(&socket.poll);
    socket.watched = 0;
    return;
  }
  // ERR alone loses what can still be read on libcurl 7.88.
  const int bits = status < 0 ? CURL_CSELECT_IN | CURL_CSELECT_OUT
                              : ((events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                                    ((events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0);
  const curl_socket_t fd = socket.fd;
  listener_.onReady(fd, bits);
  const Entry& entry = at(fd);
  if (entry.socket != nullptr && entry.socket->wanted != 0) watch(*entry.socket);
}

void Sockets::opened(curl_socket_t fd) noexcept {
  Entry& entry = at(fd);
  forget(entry);
  entry.isOurs = true;
}

void Sockets::closing(curl_socket_t fd) noexcept {
  Entry& entry = at(fd);
  forget(entry);
  entry.isOurs = false;
}

void Sockets::forget(Entry& entry) noexcept {
  Socket* socket = std::exchange(entry.socket, nullptr);
  if (socket == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&socket->poll),
           [](uv_handle_t* handle) { delete static_cast<Socket*>(handle->data); });
  socket->copy.reset();
}

void Sockets::forgetAll() noexcept {
  for (Entry& entry : entries_) {
    forget(entry);
    entry.isOurs = false;
  }
  hasFailed_ = false;
}

}  // namespace mcurl
