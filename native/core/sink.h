// Where the body bytes of one transfer go: held while small, then into NAME.part; a name is only
// seen whole.
//
// Lifetime and thread rules:
// 1. A sink belongs to one transfer on one loop; all but what finish() does on libuv's pool runs on
//    that loop's thread.
// 2. finish() may answer later: the sink lives until the listener was called, on the loop's thread.
// 3. Destroyed unfinished, a held body is gone and a .part stays, without its final name.
// 4. The journal's line comes first: before a .part gets its first byte of a version, and before
// the
//    bytes of another version are thrown away.
#pragma once

#include <uv.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "digest.h"
#include "directory.h"
#include "journal.h"
#include "resume.h"

namespace mcurl {

// What held bodies may use together, over all loops.
class HeldBudget {
 public:
  bool take(int64_t bytes) noexcept {
    if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= kMax) return true;
    give(bytes);
    return false;
  }
  void give(int64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  static constexpr int64_t kMax = 64 << 20;
  std::atomic<int64_t> used_{0};
};

// How an engine treats files, as src/native/binding.ts EngineOptions documents it.
struct OutputOptions {
  int journal = -1;  // a descriptor
  bool durable = false;
  bool keepBad = false;
  bool manifest = false;
  bool remoteTime = false;
  bool xattr = false;
  bool remoteName = false;
  bool ifModified = false;
};

// What all sinks of an engine share. Throws as Directory and Journal do.
struct Output {
  Output(const std::string& path, OutputOptions asked)
      : options{asked}, directory{path}, journal{asked.journal} {}

  const OutputOptions options;
  Directory directory;
  HeldBudget budget;
  Journal journal;
};

class Sink {
 public:
  class Listener {
   public:
    virtual void onSinkFinished(Sink& sink, bool published) noexcept = 0;

   protected:
    ~Listener() = default;
  };

  // A body above this goes to .part at once.
  static constexpr int64_t kMaxHeld = 256 << 10;

  // `serial`: the target's number in the journal, -1: none. `mayHavePart`: an earlier attempt may
  // have left one, which must not outlive this one.
  Sink(Output& output, uv_loop_t* loop, const std::string& name, double serial, bool mayHavePart)
      : output_{output}, loop_{loop}, name_{name}, serial_{serial}, mayHavePart_{mayHavePart} {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink() { drop(); }

  // --- Before the first byte

  // The body's size (-1: nothing tells) and the version it is of.
  void expect(int64_t size, Version version);
  // The body goes on at `offset` of NAME.part. `trusted`: the part was of an earlier boot, and no
  // more of it may be believed; the journal is told anew. False: see error().
  bool continueAt(int64_t offset, Version version, bool trusted) noexcept;

  // The body must have this hash, or (without a value) its hash is wanted. Throws std::bad_alloc.
  // `ofContent`: of the bytes of this answer alone, where the file is continued.
  void hash(Checksum checksum, bool ofContent = false);

  // False: see error(). write(2) happens here: a write of 16 KiB to the page cache is cheaper than
  // a thread's.
  bool write(const char* data, size_t size) noexcept;

  // Checks the hashes and gives the body its name, or, `unnamed`, leaves it whole in NAME.part;
  // `listener` hears of it now (small bodies) or later. The caller has checked that the body is
  // whole.
  void finish(Attributes attributes, bool unnamed, Listener& listener) noexcept;

  int64_t size() const noexcept { return size_; }
  const LocalError& error() const noexcept { return error_; }
  // finish() found another hash than was expected.
  bool isCorrupt() const noexcept { return isCorrupt_; }
  // The version that NAME.part holds bytes of by this sink; null when it wrote none.
  const Version* partVersion() const noexcept { return hadPart_ ? &version_ : nullptr; }
  // `type=hex` of the first hash, after finish(); empty when none was wanted.
  const std::string& digest() const noexcept { return digest_; }

 private:
  // So many bytes come between two syncs of a .part that the journal knows.
  static constexpr int64_t kSyncEvery = 64 << 20;

  struct Hash {
    Checksum expected;
    bool ofContent;
    Digest digest;
  };
  struct Sync;

  bool hold(const char* data, size_t size);
  bool spill();
  bool began(const Version& version, bool isSynced);
  void syncSoon();
  void onSynced(int64_t size, int osErrno);
  // Of finish(), on the loop or on the pool.
  bool complete() noexcept;
  bool check();
  void drop() noexcept;

  Output& output_;
  uv_loop_t* const loop_;
  const std::string& name_;
  const double serial_;
  const bool mayHavePart_;
  int64_t expected_ = -1;
  Version version_;
  int64_t size_ = 0;
  int64_t synced_ = 0;
  std::string held_;
  int64_t budgeted_ = 0;
  Fd part_;
  bool hadPart_ = false;
  bool isSyncing_ = false;
  bool isLost_ = false;  // a sync failed
  bool isContinued_ = false;
  std::vector<Hash> hashes_;
  std::string digest_;
  std::shared_ptr<bool> isAlive_;  // known to syncs under way
  LocalError error_;
  bool isCorrupt_ = false;

  uv_work_t work_{};
  Attributes attributes_;
  bool isUnnamed_ = false;
  bool published_ = false;
  Listener* listener_ = nullptr;
};

}  // namespace mcurl
