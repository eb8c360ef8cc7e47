#include "server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <sstream>
#include <system_error>
#include <utility>

#include "test.h"

namespace test {
namespace {

constexpr size_t kChunk = 10'000;

bool sendAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// Up to the empty line; empty when the connection ends before it.
std::string readHead(int fd, std::string& buffer) {
  size_t end;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    char piece[4096];
    const ssize_t count = ::recv(fd, piece, sizeof piece, 0);
    if (count <= 0) return {};
    buffer.append(piece, static_cast<size_t>(count));
  }
  std::string head = buffer.substr(0, end + 2);
  buffer.erase(0, end + 4);
  return head;
}

std::string chunked(std::string_view body) {
  std::ostringstream out;
  out << std::hex;
  for (; !body.empty(); body.remove_prefix(std::min(body.size(), kChunk))) {
    const std::string_view chunk = body.substr(0, kChunk);
    out << chunk.size() << "\r\n" << chunk << "\r\n";
  }
  return out.str();
}

std::string headOf(const std::string& status, const std::string& lines) {
  return "HTTP/1.1 " + status + "\r\n" + lines + "\r\n";
}

std::string length(size_t bytes) { return "Content-Length: " + std::to_string(bytes) + "\r\n"; }

// The next word of a path; takes it away.
std::string shift(std::string_view& path) {
  path.remove_prefix(std::min<size_t>(1, path.size()));
  const std::string word{path.substr(0, path.find('/'))};
  path.remove_prefix(word.size());
  return word;
}

// close(2) will send RST.
void poison(int fd) {
  const linger none{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

}  // namespace

std::string content(const std::string& path, size_t bytes) {
  std::string body(bytes, '\0');
  uint64_t state = std::hash<std::string>{}(path) | 1;
  for (size_t at = 0; at < bytes; at += sizeof state) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const uint64_t word = state ^ (state >> 29);
    std::memcpy(body.data() + at, &word, std::min(sizeof word, bytes - at));
  }
  return body;
}

Server::Server(const char* address) : host_{address} {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  socklen_t size = sizeof at;
  auto* plain = reinterpret_cast<sockaddr*>(&at);
  if (fd_ < 0 || ::inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
      ::bind(fd_, plain, size) != 0 || ::listen(fd_, 1024) != 0 ||
      ::getsockname(fd_, plain, &size) != 0) {
    throw std::system_error(errno, std::generic_category(), "no server");
  }
  port_ = ntohs(at.sin_port);
  thread_ = std::thread{[this] { accept(); }};
}

Server::~Server() {
  {
    std::lock_guard lock{mutex_};
    isStopping_ = true;
    for (Connection& connection : connections_) {
      if (!connection.isOver) ::shutdown(connection.fd, SHUT_RDWR);
    }
  }
  changed_.notify_all();
  ::shutdown(fd_, SHUT_RDWR);
  thread_.join();
  for (Connection& connection : connections_) connection.thread.join();
  ::close(fd_);
}

std::string Server::authority() const { return host_ + ":" + std::to_string(port_); }

void Server::accept() {
  for (;;) {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    std::lock_guard lock{mutex_};
    if (fd < 0 || isStopping_) {
      if (fd >= 0) ::close(fd);
      if (isStopping_) return;
      continue;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections_.remove_if([](Connection& connection) {
      if (connection.isOver) connection.thread.join();
      return connection.isOver;
    });
    Connection& connection =
        connections_.emplace_back(Connection{this, fd, ++accepted_, true, false, {}});
    peak_ = std::max(peak_, ++busy_);
    connection.thread = std::thread{[&connection] { connection.server->serve(connection); }};
  }
}

void Server::setBusy(Connection& connection, bool isBusy) {
  std::lock_guard lock{mutex_};
  if (std::exchange(connection.isBusy, isBusy) == isBusy) return;
  busy_ += isBusy ? 1 : -1;
  peak_ = std::max(peak_, busy_);
}

void Server::serve(Connection& connection) {
  std::string buffer;
  for (unsigned ordinal = 1;; ++ordinal) {
    const std::string head = readHead(connection.fd, buffer);
    if (head.empty()) break;
    const size_t path = head.find(' ') + 1;
    const Request request{head.substr(path, head.find(' ', path) - path), head, connection.number,
                          ordinal};
    setBusy(connection, true);
    {
      std::lock_guard lock{mutex_};
      requests_.push_back(request);
    }
    if (!answer(connection, request)) break;
  }
  setBusy(connection, false);
  std::lock_guard lock{mutex_};
  connection.isOver = true;
  ::close(connection.fd);
}

// False: close the connection.
bool Server::answer(Connection& connection, const Request& request) {
  const int fd = connection.fd;
  const auto send = [&](const std::string& last) {
    setBusy(connection, false);  // for the client may begin again before send(2) returns
    return sendAll(fd, last);
  };
  Scripted scripted{};
  {
    std::lock_guard lock{mutex_};
    if (const auto found = scripted_.find(request.path); found != scripted_.end())
      scripted = found->second;
  }
  if (scripted.answer) return send(scripted.answer(request)) && !scripted.closes;
  std::string_view rest = request.path;
  const std::string kind = shift(rest);
  if (kind == "resethead") {
    poison(fd);
    return false;
  }
  if (kind == "circle") return send(headOf("302 Found", "Location: /circle\r\n" + length(0)));
  if (kind == "to" || kind == "cookie") {
    const std::string authority = shift(rest);
    std::string lines = "Location: http://" + authority + std::string{rest} + "\r\n" + length(0);
    if (kind == "cookie") lines += "Set-Cookie: name=value; Path=/\r\n";
    return send(headOf("302 Found", lines));
  }
  if (kind == "status") {
    const std::string code = shift(rest);
    const std::string after = shift(rest);
    const std::string body = "an error page";
    return send(headOf(code + " No", length(body.size()) +
                                         (after.empty() ? "" : "Retry-After: " + after + "\r\n")) +
                body);
  }

  const size_t size = std::strtoul(shift(rest).c_str(), nullptr, 10);
  const std::string body = content(request.path, size);
  const std::string half = body.substr(0, size / 2);
  const std::string ok = headOf("200 OK", length(size));
  if (kind == "bytes") return send(ok + body);
  if (kind == "chunked") {
    return send(headOf("200 OK", "Transfer-Encoding: chunked\r\n") + chunked(body) + "0\r\n\r\n");
  }
  if (kind == "unframed") return send(headOf("200 OK", "") + body) && false;
  if (kind == "last") return send(ok + body) && false;
  if (kind == "short") return send(ok + half) && false;
  if (kind == "badchunk") {
    return send(headOf("200 OK", "Transfer-Encoding: chunked\r\n") + chunked(half) +
                "no chunk\r\n") &&
           false;
  }
  if (kind == "reset") {
    sendAll(fd, ok + half);
    poison(fd);
    return false;
  }
  if (kind == "corpse") {
    if (request.ordinal == 1) return send(ok + body);
    poison(fd);
    return false;
  }
  if (kind == "heldhead") {
    wait();
    return send(ok + body);
  }
  if (kind == "held") {
    if (!sendAll(fd, ok + half)) return false;
    wait();
    return send(body.substr(half.size()));
  }
  if (kind == "part") {
    return send(headOf("206 Partial Content", "Content-Range: bytes 0-" + std::to_string(size - 1) +
                                                  "/" + std::to_string(size) + "\r\n" +
                                                  length(size)) +
                body);
  }
  if (kind == "lengths")
    return send(headOf("200 OK", length(size) + length(size + 1)) + body) && false;
  return send(headOf("404 Not Found", length(0)));
}

std::string Server::Request::header(const std::string& name) const {
  const size_t at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

void Server::on(const std::string& path, std::function<std::string(const Request&)> answer,
                bool closes) {
  std::lock_guard lock{mutex_};
  scripted_[path] = {std::move(answer), closes};
}

void Server::wait() {
  std::unique_lock lock{mutex_};
  ++held_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return isReleased_ || isStopping_; });
  --held_;
}

void Server::release() {
  std::lock_guard lock{mutex_};
  isReleased_ = true;
  changed_.notify_all();
}

void Server::awaitHeld(unsigned count) {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [&] { return held_ >= count; });
}

std::vector<Server::Request> Server::requests() const {
  std::lock_guard lock{mutex_};
  return requests_;
}

Server::Request Server::request(const std::string& path) const {
  std::vector<Request> found;
  for (const Request& request : requests()) {
    if (request.path == path) found.push_back(request);
  }
  CHECK_EQ(found.size(), 1U);
  return found.front();
}

unsigned Server::connections() const {
  std::lock_guard lock{mutex_};
  return accepted_;
}

unsigned Server::peak() const {
  std::lock_guard lock{mutex_};
  return peak_;
}

}  // namespace test
