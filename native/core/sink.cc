#include "sink.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <new>

namespace mcurl {

// An fdatasync on libuv's pool, and then, back on the loop, the journal's line, unless the sink has
// gone: another attempt may have begun another version since.
struct Sink::Sync {
  uv_work_t work{};
  Sink& sink;
  std::shared_ptr<bool> isAlive;
  Fd fd;
  int64_t size;
  int osErrno = 0;
};

void Sink::expect(int64_t size, Version version) {
  expected_ = size;
  version_ = std::move(version);
}

bool Sink::continueAt(int64_t offset, Version version, bool trusted) noexcept {
  try {
    part_ = output_.directory.openPart(name_.c_str(), error_);
    if (!part_) return false;
    const std::string file = Directory::idOf(part_);
    if (!version.file.empty() && version.file != file) {
      error_ = {EBUSY, "another mcurl began " + name_ + ".part anew"};
      return false;
    }
    const off_t end = ::lseek(part_.get(), 0, SEEK_END);
    if (end < offset) {
      error_ = {EIO, name_ + ".part became shorter: another program wrote to it"};
      return false;
    }
    if (::ftruncate(part_.get(), offset) != 0 || ::lseek(part_.get(), offset, SEEK_SET) != offset) {
      error_ = localError("cannot write", name_, errno);
      return false;
    }
    version_ = std::move(version);
    version_.file = file;
    size_ = synced_ = offset;
    isContinued_ = true;
    hadPart_ = true;
    if (!trusted || serial_ < 0 || !output_.journal) return true;
    std::string lines;
    Journal::addBegan(lines, serial_, name_, version_.text(), version_.total);
    Journal::addDurable(lines, serial_, offset);
    if (output_.journal.append(lines)) return true;
    error_ = localError("cannot write", "the journal", errno);
    return false;
  } catch (const std::bad_alloc&) {
    error_ = {ENOMEM, "out of memory"};
    return false;
  }
}

void Sink::hash(Checksum checksum, bool ofContent) {
  const std::string type = checksum.type;
  hashes_.push_back({std::move(checksum), ofContent, Digest{type}});
}

bool Sink::write(const char* data, size_t size) noexcept {
  if (isLost_) return false;
  try {
    for (Hash& hash : hashes_) {
      // The rest of a continued file is hashed with its beginning, at the end.
      if (hash.ofContent || !isContinued_) hash.digest.update(data, size);
    }
    if (!part_) {
      const int64_t whole = std::max(expected_, size_ + static_cast<int64_t>(size));
      if (!mayHavePart_ && whole <= kMaxHeld && hold(data, size)) {
        size_ += static_cast<int64_t>(size);
        return true;
      }
      if (!spill()) return false;
    }
    if (!writeAll(part_.get(), data, size)) {
      error_ = localError("cannot write", name_, errno);
      // A full disk is full for the others too: give back what is of no use.
      if (!version_.canResume()) static_cast<void>(::ftruncate(part_.get(), 0) == 0);
      return false;
    }
    size_ += static_cast<int64_t>(size);
    if (size_ - synced_ >= kSyncEvery && serial_ >= 0 && output_.journal) syncSoon();
    return true;
  } catch (const std::bad_alloc&) {
    error_ = {ENOMEM, "out of memory"};
    return false;
  }
}

// Capacity grows with the content (the server's word alone reserves at most kMaxHeld) and is paid
// for in full.
bool Sink::hold(const char* data, size_t size) {
  const size_t need = held_.size() + size;
  if (need > held_.capacity() || budgeted_ == 0) {
    const size_t capacity =
        std::max({need, held_.size() * 2, static_cast<size_t>(std::max<int64_t>(expected_, 0))});
    const auto more = static_cast<int64_t>(capacity) - budgeted_;
    if (!output_.budget.take(more)) return false;
    budgeted_ += more;
    held_.reserve(capacity);
  }
  held_.append(data, size);
  return true;
}

// From memory to NAME.part, which begins anew.
bool Sink::spill() {
  Directory& directory = output_.directory;
  if (directory.hasPart(name_.c_str())) {
    part_ = directory.openPart(name_.c_str(), error_);
    if (!part_) return false;
    // Old bytes are disowned first, on the disk too, and the new version is told only when they are
    // gone: whenever a kill or a power cut comes, the last line fits the file. It is another file
    // then, so that no other journal takes it for the one it knows.
    if (::lseek(part_.get(), 0, SEEK_END) > 0 && !began({}, true)) return false;
    directory.removePart(name_.c_str());
  }
  part_ = directory.openPart(name_.c_str(), error_);
  if (!part_) return false;
  if (::ftruncate(part_.get(), 0) != 0) {
    error_ = localError("cannot empty", name_ + ".part", errno);
    return false;
  }
  version_.file = Directory::idOf(part_);
  if (!began(version_, false)) return false;
  hadPart_ = true;
  if (!writeAll(part_.get(), held_.data(), held_.size())) {
    error_ = localError("cannot write", name_, errno);
    return false;
  }
  std::string{}.swap(held_);
  output_.budget.give(std::exchange(budgeted_, 0));
  return true;
}

// Tells the journal what NAME.part holds bytes of from now on.
bool Sink::began(const Version& version, bool isSynced) {
  if (serial_ < 0 || !output_.journal) return true;
  std::string line;
  Journal::addBegan(line, serial_, name_, version.canResume() ? version.text() : std::string{},
                    version.total);
  if (output_.journal.append(line) && (!isSynced || output_.journal.sync())) return true;
  error_ = localError("cannot write", "the journal", errno);
  return false;
}

void Sink::syncSoon() {
  if (isSyncing_) return;
  synced_ = size_;
  // Opened by itself: a duplicate would share the lock, which is to go with the sink, and take away
  // the error that --durable's own sync is to see.
  const std::string path = "/proc/self/fd/" + std::to_string(part_.get());
  Fd copy{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!copy) return;
  if (!isAlive_) isAlive_ = std::make_shared<bool>(true);
  auto* sync = new Sync{.sink = *this, .isAlive = isAlive_, .fd = std::move(copy), .size = size_};
  sync->work.data = sync;
  const int queued = uv_queue_work(
      loop_, &sync->work,
      [](uv_work_t* work) {
        auto* sync = static_cast<Sync*>(work->data);
        if (::fdatasync(sync->fd.get()) != 0) sync->osErrno = errno;
        sync->fd.reset();
      },
      [](uv_work_t* work, int) {
        const std::unique_ptr<Sync> sync{static_cast<Sync*>(work->data)};
        if (!*sync->isAlive) return;
        sync->sink.onSynced(sync->size, sync->osErrno);
      });
  isSyncing_ = queued == 0;
  if (queued != 0) delete sync;
}

void Sink::onSynced(int64_t size, int osErrno) {
  isSyncing_ = false;
  if (osErrno == 0) {
    std::string line;
    Journal::addDurable(line, serial_, size);
    // Without this line a rerun after a power cut begins earlier: nothing worse.
    static_cast<void>(output_.journal.append(line));
  } else if (osErrno == EIO || osErrno == ENOSPC || osErrno == EDQUOT) {
    // The kernel may have dropped those bytes, and says so only once: none of them is believed.
    isLost_ = true;
    version_ = {};
    if (began({}, false)) error_ = localError("cannot write", name_, osErrno);
    static_cast<void>(::ftruncate(part_.get(), 0) == 0);
  }
}

void Sink::finish(Attributes attributes, bool unnamed, Listener& listener) noexcept {
  attributes_ = std::move(attributes);
  isUnnamed_ = unnamed;
  listener_ = &listener;
  if (isAlive_) *isAlive_ = false;
  if (isLost_) {
    listener.onSinkFinished(*this, false);
    return;
  }
  try {
    if (!part_ && (mayHavePart_ || unnamed) && !spill()) {
      listener.onSinkFinished(*this, false);
      return;
    }
    if (!part_ && !attributes_.isDurable) {
      const bool published = complete();
      if (published || error_.osErrno != 0 || !spill()) {
        listener.onSinkFinished(*this, published);
        return;
      }
    }
  } catch (const std::bad_alloc&) {
    error_ = {ENOMEM, "out of memory"};
    listener.onSinkFinished(*this, false);
    return;
  }
  work_.data = this;
  const auto work = [](uv_work_t* work) {
    auto* sink = static_cast<Sink*>(work->data);
    sink->published_ = sink->complete();
  };
  const auto finished = [](uv_work_t* work, int) {
    auto* sink = static_cast<Sink*>(work->data);
    sink->listener_->onSinkFinished(*sink, sink->published_);
  };
  if (uv_queue_work(loop_, &work_, work, finished) != 0) {
    work(&work_);
    listener.onSinkFinished(*this, published_);
  }
}

// False with error().osErrno 0: a held body that this file system wants by way of .part.
bool Sink::complete() noexcept {
  try {
    Directory& directory = output_.directory;
    if (!check()) {
      if (error_.osErrno == 0) isCorrupt_ = true;
      error_.osErrno = error_.osErrno == 0 ? EILSEQ : error_.osErrno;
      if (!isCorrupt_) return false;
      if (output_.options.keepBad && (part_ || spill())) {
        error_.text += directory.keepBad(name_.c_str())
                           ? "; it is kept as " + name_ + ".bad"
                           : "; " + name_ + ".bad exists and was left as it is";
      }
      if (part_) directory.removePart(name_.c_str());
      part_.reset();
      return false;
    }
    if (!part_) {
      if (directory.publishHeld(name_.c_str(), held_, attributes_, error_)) return true;
      if (!attributes_.isDurable || error_.osErrno != 0 || !spill()) return false;
    }
    const bool isThere = isUnnamed_
                             ? directory.dress(part_, name_.c_str(), attributes_, error_)
                             : directory.publishPart(part_, name_.c_str(), attributes_, error_);
    part_.reset();
    return isThere;
  } catch (const std::bad_alloc&) {
    error_ = {ENOMEM, "out of memory"};
    return false;
  }
}

// Whether all hashes are as expected; else error().text, with an errno when the file could not be
// read.
bool Sink::check() {
  error_ = {};
  for (Hash& hash : hashes_) {
    if (isContinued_ && !hash.ofContent && !hash.digest.updateFromFile(part_.get(), size_)) {
      error_ = localError("cannot read", name_ + ".part", errno);
      return false;
    }
    const Checksum found = hash.digest.finish();
    if (digest_.empty() && !hash.ofContent) digest_ = found.text();
    if (!hash.expected.value.empty() && found.value != hash.expected.value) {
      error_.text = "its " + found.text() + " is not the expected " + hash.expected.text();
      return false;
    }
  }
  hashes_.clear();
  return true;
}

void Sink::drop() noexcept {
  if (isAlive_) *isAlive_ = false;
  if (budgeted_ > 0) output_.budget.give(std::exchange(budgeted_, 0));
  part_.reset();
}

}  // namespace mcurl
