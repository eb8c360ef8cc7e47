#include "transfer.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>

#include "address.h"
#include "url.h"
#include "verbose.h"

namespace mcurl {
namespace {

// Of an error page or a redirect's body this much is read to keep the connection; then it is
// closed.
constexpr int64_t kMaxUnwanted = 64 << 10;

constexpr uint64_t kNsPerMs = 1'000'000;

bool diesOnReuse(CURLcode result) {
  switch (result) {
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:
      return false;
  }
}

bool isOutOfDescriptors(int osErrno) {
  return osErrno == EMFILE || osErrno == ENFILE || osErrno == ENOBUFS || osErrno == ENOMEM;
}

template <class T>
T info(CURL* easy, CURLINFO what) {
  T value{};
  curl_easy_getinfo(easy, what, &value);
  return value;
}

std::string text(const char* value) {
  return value == nullptr ? std::string{} : std::string{value};
}

}  // namespace

Transfer::Transfer(Easy handle, std::unique_ptr<Target> target, const Request& request,
                   Output& output, uv_loop_t* loop, CURLSH* share, Owner& owner,
                   uint64_t nowNs) noexcept
    : request_{request},
      output_{output},
      owner_{owner},
      target_{std::move(target)},
      sink_{output, loop, target_->name, target_->serial, mayHavePart()},
      decodes_{request.options().compressed},
      easy_{std::move(handle)} {
  errorText_[0] = '\0';
  CURL* easy = easy_.get();
  const Hops* hops = target_->hops.get();
  isFirstHost_ = hops == nullptr || request.options().locationTrusted ||
                 target_->host->key == hops->firstHostKey;
  if (target_->startedNs == 0) target_->startedNs = nowNs;

  request.apply(easy, target_->host->key, isFirstHost_);
  curl_easy_setopt(easy, CURLOPT_URL, target_->url.c_str());
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, errorText_);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, onBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, onHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, onOpenSocket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, onCloseSocket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &owner);
  if (share != nullptr) curl_easy_setopt(easy, CURLOPT_SHARE, share);
  // Where many share one connection only the scout opens another.
  if (target_->isFreshRetry && (target_->isScout || !target_->host->isMultiplexed))
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  if (target_->timeoutMs > 0) {
    const double left =
        target_->timeoutMs - static_cast<double>((nowNs - target_->startedNs) / kNsPerMs);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left < 1 ? 1L : static_cast<long>(left));
  }
  // Cookies of earlier hops, or of a file: libcurl's own domain rules decide which are sent.
  for (const std::string& line : hops == nullptr ? request.options().cookieLines : hops->cookies) {
    curl_easy_setopt(easy, CURLOPT_COOKIELIST, line.c_str());
  }
  if (request.options().verbose) {
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, onDebug);
  }
  if (target_->extras && !request.asksRange() && target_->url.starts_with("http")) {
    askForRest();
    askIfModified();
    if (headerCount_ > 0) setHeaders();
  }
}

// A kill between the making of a .part and its line in the journal leaves one that nothing tells
// of.
bool Transfer::mayHavePart() const noexcept {
  return (target_->extras && target_->extras->mayHavePart) ||
         (target_->wasPlanned && output_.directory.hasPart(target_->name.c_str()));
}

// RFC 9110 13.1.5, 14.2. The .part is looked at now and opened when its rest comes.
void Transfer::askForRest() noexcept {
  const Extras& extras = *target_->extras;
  const bool isTied =
      extras.resumeBy == ResumeBy::kSize ? extras.version.total > 0 : extras.version.canResume();
  if (!isTied) return;
  const Directory::Part part = output_.directory.part(target_->name.c_str());
  if (!extras.version.file.empty() && part.id != extras.version.file) return;
  int64_t offset = part.size;
  if (extras.trustedBytes >= 0) offset = std::min(offset, extras.trustedBytes);
  // Of what is whole already a 416 would not tell its name, date or type.
  const OutputOptions& options = output_.options;
  if (offset == extras.version.total && (options.remoteName || options.remoteTime || options.xattr))
    --offset;
  if (offset <= 0 || offset > extras.version.total) return;
  offset_ = offset;
  curl_easy_setopt(easy(), CURLOPT_RANGE, (std::to_string(offset) + "-").c_str());
  // Offsets are of what lies in the file.
  curl_easy_setopt(easy(), CURLOPT_ACCEPT_ENCODING, nullptr);
  decodes_ = false;
  if (extras.resumeBy == ResumeBy::kValidator) addHeader("If-Range: " + extras.version.ifRange());
}

// RFC 9110 13.1.2 and 13.1.3.
void Transfer::askIfModified() noexcept {
  const Version& known = target_->extras->known;
  if (offset_ > 0) return;
  if (!known.etag.empty()) addHeader("If-None-Match: " + known.etag);
  if (!known.lastModified.empty()) addHeader("If-Modified-Since: " + known.lastModified);
  askedIfModified_ = headerCount_ > 0;
}

void Transfer::addHeader(std::string line) noexcept {
  headerTexts_[headerCount_] = std::move(line);
  ++headerCount_;
}

void Transfer::setHeaders() noexcept {
  curl_slist* rest = request_.headers(isFirstHost_);
  for (size_t i = headerCount_; i > 0; --i) {
    headerLines_[i - 1] = {headerTexts_[i - 1].data(), rest};
    rest = &headerLines_[i - 1];
  }
  curl_easy_setopt(easy(), CURLOPT_HTTPHEADER, rest);
}

void Transfer::setSlot(Slot* slot) noexcept {
  slot_ = slot;
  slot->received.store(0, std::memory_order_relaxed);
  slot->expected.store(-1, std::memory_order_relaxed);
  slot->startedNs.store(target_->startedNs, std::memory_order_relaxed);
  slot->id.store(target_->id, std::memory_order_relaxed);
}

Slot* Transfer::dropSlot() noexcept {
  if (slot_ != nullptr) slot_->id.store(Slot::kFree, std::memory_order_relaxed);
  return std::exchange(slot_, nullptr);
}

// The body of an answer that is the target itself; of a protocol without answers, any.
bool Transfer::isWanted() const noexcept {
  if (!response_.isHttp) return true;
  return response_.isSuccess() &&
         (response_.status != 206 || request_.asksRange() || resumption_ == Resumption::kContinues);
}

bool Transfer::isSizeKnown() const noexcept {
  return response_.contentLength >= 0 && !response_.isChunked && !(response_.isEncoded && decodes_);
}

// Bytes that the file must have in the end; -1: nothing tells. Of a rest Content-Range tells,
// however it is framed.
int64_t Transfer::wholeSize() const noexcept {
  if (resumption_ == Resumption::kContinues || resumption_ == Resumption::kIsWhole)
    return target_->extras->version.total;
  return isSizeKnown() ? response_.contentLength : -1;
}

// What is known before the first byte. False: the sink has failed, or the file is too large.
bool Transfer::beginBody() {
  const int64_t most = request_.options().maxFilesize;
  const int64_t whole = wholeSize();
  if (most > 0 && whole > most) {
    isTooLarge_ = true;
    return false;
  }
  if (slot_ != nullptr && whole >= 0) slot_->expected.store(whole, std::memory_order_relaxed);
  const Extras* extras = target_->extras.get();
  const bool isContinued = resumption_ == Resumption::kContinues;
  // The first one is the record's: a manifest is of this type alone.
  const bool isSha256 =
      extras != nullptr && extras->checksum && extras->checksum->type == "sha-256";
  if (output_.options.manifest && !isSha256) sink_.hash({"sha-256", {}});
  if (extras != nullptr && extras->checksum) sink_.hash(*extras->checksum);
  // RFC 9530 2 and 3: the one is of the bytes that came, the other of the whole file; of an error's
  // page both are its own.
  if (!(response_.isEncoded && decodes_) && resumption_ != Resumption::kIsWhole) {
    const bool isPart = response_.status == 206 && !isContinued;
    if (auto digest = strongestDigest(response_.reprDigest); digest && !isPart)
      sink_.hash(std::move(*digest));
    if (auto digest = strongestDigest(response_.contentDigest))
      sink_.hash(std::move(*digest), isContinued);
  }
  if (isContinued || resumption_ == Resumption::kIsWhole) {
    return sink_.continueAt(offset_, target_->extras->version, target_->extras->trustedBytes >= 0);
  }
  // Only what goes to .part can be continued; a decoded body never, as offsets count what the
  // server sent; and no part that the user asked for, as it is not the file's beginning.
  const bool mayContinue = (whole > Sink::kMaxHeld || extras != nullptr) && response_.isHttp &&
                           !response_.isEncoded && response_.status != 206;
  sink_.expect(whole, mayContinue ? versionOf(response_) : Version{});
  return true;
}

// So much more came out of a body than went in that nobody can have meant it.
bool Transfer::isBomb() const noexcept {
  constexpr int64_t kHarmless = 64 << 20;
  constexpr int64_t kMostRatio = 500;
  return decodes_ && response_.isEncoded && sink_.size() > kHarmless &&
         sink_.size() / kMostRatio > info<curl_off_t>(easy(), CURLINFO_SIZE_DOWNLOAD_T);
}

size_t Transfer::onBody(char* data, size_t, size_t count, void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  if (!transfer.isWanted()) {
    transfer.unwanted_ += static_cast<int64_t>(count);
    if (transfer.unwanted_ <= kMaxUnwanted && transfer.response_.contentLength <= kMaxUnwanted)
      return count;
    transfer.isDropped_ = true;
    return 0;
  }
  try {
    if (!std::exchange(transfer.sawBody_, true) && !transfer.beginBody()) {
      transfer.sinkFailed_ = !transfer.isTooLarge_;
      return 0;
    }
  } catch (const std::bad_alloc&) {
    return 0;
  }
  const int64_t size = transfer.sink_.size() + static_cast<int64_t>(count);
  if (transfer.resumption_ == Resumption::kContinues && size > transfer.wholeSize()) {
    transfer.resumption_ = Resumption::kRefused;
    return 0;
  }
  const int64_t most = transfer.request_.options().maxFilesize;
  if ((most > 0 && size > most) || transfer.isBomb()) {
    transfer.isTooLarge_ = true;
    return 0;
  }
  if (!transfer.sink_.write(data, count)) {
    transfer.sinkFailed_ = true;
    return 0;
  }
  transfer.owner_.onBytes(count);
  if (transfer.slot_ != nullptr) {
    transfer.slot_->received.store(transfer.sink_.size(), std::memory_order_relaxed);
  }
  return count;
}

size_t Transfer::onHeader(char* data, size_t, size_t count, void* self) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  Response& response = transfer.response_;
  const bool wereDone = response.headersDone;
  try {
    if (!response.line({data, count})) return 0;
  } catch (const std::bad_alloc&) {
    return 0;
  }
  // An empty cookie line starts libcurl's cookie engine, which only a redirect needs.
  if (response.status >= 300 && response.status < 400 && count > 5 &&
      std::memcmp(data, "HTTP/", 5) == 0) {
    curl_easy_setopt(transfer.easy(), CURLOPT_COOKIELIST, "Set-Cookie: ");
  }
  if (response.headersDone && !wereDone) {
    transfer.owner_.onHeaders(transfer);
    if (transfer.offset_ > 0) {
      const Extras& extras = *transfer.target_->extras;
      transfer.resumption_ =
          judgeResumption(extras.version, transfer.offset_, extras.resumeBy, response);
      if (transfer.resumption_ == Resumption::kRefused) return 0;
    }
  }
  return count;
}

// libcurl 7.88 sets no CLOEXEC and reports EMFILE as a refused connection.
curl_socket_t Transfer::onOpenSocket(void* self, curlsocktype, curl_sockaddr* address) noexcept {
  auto& transfer = *static_cast<Transfer*>(self);
  // Here and nowhere earlier: what a name resolves to may change with every look-up.
  if (transfer.request_.options().noPrivate) {
    if (std::string refused = notPublic(&address->addr); !refused.empty()) {
      transfer.refusedAddress_ = std::move(refused);
      return CURL_SOCKET_BAD;
    }
  }
  if (!transfer.owner_.mayConnect(transfer)) {
    transfer.isGivenBack_ = true;
    return CURL_SOCKET_BAD;
  }
  const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                          address->protocol);
  if (fd < 0) {
    transfer.socketErrno_ = errno;
    return CURL_SOCKET_BAD;
  }
  transfer.openedSocket_ = true;
  transfer.owner_.onSocketOpened(transfer, fd);
  return fd;
}

int Transfer::onCloseSocket(void* owner, curl_socket_t fd) noexcept {
  static_cast<Owner*>(owner)->onSocketClosing(fd);
  return ::close(fd);
}

Transfer::Judgement Transfer::failureOfSink() const {
  return {Judgement::Next::kFail, Reason::kLocal, CURLE_WRITE_ERROR, sink_.error().osErrno,
          sink_.error().text};
}

Transfer::Judgement Transfer::judge(CURLcode result) {
  using Next = Judgement::Next;
  if (sinkFailed_) return failureOfSink();
  if (isTooLarge_) {
    return {Next::kFail, Reason::kTransfer, CURLE_FILESIZE_EXCEEDED, 0,
            isBomb()
                ? "the body unpacks to more than 500 times what was sent: leave out --compressed"
                : "the file is larger than --max-filesize allows"};
  }
  if (resumption_ == Resumption::kRefused) return {Next::kAnew, Reason::kTransfer, result, 0, {}};
  if (response_.bad != nullptr) {
    return {Next::kFail, Reason::kTransfer, CURLE_WEIRD_SERVER_REPLY, 0, response_.bad};
  }
  if (isDropped_) result = CURLE_OK;
  if (result == CURLE_OK) return judgeAnswer();
  if (isGivenBack_) return {Next::kGiveBack, Reason::kTransfer, result, 0, {}};
  if (!openedSocket_ && isOutOfDescriptors(socketErrno_)) {
    return {Next::kGiveBack, Reason::kLocal, result, socketErrno_,
            "too many open files: lower -j or raise the limit (ulimit -n)"};
  }
  // Where another address was tried, what became of that counts.
  if (!openedSocket_ && !refusedAddress_.empty()) {
    return {Next::kFail, Reason::kAddress, CURLE_ABORTED_BY_CALLBACK, 0,
            "--no-private refuses " + refusedAddress_};
  }
  if (result == CURLE_OUT_OF_MEMORY && response_.isHttp && !response_.headersDone) {
    return {Next::kFail, Reason::kTransfer, CURLE_WEIRD_SERVER_REPLY, 0,
            "the answer's headers are too large"};
  }
  const bool wasReused = !openedSocket_ && info<long>(easy(), CURLINFO_NUM_CONNECTS) == 0;
  if (wasReused && diesOnReuse(result) && !sawBody_ && !response_.isHttp &&
      !target_->isFreshRetry) {
    return {Next::kFresh, Reason::kTransfer, result, 0, {}};
  }
  return {Next::kFail, Reason::kTransfer, result, 0,
          errorText_[0] != '\0' ? errorText_ : curl_easy_strerror(result)};
}

Transfer::Judgement Transfer::judgeAnswer() {
  using Next = Judgement::Next;
  const Judgement whole{Next::kPublish, Reason::kDone, CURLE_OK, 0, {}};
  if (!response_.isHttp) return whole;
  if (response_.isRedirect()) return {Next::kHop, Reason::kRedirect, CURLE_OK, 0, {}};
  if (resumption_ == Resumption::kIsWhole) return beginBody() ? whole : failureOfSink();
  if (response_.status == 304 && askedIfModified_)
    return {Next::kFail, Reason::kNotModified, CURLE_OK, 0, {}};
  if (response_.status == 206 && !isWanted()) {
    return {Next::kFail, Reason::kTransfer, CURLE_WEIRD_SERVER_REPLY, 0,
            "the server sent a part (206) where the whole was asked for"};
  }
  if (!response_.isSuccess()) {
    return {Next::kFail, Reason::kHttp, CURLE_HTTP_RETURNED_ERROR, 0,
            "the server answered " + std::to_string(response_.status)};
  }
  // A body without a byte begins, and ends, here.
  if (!std::exchange(sawBody_, true) && !beginBody()) return failureOfSink();
  const int64_t size = wholeSize();
  if (size >= 0 && sink_.size() != size) {
    return {Next::kFail, Reason::kTransfer, CURLE_PARTIAL_FILE, 0,
            std::to_string(sink_.size()) + " bytes came of " + std::to_string(size)};
  }
  return whole;
}

void Transfer::fill(Record& record, bool timings, uint64_t nowNs) const {
  CURL* e = easy();
  record.id = target_->id;
  record.responseCode = response_.status;
  record.sizeDelivered = static_cast<double>(sink_.size());
  record.contentLength = isSizeKnown() ? static_cast<double>(response_.contentLength) : -1;
  if (resumption_ == Resumption::kContinues || resumption_ == Resumption::kIsWhole)
    record.resumedFrom = static_cast<double>(offset_);
  record.sizeDownload = record.sizeDelivered - record.resumedFrom;
  record.timeTotalUs = static_cast<double>((nowNs - target_->startedNs) / 1000);
  const Hops* hops = target_->hops.get();
  record.numRedirects = hops == nullptr ? 0 : hops->count;
  unsigned flags = 0;
  if (target_->isFreshRetry) flags |= kFreshRetry;
  if (response_.isHttp) {
    const bool hasBody =
        response_.status != 204 && response_.status != 205 && response_.status != 304;
    const bool isFramed =
        response_.contentLength >= 0 || (response_.isHttp1 && response_.isChunked);
    const bool isContinued =
        resumption_ == Resumption::kContinues || resumption_ == Resumption::kIsWhole;
    if (hasBody && !isFramed && !isContinued) flags |= kUnverified;
  } else if (info<curl_off_t>(e, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T) < 0) {
    flags |= kUnverified;
  }
  if (isUnnamed()) flags |= kUnnamed;
  record.flags = flags;
  record.retryAfterMs = response_.retryAfterMs;
  if (!timings) return;
  const auto us = [e](CURLINFO what) { return static_cast<double>(info<curl_off_t>(e, what)); };
  record.sizeDownload = us(CURLINFO_SIZE_DOWNLOAD_T);
  record.numConnects = static_cast<double>(connects());
  record.httpVersion = static_cast<double>(info<long>(e, CURLINFO_HTTP_VERSION));
  record.remotePort = static_cast<double>(info<long>(e, CURLINFO_PRIMARY_PORT));
  record.timeQueueUs = static_cast<double>((target_->startedNs - target_->queuedNs) / 1000);
  const double before = hops == nullptr ? 0 : static_cast<double>(hops->redirectNs / 1000);
  record.timeRedirectUs = before;
  // As curl reports a followed redirect: phases of the last hop, counted from the first one's
  // start.
  record.timeNamelookupUs = before + us(CURLINFO_NAMELOOKUP_TIME_T);
  record.timeConnectUs = before + us(CURLINFO_CONNECT_TIME_T);
  record.timePretransferUs = before + us(CURLINFO_PRETRANSFER_TIME_T);
  record.timeStarttransferUs = before + us(CURLINFO_STARTTRANSFER_TIME_T);
  const double appconnect = us(CURLINFO_APPCONNECT_TIME_T);
  record.timeAppconnectUs = appconnect > 0 ? before + appconnect : 0;
}

long Transfer::connects() const {
  return info<long>(easy(), CURLINFO_NUM_CONNECTS) + (target_->hops ? target_->hops->connects : 0);
}

Details Transfer::details(std::string error) const {
  // What a further attempt may continue; of a whole body, what --if-modified asks by.
  Version version;
  if (sink_.partVersion() != nullptr) {
    version = *sink_.partVersion();
  } else if (response_.isHttp && response_.isSuccess() && error.empty()) {
    version = versionOf(response_);
  } else if (target_->extras) {
    version = target_->extras->version;
  }
  return {target_->url,
          text(info<char*>(easy(), CURLINFO_PRIMARY_IP)),
          text(info<char*>(easy(), CURLINFO_CONTENT_TYPE)),
          std::move(error),
          version.text(),
          sink_.digest(),
          isUnnamed() ? response_.contentDisposition : std::string{}};
}

Attributes Transfer::attributes() const {
  const OutputOptions& options = output_.options;
  Attributes attributes;
  attributes.isDurable = options.durable;
  attributes.mayReplace = target_->mayReplace;
  if (options.remoteTime && !response_.lastModified.empty())
    attributes.lastModified = curl_getdate(response_.lastModified.c_str(), nullptr);
  if (options.xattr) {
    attributes.url = withoutUserinfo(target_->url);
    attributes.contentType = text(info<char*>(easy(), CURLINFO_CONTENT_TYPE));
    // Of the file as it lies here, by which --if-modified sees whether it still does.
    Version version = versionOf(response_);
    version.total = sink_.size();
    if (response_.status == 200 || resumption_ == Resumption::kContinues)
      attributes.version = version.text();
  }
  return attributes;
}

bool Transfer::isUnnamed() const noexcept {
  return output_.options.remoteName && !response_.contentDisposition.empty();
}

std::vector<std::string> Transfer::cookies() const {
  const Slist list{info<curl_slist*>(easy(), CURLINFO_COOKIELIST)};
  std::vector<std::string> lines;
  for (const curl_slist* item = list.get(); item != nullptr; item = item->next)
    lines.emplace_back(item->data);
  return lines;
}

}  // namespace mcurl
