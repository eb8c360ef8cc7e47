#include "../../native/core/sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <vector>

#include "test.h"

using mcurl::Fd;
using mcurl::Sockets;

namespace {

// A socket of ours and its peer.
struct Pair {
  Pair() {
    int fds[2];
    CHECK_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    own = Fd{fds[0]};
    peer = Fd{fds[1]};
  }
  void say(const char* word = "x") const { CHECK(::send(peer.get(), word, 1, MSG_NOSIGNAL) == 1); }
  Fd own;
  Fd peer;
};

struct Bed final : Sockets::Listener {
  struct Ready {
    curl_socket_t fd;
    int events;
  };
  Bed() { uv_loop_init(&loop); }
  ~Bed() {
    sockets.forgetAll();
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
  }
  void onReady(curl_socket_t fd, int events) noexcept override {
    ready.push_back({fd, events});
    if (onReadyOnce) std::exchange(onReadyOnce, nullptr)(fd);
  }
  // What one look at the sockets brings.
  std::vector<Ready> turn() {
    ready.clear();
    uv_run(&loop, UV_RUN_NOWAIT);
    return ready;
  }

  uv_loop_t loop;
  std::vector<Ready> ready;
  std::function<void(curl_socket_t)> onReadyOnce;
  Sockets sockets{loop, *this};
};

}  // namespace

TEST("a socket is ready for what was asked, and no more") {
  Bed bed;
  Pair pair;
  bed.sockets.opened(pair.own.get());
  bed.sockets.want(pair.own.get(), CURL_POLL_IN);
  CHECK_EQ(bed.turn().size(), 0U);
  pair.say();
  auto ready = bed.turn();
  CHECK_EQ(ready.size(), 1U);
  CHECK_EQ(ready[0].fd, pair.own.get());
  CHECK_EQ(ready[0].events, CURL_CSELECT_IN);
  CHECK_EQ(bed.turn().size(), 1U);  // until it is read
  bed.sockets.want(pair.own.get(), CURL_POLL_OUT);
  CHECK_EQ(bed.turn().at(0).events, CURL_CSELECT_OUT);
  bed.sockets.want(pair.own.get(), CURL_POLL_INOUT);
  CHECK_EQ(bed.turn().at(0).events, CURL_CSELECT_IN | CURL_CSELECT_OUT);
  CHECK(!bed.sockets.hasFailed());
}

TEST("a hang-up is told as what can be read or written, never as an error alone") {
  Bed bed;
  Pair pair;
  bed.sockets.want(pair.own.get(), CURL_POLL_IN);
  pair.say();
  pair.peer.reset();
  const auto ready = bed.turn();
  CHECK_EQ(ready.size(), 1U);
  CHECK((ready[0].events & CURL_CSELECT_IN) != 0);
  CHECK_EQ(ready[0].events & CURL_CSELECT_ERR, 0);
}

TEST("an idle connection of ours is kept in silence and asked for again") {
  Bed bed;
  Pair pair;
  const curl_socket_t fd = pair.own.get();
  bed.sockets.opened(fd);
  bed.sockets.want(fd, CURL_POLL_IN);
  bed.sockets.want(fd, CURL_POLL_REMOVE);
  pair.say();
  for (int i = 0; i < 3; ++i) CHECK_EQ(bed.turn().size(), 0U);
  bed.sockets.want(fd, CURL_POLL_IN);
  CHECK_EQ(bed.turn().size(), 1U);
}

TEST("an idle connection that the server closes does not keep the loop busy") {
  Bed bed;
  Pair pair;
  bed.sockets.opened(pair.own.get());
  bed.sockets.want(pair.own.get(), CURL_POLL_IN);
  bed.sockets.want(pair.own.get(), CURL_POLL_REMOVE);
  pair.peer.reset();
  CHECK_EQ(bed.turn().size(), 0U);
  // Nothing is watched any more, so that a run to the end is at its end.
  CHECK_EQ(uv_loop_alive(&bed.loop), 0);
}

TEST("what libcurl opened by itself is forgotten at REMOVE") {
  Bed bed;
  Pair pair;
  bed.sockets.want(pair.own.get(), CURL_POLL_IN);
  bed.sockets.want(pair.own.get(), CURL_POLL_REMOVE);
  bed.turn();
  CHECK_EQ(uv_loop_alive(&bed.loop), 0);
  bed.sockets.want(4711, CURL_POLL_REMOVE);  // never heard of
  CHECK(!bed.sockets.hasFailed());
}

TEST("a socket closed while it connects, without a word, is forgotten at REMOVE") {
  Bed bed;
  Pair pair;
  Pair next;
  const curl_socket_t fd = pair.own.get();
  bed.sockets.opened(fd);
  bed.sockets.want(fd, CURL_POLL_OUT);
  // Closed, and its number given to another at once; then libcurl tells.
  CHECK_EQ(::dup3(next.own.get(), fd, O_CLOEXEC), fd);
  bed.sockets.want(fd, CURL_POLL_REMOVE);
  // The peer has seen the end: no duplicate of ours holds the connection.
  char byte;
  CHECK_EQ(::recv(pair.peer.get(), &byte, 1, 0), 0);
  bed.turn();
  CHECK_EQ(uv_loop_alive(&bed.loop), 0);
}

TEST("a number that was closed and opened again is another socket") {
  for (const bool isClosingTold : {true, false}) {
    Bed bed;
    Pair first;
    Pair second;
    const curl_socket_t fd = first.own.get();
    bed.sockets.opened(fd);
    bed.sockets.want(fd, CURL_POLL_IN);
    bed.turn();
    if (isClosingTold) bed.sockets.closing(fd);
    CHECK_EQ(::dup3(second.own.get(), fd, O_CLOEXEC), fd);
    bed.sockets.opened(fd);
    bed.sockets.want(fd, CURL_POLL_IN);
    CHECK_EQ(bed.turn().size(), 0U);
    char byte;
    CHECK_EQ(::recv(first.peer.get(), &byte, 1, 0), 0);
    second.say();
    CHECK_EQ(bed.turn().size(), 1U);
  }
}

TEST("a socket may be closed, and its number opened again, while it is told of") {
  Bed bed;
  Pair first;
  Pair second;
  const curl_socket_t fd = first.own.get();
  bed.sockets.opened(fd);
  bed.sockets.want(fd, CURL_POLL_IN);
  first.say();
  bed.onReadyOnce = [&](curl_socket_t number) {
    bed.sockets.want(number, CURL_POLL_REMOVE);
    bed.sockets.closing(number);
    ::dup3(second.own.get(), number, O_CLOEXEC);
    bed.sockets.opened(number);
    bed.sockets.want(number, CURL_POLL_IN);
  };
  CHECK_EQ(bed.turn().size(), 1U);
  CHECK_EQ(bed.turn().size(), 0U);
  second.say();
  CHECK_EQ(bed.turn().size(), 1U);
}

TEST("one socket's news may be the end of all others") {
  Bed bed;
  Pair pairs[4];
  for (const Pair& pair : pairs) {
    bed.sockets.opened(pair.own.get());
    bed.sockets.want(pair.own.get(), CURL_POLL_IN);
    pair.say();
  }
  bed.onReadyOnce = [&](curl_socket_t) { bed.sockets.forgetAll(); };
  CHECK_EQ(bed.turn().size(), 1U);
  CHECK_EQ(uv_loop_alive(&bed.loop), 0);
}

TEST("a descriptor that cannot be watched is a failure until all is forgotten") {
  Bed bed;
  Pair pair;
  const curl_socket_t fd = pair.own.get();
  pair.own.reset();
  bed.sockets.want(fd, CURL_POLL_IN);
  CHECK(bed.sockets.hasFailed());
  bed.sockets.forgetAll();
  CHECK(!bed.sockets.hasFailed());
}
