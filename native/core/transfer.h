// One attempt at a target: one easy handle, its callbacks, and the judgement at its end.
//
// Lifetime and thread rules:
// 1. A transfer lives on one loop's thread. Its easy handle points at it: it never moves.
// 2. It must be out of the CURLM before it is destroyed.
// 3. Callbacks record and return; what follows from them is done by the loop after the action.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "handles.h"
#include "record.h"
#include "request.h"
#include "response.h"
#include "sink.h"
#include "target.h"

namespace mcurl {

// Live counters of one running transfer, for the screen: written by its loop, read by JavaScript,
// all relaxed.
struct Slot {
  static constexpr uint64_t kFree = ~0ULL;
  std::atomic<uint64_t> id{kFree};
  std::atomic<int64_t> received{0};
  std::atomic<int64_t> expected{-1};
  std::atomic<uint64_t> startedNs{0};
};

class Transfer {
 public:
  class Owner {
   public:
    // False when this transfer must not open a connection now.
    virtual bool mayConnect(Transfer& transfer) noexcept = 0;
    virtual void onSocketOpened(Transfer& transfer, curl_socket_t fd) noexcept = 0;
    virtual void onSocketClosing(curl_socket_t fd) noexcept = 0;
    virtual void onHeaders(Transfer& transfer) noexcept = 0;
    virtual void onBytes(size_t count) noexcept = 0;

   protected:
    ~Owner() = default;
  };

  // What the loop is to do with an ended transfer.
  struct Judgement {
    enum class Next {
      kPublish,   // the body is whole
      kHop,       // a redirect
      kFresh,     // a reused connection died under it: once more, free of charge
      kGiveBack,  // it could not start here and now; nothing is lost
      kAnew,      // the .part cannot be continued: once more, from its beginning
      kFail,
    } next = Next::kFail;
    Reason reason = Reason::kTransfer;
    CURLcode result = CURLE_OK;
    int osErrno = 0;
    std::string error;
  };

  // Cannot throw: a target that is moved in has an owner.
  Transfer(Easy easy, std::unique_ptr<Target> target, const Request& request, Output& output,
           uv_loop_t* loop, CURLSH* share, Owner& owner, uint64_t nowNs) noexcept;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURL* easy() const noexcept { return easy_.get(); }
  Target& target() noexcept { return *target_; }
  std::unique_ptr<Target> takeTarget() noexcept { return std::move(target_); }
  Sink& sink() noexcept { return sink_; }
  const Response& response() const noexcept { return response_; }
  bool hasOpenedSocket() const noexcept { return openedSocket_; }

  void setSlot(Slot* slot) noexcept;
  // Frees the slot for another transfer; null when it had none.
  Slot* dropSlot() noexcept;

  Judgement judge(CURLcode result);

  // Copies what is known of the ended transfer; with `timings` also libcurl's phases.
  void fill(Record& record, bool timings, uint64_t nowNs) const;
  Details details(std::string error) const;
  // Connections opened for all hops.
  long connects() const;
  std::vector<std::string> cookies() const;

  // How the body is to lie in the file system, when it is published.
  Attributes attributes() const;
  // The server gave a name, which JavaScript makes safe and gives at the end.
  bool isUnnamed() const noexcept;

  // The loop's own notes: the place among its transfers, and whether the CURLM has the handle.
  size_t index = 0;
  bool isAdded = false;

 private:
  static size_t onBody(char* data, size_t size, size_t count, void* self) noexcept;
  static size_t onHeader(char* data, size_t size, size_t count, void* self) noexcept;
  static curl_socket_t onOpenSocket(void* self, curlsocktype purpose,
                                    curl_sockaddr* address) noexcept;
  static int onCloseSocket(void* owner, curl_socket_t fd) noexcept;

  bool mayHavePart() const noexcept;
  void askForRest() noexcept;
  void askIfModified() noexcept;
  void setHeaders() noexcept;
  void addHeader(std::string line) noexcept;
  bool beginBody();
  bool isBomb() const noexcept;
  bool isWanted() const noexcept;
  bool isSizeKnown() const noexcept;
  int64_t wholeSize() const noexcept;
  Judgement judgeAnswer();
  Judgement failureOfSink() const;

  const Request& request_;
  Output& output_;
  Owner& owner_;
  std::unique_ptr<Target> target_;
  Sink sink_;
  Response response_;
  Slot* slot_ = nullptr;
  bool isFirstHost_ = true;
  bool openedSocket_ = false;
  bool isGivenBack_ = false;  // it wanted to connect when it must not
  bool isDropped_ = false;    // enough was read of a body that nobody wants
  bool sinkFailed_ = false;
  bool sawBody_ = false;
  bool isTooLarge_ = false;
  bool decodes_ = false;  // what the sink gets is not what the server sent
  bool askedIfModified_ = false;
  int64_t offset_ = 0;  // asked for what comes after it; 0: for all
  Resumption resumption_ = Resumption::kNone;
  int socketErrno_ = 0;
  std::string refusedAddress_;  // by --no-private, and what it is
  int64_t unwanted_ = 0;
  // Header lines of this transfer alone, before those of all.
  std::array<std::string, 2> headerTexts_;
  std::array<curl_slist, 2> headerLines_{};
  size_t headerCount_ = 0;
  char errorText_[CURL_ERROR_SIZE];
  Easy easy_;  // last: its callbacks use all above
};

}  // namespace mcurl
