// A loopback HTTP/1.1 server whose paths say how it is to behave:
//
//   /bytes/N/...         N bytes with their length; the body of a path is content(path, N)
//   /chunked/N/...       the same in chunks
//   /unframed/N/...      no length; the end is the connection's
//   /last/N/...          whole, then the connection is closed without a word
//   /short/N/...         half of the promised N bytes, then the end
//   /badchunk/N/...      half in chunks, then what is no chunk
//   /reset/N/...         half, then RST
//   /resethead/...       RST instead of an answer
//   /corpse/N/...        whole on a new connection, RST on a reused one
//   /heldhead/N/...      waits for release() before the answer
//   /held/N/...          waits for release() after half of the body
//   /part/N/...          206, which nobody asked for
//   /lengths/N/...       two Content-Length headers that differ
//   /status/CODE/AFTER   an error with Retry-After: AFTER
//   /to/AUTHORITY/...    302 to http://AUTHORITY/...
//   /cookie/AUTHORITY/.. the same with Set-Cookie: name=value; Path=/
//   /circle              302 to itself
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace test {

// The bytes at `path`, the same on every server.
std::string content(const std::string& path, size_t bytes);

class Server {
 public:
  // Listens on a free port of a loopback address.
  explicit Server(const char* address = "127.0.0.1");
  ~Server();

  uint16_t port() const { return port_; }
  std::string authority() const;
  std::string url(const std::string& path) const { return "http://" + authority() + path; }

  // Lets go all that is held, now and later.
  void release();
  // Waits until so many requests are held.
  void awaitHeld(unsigned count);

  struct Request {
    std::string path;
    std::string head;     // as it came
    unsigned connection;  // counted from 1
    unsigned ordinal;     // on its connection, from 1

    // The value of a header; empty when it was not sent.
    std::string header(const std::string& name) const;
  };
  // From now on `path` is answered by what `answer` returns, head and all; after it the connection
  // is closed when `closes`.
  void on(const std::string& path, std::function<std::string(const Request&)> answer,
          bool closes = false);
  std::vector<Request> requests() const;
  // The only request of that path; none or several fail the test.
  Request request(const std::string& path) const;
  unsigned connections() const;  // accepted so far
  // Connections in use at once, at most: from accept, or the next request, to the last byte of the
  // answer.
  unsigned peak() const;

 private:
  struct Connection {
    Server* server;
    int fd;
    unsigned number;
    bool isBusy = false;
    bool isOver = false;
    std::thread thread;
  };

  void accept();
  void serve(Connection& connection);
  bool answer(Connection& connection, const Request& request);
  void wait();
  void setBusy(Connection& connection, bool isBusy);

  int fd_ = -1;
  uint16_t port_ = 0;
  std::string host_;
  std::thread thread_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::list<Connection> connections_;
  std::vector<Request> requests_;
  struct Scripted {
    std::function<std::string(const Request&)> answer;
    bool closes;
  };
  std::map<std::string, Scripted> scripted_;
  unsigned accepted_ = 0;
  unsigned busy_ = 0;
  unsigned peak_ = 0;
  unsigned held_ = 0;
  bool isReleased_ = false;
  bool isStopping_ = false;
};

}  // namespace test
