// Each clause of curl_multi_socket_action(3), with a poll(2) loop in the place of libuv.
#include "../../native/core/multi_socket.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>

#include "fault.h"
#include "server.h"
#include "test.h"

using mcurl::Easy;
using mcurl::MultiSocket;
using test::Server;

namespace {

// An easy handle that keeps its body.
struct Get {
  explicit Get(const std::string& url) : easy{curl_easy_init()} {
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy.get(), CURLOPT_PRIVATE, this);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, this);
    curl_easy_setopt(
        easy.get(), CURLOPT_WRITEFUNCTION, +[](char* data, size_t, size_t count, void* self) {
          auto& get = *static_cast<Get*>(self);
          get.body.append(data, count);
          if (get.onBody) get.onBody();
          return count;
        });
  }
  Easy easy;
  std::string body;
  std::function<void()> onBody;
};

// Who is told of sockets and times, and acts on them.
struct Driver final : MultiSocket::Events {
  struct Told {
    curl_socket_t fd;
    int what;
    void* data;
  };

  void onSocket(CURL*, curl_socket_t fd, int what, void* data) noexcept override {
    told.push_back({fd, what, data});
    if (what == CURL_POLL_REMOVE) {
      watched.erase(fd);
    } else {
      watched[fd] = what;
    }
  }
  void onTimer(long timeoutMs) noexcept override { timers.push_back(timeoutMs); }

  CURLMcode act(curl_socket_t fd, int events) { return multi.socketAction(fd, events, running); }

  // Waits once and does what is due; events are passed as they are, or as not known.
  void turn() {
    std::vector<pollfd> fds;
    for (const auto& [fd, what] : watched) {
      const int events =
          ((what & CURL_POLL_IN) ? POLLIN : 0) | ((what & CURL_POLL_OUT) ? POLLOUT : 0);
      fds.push_back({fd, static_cast<short>(events), 0});
    }
    const int acted = ::poll(fds.data(), fds.size(), static_cast<int>(multi.timeoutMs()));
    if (acted == 0) CHECK_EQ(act(CURL_SOCKET_TIMEOUT, 0), CURLM_OK);
    for (const pollfd& fd : fds) {
      if (fd.revents == 0) continue;
      const int events = ((fd.revents & POLLIN) ? CURL_CSELECT_IN : 0) |
                         ((fd.revents & POLLOUT) ? CURL_CSELECT_OUT : 0);
      CHECK_EQ(act(fd.fd, areEventsKnown ? events : 0), CURLM_OK);
    }
  }

  // Drives all to the end; what infoRead said, in order.
  std::vector<MultiSocket::Message> run() {
    std::vector<MultiSocket::Message> messages;
    CHECK_EQ(act(CURL_SOCKET_TIMEOUT, 0), CURLM_OK);
    for (;;) {
      while (const auto message = multi.infoRead()) messages.push_back(*message);
      if (running == 0) return messages;
      turn();
    }
  }

  bool areEventsKnown = true;
  int running = -7;
  std::vector<Told> told;
  std::map<curl_socket_t, int> watched;
  std::vector<long> timers;
  MultiSocket multi{*this};
};

// Takes all out before they are freed.
struct Added {
  Added(MultiSocket& multi, Get& get) : multi{multi}, get{get} {
    CHECK_EQ(multi.add(get.easy.get()), CURLM_OK);
  }
  Added(const Added&) = delete;
  ~Added() { multi.remove(get.easy.get()); }
  MultiSocket& multi;
  Get& get;
};

}  // namespace

TEST("CURL_SOCKET_TIMEOUT starts everything") {
  Server server;
  Driver driver;
  Get get{server.url("/bytes/5")};
  const Added added{driver.multi, get};
  CHECK_EQ(driver.timers.back(), 0);  // adding asked for it, and nothing more
  CHECK(driver.told.empty());
  CHECK_EQ(driver.act(CURL_SOCKET_TIMEOUT, 0), CURLM_OK);
  CHECK_EQ(driver.running, 1);
  CHECK_EQ(driver.run().size(), 1U);
  CHECK_EQ(get.body, test::content("/bytes/5", 5));
}

TEST("events may be given as known, or as 0 for unknown") {
  for (const bool areEventsKnown : {true, false}) {
    Server server;
    Driver driver;
    driver.areEventsKnown = areEventsKnown;
    Get get{server.url("/bytes/1000000")};
    const Added added{driver.multi, get};
    const auto messages = driver.run();
    CHECK_EQ(messages.size(), 1U);
    CHECK_EQ(messages[0].result, CURLE_OK);
    CHECK(get.body == test::content("/bytes/1000000", 1'000'000));
  }
}

TEST("all ends are told by infoRead, whatever the running count did") {
  Server server;
  Driver driver;
  Get gets[] = {Get{server.url("/bytes/1")}, Get{server.url("/bytes/2")}, Get{"nope://nowhere"},
                Get{server.url("/short/100")}};
  std::vector<std::unique_ptr<Added>> added;
  for (Get& get : gets) added.push_back(std::make_unique<Added>(driver.multi, get));
  const auto messages = driver.run();
  CHECK_EQ(driver.running, 0);
  CHECK_EQ(messages.size(), 4U);
  std::map<CURL*, CURLcode> results;
  for (const auto& message : messages) results[message.easy] = message.result;
  CHECK_EQ(results.at(gets[0].easy.get()), CURLE_OK);
  CHECK_EQ(results.at(gets[1].easy.get()), CURLE_OK);
  CHECK_EQ(results.at(gets[2].easy.get()), CURLE_UNSUPPORTED_PROTOCOL);
  CHECK_EQ(results.at(gets[3].easy.get()), CURLE_PARTIAL_FILE);
  CHECK(!driver.multi.infoRead());
}

TEST("infoRead counts what remains and forgets what it gave") {
  Driver driver;
  Get gets[] = {Get{"nope://a"}, Get{"nope://b"}, Get{"nope://c"}};
  std::vector<std::unique_ptr<Added>> added;
  for (Get& get : gets) added.push_back(std::make_unique<Added>(driver.multi, get));
  CHECK_EQ(driver.act(CURL_SOCKET_TIMEOUT, 0), CURLM_OK);
  for (const int remaining : {2, 1, 0}) CHECK_EQ(driver.multi.infoRead()->remaining, remaining);
  CHECK(!driver.multi.infoRead());
}

TEST("a socket is told, changed and removed, in that order") {
  Server server;
  Driver driver;
  Get get{server.url("/bytes/100000")};
  curl_easy_setopt(get.easy.get(), CURLOPT_FORBID_REUSE, 1L);
  {
    const Added added{driver.multi, get};
    driver.run();
  }
  CHECK(driver.watched.empty());
  CHECK(!driver.told.empty());
  CHECK_EQ(driver.told.back().what, CURL_POLL_REMOVE);
  CHECK(driver.told.front().what != CURL_POLL_REMOVE);
  CHECK(std::any_of(driver.told.begin(), driver.told.end(),
                    [](const auto& told) { return told.what == CURL_POLL_IN; }));
}

TEST("an idle connection is not watched, and is used again") {
  Server server;
  Driver driver;
  for (const char* path : {"/bytes/1", "/bytes/2", "/bytes/3"}) {
    Get get{server.url(path)};
    const Added added{driver.multi, get};
    driver.run();
    CHECK(driver.watched.empty());
  }
  CHECK_EQ(server.connections(), 1U);
}

TEST("what assign bound to a socket comes back with it") {
  Server server;
  Driver driver;
  Get get{server.url("/heldhead/1000")};
  {
    const Added added{driver.multi, get};
    CHECK_EQ(driver.act(CURL_SOCKET_TIMEOUT, 0), CURLM_OK);
    while (driver.watched.empty()) driver.turn();
    CHECK(driver.told.front().data == nullptr);
    const curl_socket_t fd = driver.watched.begin()->first;
    int state = 0;
    CHECK_EQ(driver.multi.assign(fd, &state), CURLM_OK);
    driver.told.clear();
    server.release();
    driver.run();
    CHECK(!driver.told.empty());
    for (const auto& told : driver.told) CHECK(told.data == &state);
  }
  CHECK(driver.multi.assign(12345, nullptr) != CURLM_OK);
  CHECK(!driver.multi.failed());
}

TEST("the timer says 0, then how long, then that no time is due") {
  Server server;
  Driver driver;
  Get get{server.url("/heldhead/5")};
  curl_easy_setopt(get.easy.get(), CURLOPT_TIMEOUT_MS, 100'000L);
  CHECK_EQ(driver.multi.timeoutMs(), -1);
  {
    const Added added{driver.multi, get};
    CHECK_EQ(driver.timers.back(), 0);
    CHECK_EQ(driver.multi.timeoutMs(), 0);
    CHECK_EQ(driver.act(CURL_SOCKET_TIMEOUT, 0), CURLM_OK);
    CHECK(std::any_of(driver.timers.begin(), driver.timers.end(),
                      [](long ms) { return ms > 0 && ms <= 100'000; }));
    server.release();
    driver.run();
  }
  CHECK_EQ(driver.timers.back(), -1);
  CHECK_EQ(driver.multi.timeoutMs(), -1);
}

TEST("CURL_SOCKET_TIMEOUT serves time-outs") {
  Server server;
  Driver driver;
  Get get{server.url("/heldhead/5")};
  curl_easy_setopt(get.easy.get(), CURLOPT_TIMEOUT_MS, 50L);
  const Added added{driver.multi, get};
  const auto messages = driver.run();
  CHECK_EQ(messages.at(0).result, CURLE_OPERATION_TIMEDOUT);
}

TEST("after an error no action reaches libcurl until every handle is removed") {
  Server server;
  Driver driver;
  Get gets[] = {Get{server.url("/heldhead/1")}, Get{server.url("/heldhead/2")}};
  for (Get& get : gets) CHECK_EQ(driver.multi.add(get.easy.get()), CURLM_OK);
  CHECK_EQ(driver.act(CURL_SOCKET_TIMEOUT, 0), CURLM_OK);
  driver.running = -7;
  {
    const fault::Armed armed{fault::socketAction, CURLM_INTERNAL_ERROR, 1, 1};
    CHECK_EQ(driver.act(CURL_SOCKET_TIMEOUT, 0), CURLM_INTERNAL_ERROR);
    CHECK(driver.multi.failed());
    CHECK_EQ(fault::socketAction.fired(), 1U);
  }
  const fault::Armed counting{fault::socketAction, CURLM_OK};
  CHECK(driver.act(CURL_SOCKET_TIMEOUT, 0) != CURLM_OK);
  CHECK_EQ(fault::socketAction.fired(), 0U);  // libcurl was not asked
  CHECK_EQ(driver.running, -7);               // and nothing was made up
  driver.multi.remove(gets[0].easy.get());
  CHECK(driver.multi.failed());
  CHECK(driver.act(CURL_SOCKET_TIMEOUT, 0) != CURLM_OK);
  driver.multi.remove(gets[1].easy.get());
  CHECK(!driver.multi.failed());

  Get fresh{server.url("/bytes/3")};
  const Added added{driver.multi, fresh};
  CHECK_EQ(driver.run().at(0).result, CURLE_OK);
  CHECK_EQ(fresh.body, test::content("/bytes/3", 3));
}

TEST("an add that fails spoils those that are inside, and does not count itself") {
  Server server;
  Driver driver;
  Get inside{server.url("/heldhead/1")};
  Get refused{server.url("/bytes/2")};
  CHECK_EQ(driver.multi.add(inside.easy.get()), CURLM_OK);
  {
    const fault::Armed armed{fault::addHandle, CURLM_OUT_OF_MEMORY, 1, 1};
    CHECK_EQ(driver.multi.add(refused.easy.get()), CURLM_OUT_OF_MEMORY);
  }
  CHECK(driver.multi.failed());
  driver.multi.remove(inside.easy.get());
  CHECK(!driver.multi.failed());
}

TEST("an add that fails alone spoils nothing") {
  Driver driver;
  Get get{"http://127.0.0.1:1/"};
  const fault::Armed armed{fault::addHandle, CURLM_OUT_OF_MEMORY, 1, 1};
  CHECK_EQ(driver.multi.add(get.easy.get()), CURLM_OUT_OF_MEMORY);
  CHECK(!driver.multi.failed());
}

TEST("a call from within a callback is refused and harms nothing") {
  Server server;
  Driver driver;
  Get get{server.url("/bytes/5")};
  CURLMcode code = CURLM_OK;
  int running = -7;
  get.onBody = [&] { code = driver.multi.socketAction(CURL_SOCKET_TIMEOUT, 0, running); };
  const Added added{driver.multi, get};
  const auto messages = driver.run();
  CHECK_EQ(code, CURLM_RECURSIVE_API_CALL);
  CHECK_EQ(running, -7);
  CHECK(!driver.multi.failed());
  CHECK_EQ(messages.at(0).result, CURLE_OK);
  CHECK_EQ(get.body, test::content("/bytes/5", 5));
}

TEST("errors that say nothing of the transfers spoil nothing") {
  Server server;
  Driver driver;
  Get get{server.url("/bytes/5")};
  const Added added{driver.multi, get};
  for (const CURLMcode code : {CURLM_BAD_SOCKET, CURLM_RECURSIVE_API_CALL}) {
    const fault::Armed armed{fault::socketAction, code, 1, 1};
    CHECK_EQ(driver.act(CURL_SOCKET_TIMEOUT, 0), code);
    CHECK(!driver.multi.failed());
  }
  CHECK_EQ(driver.multi.add(get.easy.get()), CURLM_ADDED_ALREADY);
  CHECK(!driver.multi.failed());
  CHECK_EQ(driver.run().at(0).result, CURLE_OK);
}

TEST("action on a socket that libcurl does not know is harmless") {
  Server server;
  Driver driver;
  Get get{server.url("/bytes/5")};
  const Added added{driver.multi, get};
  driver.act(4711, CURL_CSELECT_IN);
  CHECK(!driver.multi.failed());
  CHECK_EQ(driver.run().at(0).result, CURLE_OK);
}

TEST("silenced, it tells nothing more, not even at its end") {
  Server server;
  Driver driver;
  Get get{server.url("/heldhead/5")};
  const Added added{driver.multi, get};
  CHECK_EQ(driver.act(CURL_SOCKET_TIMEOUT, 0), CURLM_OK);
  while (driver.watched.empty()) driver.turn();
  driver.multi.silence();
  driver.told.clear();
  driver.timers.clear();
  CHECK_EQ(driver.multi.remove(get.easy.get()), CURLM_OK);
  CHECK(driver.told.empty());
  CHECK(driver.timers.empty());
}

TEST("a removal from within a callback leaves the handle inside, and a failure with it") {
  Server server;
  Driver driver;
  Get gets[] = {Get{server.url("/bytes/5")}, Get{server.url("/heldhead/5")}};
  CURLMcode code = CURLM_OK;
  gets[0].onBody = [&] { code = driver.multi.remove(gets[1].easy.get()); };
  CHECK_EQ(driver.multi.add(gets[0].easy.get()), CURLM_OK);
  CHECK_EQ(driver.multi.add(gets[1].easy.get()), CURLM_OK);
  CHECK_EQ(driver.act(CURL_SOCKET_TIMEOUT, 0), CURLM_OK);
  while (gets[0].body.empty()) driver.turn();
  CHECK_EQ(code, CURLM_RECURSIVE_API_CALL);
  {
    const fault::Armed armed{fault::socketAction, CURLM_INTERNAL_ERROR, 1, 1};
    CHECK_EQ(driver.act(CURL_SOCKET_TIMEOUT, 0), CURLM_INTERNAL_ERROR);
  }
  driver.multi.remove(gets[0].easy.get());
  CHECK(driver.multi.failed());
  driver.multi.remove(gets[1].easy.get());
  CHECK(!driver.multi.failed());
}
