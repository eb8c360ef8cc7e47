#include "../../native/core/sink.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <memory>

#include "fault.h"
#include "scratch.h"
#include "server.h"
#include "test.h"

using mcurl::Attributes;
using mcurl::HeldBudget;
using mcurl::Sink;
using test::Scratch;

namespace {

constexpr size_t kMaxHeld = 256 << 10;
constexpr size_t kMaxBudget = 64 << 20;

// One directory, and a loop on which sinks finish.
struct Bed final : Sink::Listener {
  explicit Bed(mcurl::OutputOptions options = {}) : output{scratch.path(), options} {
    uv_loop_init(&loop);
  }
  ~Bed() { uv_loop_close(&loop); }

  void onSinkFinished(Sink&, bool isPublished) noexcept override {
    ++finished;
    told += "told ";
    published = isPublished;
  }

  bool write(Sink& sink, const std::string& body, size_t piece = 16 << 10) {
    for (size_t at = 0; at < body.size(); at += piece) {
      if (!sink.write(body.data() + at, std::min(piece, body.size() - at))) return false;
    }
    return true;
  }

  // Whether the body got its name.
  bool finish(Sink& sink, Attributes attributes = {}, bool unnamed = false) {
    finished = 0;
    published = false;
    sink.finish(std::move(attributes), unnamed, *this);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_EQ(finished, 1);
    return published;
  }

  Scratch scratch;
  uv_loop_t loop;
  mcurl::Output output;
  HeldBudget& budget = output.budget;
  const std::string name = "a";
  int finished = 0;
  bool published = false;
  std::string told;  // what Syncs saw, and when the end came
};

// What a budget has left, by taking it.
bool isEmpty(HeldBudget& budget) {
  if (!budget.take(kMaxBudget)) return false;
  budget.give(kMaxBudget);
  return true;
}

// A limit of the process on the size of its files, for the length of a block.
struct FileLimit {
  explicit FileLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit now{bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileLimit() { ::setrlimit(RLIMIT_FSIZE, &before); }
  rlimit before{};
};

}  // namespace

TEST("bodies of every size about the threshold come out whole") {
  for (const size_t size :
       {size_t{0}, size_t{1}, kMaxHeld - 1, kMaxHeld, kMaxHeld + 1, 2 * kMaxHeld + 7}) {
    for (const bool isSizeKnown : {true, false}) {
      Bed bed;
      const std::string body = test::content("/" + std::to_string(size), size);
      Sink sink{bed.output, &bed.loop, bed.name, -1, false};
      if (isSizeKnown) sink.expect(static_cast<int64_t>(size), {});
      CHECK(bed.write(sink, body));
      CHECK_EQ(sink.size(), static_cast<int64_t>(size));
      CHECK_EQ(bed.scratch.has("a.part"), size > kMaxHeld);
      CHECK(!bed.scratch.has("a"));
      CHECK(bed.finish(sink));
      CHECK(bed.scratch.read("a") == body);
      CHECK_EQ(bed.scratch.names().size(), 1U);
    }
  }
}

TEST("a small body is published at once, a large one later") {
  Bed bed;
  Sink small{bed.output, &bed.loop, bed.name, -1, false};
  CHECK(bed.write(small, "small"));
  small.finish({}, false, bed);
  CHECK_EQ(bed.finished, 1);
  const std::string name = "b";
  Sink large{bed.output, &bed.loop, name, -1, false};
  CHECK(bed.write(large, std::string(kMaxHeld + 1, 'x')));
  large.finish({}, false, bed);
  CHECK_EQ(bed.finished, 1);
  uv_run(&bed.loop, UV_RUN_DEFAULT);
  CHECK_EQ(bed.finished, 2);
}

TEST("a body promised large goes to .part with its first byte") {
  for (const int64_t size : {int64_t{kMaxHeld + 1}, int64_t{1} << 40}) {
    Bed bed;
    Sink sink{bed.output, &bed.loop, bed.name, -1, false};
    sink.expect(size, {});
    CHECK(bed.write(sink, "x"));
    CHECK_EQ(bed.scratch.read("a.part"), "x");
    CHECK(isEmpty(bed.budget));
  }
}

TEST("a server's word reserves no memory beyond the threshold") {
  Bed bed;
  Sink sink{bed.output, &bed.loop, bed.name, -1, false};
  sink.expect(kMaxHeld, {});
  CHECK(bed.write(sink, "x"));
  CHECK(!bed.scratch.has("a.part"));
  CHECK(bed.budget.take(kMaxBudget - kMaxHeld));
  bed.budget.give(kMaxBudget - kMaxHeld);
}

TEST("a body that is longer than was promised is held no longer than others") {
  Bed bed;
  Sink sink{bed.output, &bed.loop, bed.name, -1, false};
  sink.expect(10, {});
  const std::string body(3 * kMaxHeld, 'x');
  CHECK(bed.write(sink, body));
  CHECK_EQ(bed.scratch.read("a.part").size(), body.size());
  CHECK(isEmpty(bed.budget));
}

TEST("an unfinished body leaves no name, only its .part") {
  Bed bed;
  {
    Sink held{bed.output, &bed.loop, bed.name, -1, false};
    CHECK(bed.write(held, "held"));
  }
  CHECK_EQ(bed.scratch.names().size(), 0U);
  {
    Sink large{bed.output, &bed.loop, bed.name, -1, false};
    CHECK(bed.write(large, std::string(kMaxHeld + 1, 'x')));
  }
  CHECK_EQ(bed.scratch.names().size(), 1U);
  CHECK(bed.scratch.has("a.part"));
  CHECK(isEmpty(bed.budget));
}

TEST("held bodies together stay within the budget; beyond it they go to .part") {
  Bed bed;
  CHECK(bed.budget.take(kMaxBudget - 100'000));
  const std::string names[] = {"a", "b", "c"};
  const std::string body(60'000, 'x');
  std::vector<std::unique_ptr<Sink>> sinks;
  for (const std::string& name : names) {
    Sink& sink =
        *sinks.emplace_back(std::make_unique<Sink>(bed.output, &bed.loop, name, -1, false));
    sink.expect(static_cast<int64_t>(body.size()), {});
    CHECK(bed.write(sink, body));
  }
  CHECK(!bed.scratch.has("a.part"));
  CHECK(bed.scratch.has("b.part") && bed.scratch.has("c.part"));
  for (const auto& sink : sinks) CHECK(bed.finish(*sink));
  for (const std::string& name : names) CHECK_EQ(bed.scratch.read(name), body);
  sinks.clear();
  bed.budget.give(kMaxBudget - 100'000);
  CHECK(isEmpty(bed.budget));
}

TEST("a body grows out of the budget in its midst and comes out whole") {
  Bed bed;
  CHECK(bed.budget.take(kMaxBudget - 50'000));
  Sink sink{bed.output, &bed.loop, bed.name, -1, false};
  const std::string body = test::content("/grows", 200'000);
  CHECK(bed.write(sink, body, 1'000));
  CHECK(bed.scratch.has("a.part"));
  CHECK(bed.finish(sink));
  CHECK(bed.scratch.read("a") == body);
}

TEST("without O_TMPFILE a small body goes by .part") {
  Bed bed;
  const fault::Armed armed{fault::tmpFile, EOPNOTSUPP};
  Sink sink{bed.output, &bed.loop, bed.name, -1, false};
  CHECK(bed.write(sink, "small"));
  CHECK(bed.finish(sink));
  CHECK_EQ(bed.scratch.read("a"), "small");
  CHECK_EQ(bed.scratch.names().size(), 1U);
}

TEST("a name that appeared is a failure, whatever the size") {
  for (const size_t size : {size_t{5}, kMaxHeld + 5}) {
    Bed bed;
    Sink sink{bed.output, &bed.loop, bed.name, -1, false};
    CHECK(bed.write(sink, std::string(size, 'x')));
    bed.scratch.write("a", "somebody's");
    CHECK(!bed.finish(sink));
    CHECK_EQ(sink.error().osErrno, EEXIST);
    CHECK_EQ(bed.scratch.read("a"), "somebody's");
  }
}

TEST("with overwrite the old file is whole until the new one is") {
  for (const size_t size : {size_t{5}, kMaxHeld + 5}) {
    Bed bed;
    bed.scratch.write("a", "old");
    Sink sink{bed.output, &bed.loop, bed.name, -1, false};
    CHECK(bed.write(sink, std::string(size, 'x')));
    CHECK_EQ(bed.scratch.read("a"), "old");
    CHECK(bed.finish(sink, {.mayReplace = true}));
    CHECK_EQ(bed.scratch.read("a").size(), size);
    CHECK_EQ(bed.scratch.names().size(), 1U);
  }
}

TEST("a full disk is told, and leaves no name") {
  for (const size_t size : {size_t{5'000}, kMaxHeld + 5}) {
    Bed bed;
    Sink sink{bed.output, &bed.loop, bed.name, -1, false};
    const FileLimit limit{1'000};
    CHECK(!(bed.write(sink, std::string(size, 'x')) && bed.finish(sink)));
    CHECK_EQ(sink.error().osErrno, EFBIG);
    CHECK(sink.error().text.find("cannot write a") == 0);
    CHECK(!bed.scratch.has("a"));
  }
}

TEST("an old .part of ours is emptied and used") {
  for (const size_t size : {size_t{5}, kMaxHeld + 5}) {
    Bed bed;
    bed.scratch.write("a.part", std::string(kMaxHeld + 100, 'o'));
    Sink sink{bed.output, &bed.loop, bed.name, -1, true};
    CHECK(bed.write(sink, std::string(size, 'x')));
    CHECK(bed.finish(sink));
    CHECK_EQ(bed.scratch.read("a"), std::string(size, 'x'));
    CHECK_EQ(bed.scratch.names().size(), 1U);
  }
}

TEST("a .part that cannot be ours fails the write and is left alone") {
  Bed bed;
  bed.scratch.write("a.part", "another's");
  const mcurl::Fd other{::open((bed.scratch / "a.part").c_str(), O_WRONLY | O_CLOEXEC)};
  CHECK_EQ(::flock(other.get(), LOCK_EX), 0);
  Sink sink{bed.output, &bed.loop, bed.name, -1, false};
  CHECK(!bed.write(sink, std::string(kMaxHeld + 1, 'x')));
  CHECK_EQ(sink.error().osErrno, EWOULDBLOCK);
  CHECK_EQ(bed.scratch.read("a.part"), "another's");
}

namespace {

mcurl::Version tagged(int64_t total, const char* etag) {
  mcurl::Version version;
  version.total = total;
  version.etag = etag;
  return version;
}

// A bed whose sinks write a journal.
struct JournalBed {
  JournalBed() : fd{mcurl::openLocked(scratch / "journal", false)}, bed{{.journal = fd.get()}} {}
  // Its lines, without the empty ones.
  std::string lines() const {
    std::string text = scratch.read("journal");
    for (size_t at = 0; (at = text.find("\n\n")) != std::string::npos;) text.erase(at, 1);
    return text.substr(text.starts_with('\n') ? 1 : 0);
  }
  Scratch scratch;
  mcurl::Fd fd;
  Bed bed;
};

// The file behind a descriptor: its name, "#" while it has none, "." for the directory.
std::string nameOf(const Scratch& scratch, int fd) {
  char path[256];
  const ssize_t size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, 256);
  const std::string found{path, static_cast<size_t>(std::max<ssize_t>(size, 0))};
  if (found == scratch.path()) return ".";
  const std::string name = found.substr(found.rfind('/') + 1);
  return name.starts_with('#') ? "#" : name;
}

// Writes down each sync: of which file, and how large "a" is just before it.
struct Syncs {
  Bed& bed;
  const fault::Seen seen{[this](int fd) {
    const std::string size =
        bed.scratch.has("a") ? std::to_string(bed.scratch.read("a").size()) : "";
    bed.told += nameOf(bed.scratch, fd) + "(" + size + ") ";
  }};
};

std::string attribute(const std::string& path, const char* name) {
  char value[256];
  const ssize_t size = ::getxattr(path.c_str(), name, value, sizeof value);
  return size < 0 ? "none" : std::string{value, static_cast<size_t>(size)};
}

}  // namespace

TEST("a .part is continued, and hashed from its start") {
  Bed bed;
  bed.scratch.write("a.part", "abXX");
  Sink sink{bed.output, &bed.loop, bed.name, -1, true};
  sink.hash(*mcurl::Checksum::parse("md5=900150983cd24fb0d6963f7d28e17f72"));
  CHECK(sink.continueAt(2, tagged(3, "\"e\""), false));
  CHECK_EQ(bed.scratch.read("a.part"), "ab");
  CHECK(bed.write(sink, "c"));
  CHECK_EQ(sink.size(), 3);
  CHECK(bed.finish(sink));
  CHECK_EQ(bed.scratch.read("a"), "abc");
  CHECK_EQ(sink.digest(), "md5=900150983cd24fb0d6963f7d28e17f72");
}

TEST("a .part that became shorter is not continued") {
  Bed bed;
  bed.scratch.write("a.part", "ab");
  Sink sink{bed.output, &bed.loop, bed.name, -1, true};
  CHECK(!sink.continueAt(3, tagged(9, "\"e\""), false));
  CHECK_EQ(sink.error().osErrno, EIO);
  CHECK_EQ(bed.scratch.read("a.part"), "ab");
}

TEST("a .part that another has begun since it was asked for is not continued") {
  Bed bed;
  bed.scratch.write("a.part", "abcd");
  mcurl::Version version = tagged(9, "\"e\"");
  version.file = bed.output.directory.part("a").id;
  bed.scratch.write("other", "ABCD");
  CHECK_EQ(::rename((bed.scratch / "other").c_str(), (bed.scratch / "a.part").c_str()), 0);
  Sink sink{bed.output, &bed.loop, bed.name, -1, true};
  CHECK(!sink.continueAt(3, version, false));
  CHECK_EQ(sink.error().osErrno, EBUSY);
  CHECK_EQ(bed.scratch.read("a.part"), "ABCD");
}

TEST("a new version disowns the old bytes before it is told itself, of another file") {
  JournalBed journal;
  Bed& bed = journal.bed;
  const int64_t size = kMaxHeld + 1;
  const auto id = [&] { return bed.output.directory.part("a").id; };
  const auto began = [](const std::string& etag, const std::string& file) {
    return "{\"began\":7,\"name\":\"a\",\"version\":\"262145\\u0009\\\"" + etag +
           "\\\"\\u0009\\u0009" + file + "\",\"total\":262145}\n";
  };
  {
    Sink sink{bed.output, &bed.loop, bed.name, 7, false};
    sink.expect(size, tagged(size, "\"e\""));
    CHECK(bed.write(sink, "x"));
    CHECK_EQ(sink.partVersion()->etag, "\"e\"");
  }
  const std::string first = began("e", id());
  CHECK_EQ(journal.lines(), first);
  Sink sink{bed.output, &bed.loop, bed.name, 7, true};
  sink.expect(size, tagged(size, "\"f\""));
  CHECK(bed.write(sink, "y"));
  const std::string second = began("f", id());
  CHECK(second.substr(60) != first.substr(60));
  CHECK_EQ(journal.lines(),
           first + "{\"began\":7,\"name\":\"a\",\"version\":\"\",\"total\":-1}\n" + second);
  CHECK_EQ(bed.scratch.read("a.part"), "y");
}

TEST("without the journal's line no byte of another version comes") {
  Bed plain;
  plain.scratch.write("journal", "");
  const mcurl::Fd closed{::open((plain.scratch / "journal").c_str(), O_RDONLY | O_CLOEXEC)};
  Bed bed{{.journal = closed.get()}};
  bed.scratch.write("a.part", "old");
  Sink sink{bed.output, &bed.loop, bed.name, 0, true};
  sink.expect(kMaxHeld + 1, tagged(kMaxHeld + 1, "\"e\""));
  CHECK(!bed.write(sink, "new"));
  CHECK_EQ(sink.error().osErrno, EBADF);
  CHECK(sink.error().text.find("the journal") != std::string::npos);
  CHECK(sink.partVersion() == nullptr);
  CHECK_EQ(bed.scratch.read("a.part"), "old");
}

TEST("bytes of an earlier boot are told anew where they are continued") {
  JournalBed journal;
  Bed& bed = journal.bed;
  bed.scratch.write("a.part", "abcd");
  Sink sink{bed.output, &bed.loop, bed.name, 1, true};
  CHECK(sink.continueAt(3, tagged(9, "\"e\""), true));
  CHECK_EQ(journal.lines(),
           "{\"began\":1,\"name\":\"a\",\"version\":\"9\\u0009\\\"e\\\"\\u0009\\u0009" +
               bed.output.directory.part("a").id +
               "\",\"total\":9}\n"
               "{\"durable\":1,\"size\":3}\n");
}

TEST("the journal learns how much of a large body is on the disk") {
  JournalBed journal;
  Bed& bed = journal.bed;
  Sink sink{bed.output, &bed.loop, bed.name, 3, false};
  const int64_t size = (64 << 20) + 100;
  sink.expect(size, tagged(size, "\"e\""));
  std::string before;
  const fault::Seen seen{
      [&](int fd) { before += nameOf(bed.scratch, fd) + ": " + journal.lines(); }};
  CHECK(bed.write(sink, std::string(static_cast<size_t>(size) - 50, 'x'), 1 << 20));
  uv_run(&bed.loop, UV_RUN_DEFAULT);
  CHECK_EQ("a.part: " + journal.lines(), before + "{\"durable\":3,\"size\":67108864}\n");
}

TEST("what could not be synced is lost: nobody believes it, and there is no more of it") {
  JournalBed journal;
  Bed& bed = journal.bed;
  Sink sink{bed.output, &bed.loop, bed.name, 3, false};
  const int64_t size = (64 << 20) + 100;
  sink.expect(size, tagged(size, "\"e\""));
  const fault::Armed armed{fault::sync, EIO};
  CHECK(bed.write(sink, std::string(static_cast<size_t>(size) - 50, 'x'), 1 << 20));
  uv_run(&bed.loop, UV_RUN_DEFAULT);
  CHECK_EQ(fault::sync.fired(), 1U);
  CHECK_EQ(journal.lines().find("durable"), std::string::npos);
  CHECK(journal.lines().ends_with("{\"began\":3,\"name\":\"a\",\"version\":\"\",\"total\":-1}\n"));
  CHECK(!sink.partVersion()->canResume());
  CHECK_EQ(bed.scratch.read("a.part"), "");
  CHECK(!bed.write(sink, "x"));
  CHECK_EQ(sink.error().osErrno, EIO);
  CHECK(!bed.finish(sink));
  CHECK(!bed.scratch.has("a"));
}

TEST("a sync that outlives its sink tells nothing of the next one's bytes, and locks nothing") {
  JournalBed journal;
  Bed& bed = journal.bed;
  std::promise<void> isOver;
  const fault::Seen seen{[future = isOver.get_future().share()](int) { future.wait(); }};
  {
    Sink sink{bed.output, &bed.loop, bed.name, 3, false};
    const int64_t size = (64 << 20) + 100;
    sink.expect(size, tagged(size, "\"e\""));
    CHECK(bed.write(sink, std::string(static_cast<size_t>(size) - 50, 'x'), 1 << 20));
  }
  mcurl::LocalError error;
  CHECK(bed.output.directory.openPart("a", error));
  isOver.set_value();
  uv_run(&bed.loop, UV_RUN_DEFAULT);
  CHECK_EQ(journal.lines().find("durable"), std::string::npos);
}

TEST("--durable syncs a body, then its name, then tells the end; without it nothing is synced") {
  for (const size_t size : {size_t{0}, size_t{5}, kMaxHeld + 5}) {
    for (const bool isDurable : {true, false}) {
      Bed bed;
      const Syncs syncs{bed};
      Sink sink{bed.output, &bed.loop, bed.name, -1, false};
      CHECK(bed.write(sink, std::string(size, 'x')));
      CHECK(bed.finish(sink, {.isDurable = isDurable}));
      const std::string body = size > kMaxHeld ? "a.part() " : "#() ";
      const std::string name = ".(" + std::to_string(size) + ") ";
      CHECK_EQ(bed.told, (isDurable ? body + name : "") + "told ");
    }
  }
}

TEST("--durable syncs what replaces another file, by way of .part") {
  for (const size_t size : {size_t{5}, kMaxHeld + 5}) {
    Bed bed;
    bed.scratch.write("a", "old");
    const Syncs syncs{bed};
    const fault::Armed armed{fault::tmpFile, EOPNOTSUPP};
    Sink sink{bed.output, &bed.loop, bed.name, -1, false};
    CHECK(bed.write(sink, std::string(size, 'x')));
    CHECK(bed.finish(sink, {.isDurable = true, .mayReplace = true}));
    CHECK_EQ(bed.told, "a.part(3) .(" + std::to_string(size) + ") told ");
  }
}

TEST("--durable syncs a body before a server's name is asked for, and that name as it is given") {
  Bed bed;
  const Syncs syncs{bed};
  Sink sink{bed.output, &bed.loop, bed.name, -1, false};
  CHECK(bed.write(sink, "x"));
  CHECK(bed.finish(sink, {.isDurable = true}, true));
  mcurl::LocalError error;
  CHECK(bed.output.directory.publishAs("a", "a", {.isDurable = true}, error));
  CHECK_EQ(bed.told, "a.part() told .(1) ");
}

TEST("what cannot be synced is no success with --durable") {
  for (const size_t size : {size_t{5}, kMaxHeld + 5}) {
    for (const unsigned which : {1U, 2U}) {  // the body, the directory
      Bed bed;
      Sink sink{bed.output, &bed.loop, bed.name, -1, false};
      CHECK(bed.write(sink, std::string(size, 'x')));
      const fault::Armed armed{fault::sync, EIO, which, 1};
      CHECK(!bed.finish(sink, {.isDurable = true}));
      CHECK_EQ(fault::sync.fired(), 1U);
      CHECK_EQ(sink.error().osErrno, EIO);
      CHECK_EQ(bed.scratch.has("a"), which == 2);
    }
  }
}

TEST("the line that disowns old bytes is on the disk before they are thrown away") {
  JournalBed journal;
  Bed& bed = journal.bed;
  bed.scratch.write("a.part", "old");
  std::string seen;
  const fault::Seen sees{[&](int fd) {
    seen += nameOf(journal.scratch, fd) + ": " + journal.lines() + bed.scratch.read("a.part");
  }};
  Sink sink{bed.output, &bed.loop, bed.name, 7, true};
  sink.expect(kMaxHeld + 1, tagged(kMaxHeld + 1, "\"e\""));
  {
    const fault::Armed armed{fault::sync, EIO, 1, 1};
    CHECK(!bed.write(sink, "new"));
  }
  CHECK_EQ(seen, "journal: {\"began\":7,\"name\":\"a\",\"version\":\"\",\"total\":-1}\nold");
  CHECK_EQ(sink.error().osErrno, EIO);
  CHECK_EQ(bed.scratch.read("a.part"), "old");
}

TEST("a body with a wrong hash gets no name and leaves nothing, or NAME.bad") {
  for (const size_t size : {size_t{3}, kMaxHeld + 5}) {
    for (const bool keepBad : {false, true}) {
      Bed bed{{.keepBad = keepBad}};
      Sink sink{bed.output, &bed.loop, bed.name, -1, false};
      sink.hash(*mcurl::Checksum::parse("md5=900150983cd24fb0d6963f7d28e17f72"));
      CHECK(bed.write(sink, std::string(size, 'x')));
      CHECK(!bed.finish(sink));
      CHECK(sink.isCorrupt());
      CHECK(sink.error().text.find("md5=900150983cd24fb0d6963f7d28e17f72") != std::string::npos);
      CHECK_EQ(bed.scratch.names().size(), keepBad ? 1U : 0U);
      if (keepBad) CHECK_EQ(bed.scratch.read("a.bad").size(), size);
    }
  }
}

TEST("a kept bad body is not replaced by another") {
  Bed bed{{.keepBad = true}};
  bed.scratch.write("a.bad", "first");
  Sink sink{bed.output, &bed.loop, bed.name, -1, false};
  sink.hash(*mcurl::Checksum::parse("md5=900150983cd24fb0d6963f7d28e17f72"));
  CHECK(bed.write(sink, "second"));
  CHECK(!bed.finish(sink));
  CHECK_EQ(bed.scratch.read("a.bad"), "first");
  CHECK_EQ(bed.scratch.names().size(), 1U);
}

TEST("an unnamed body lies whole in .part, whatever its size") {
  for (const size_t size : {size_t{0}, size_t{5}, kMaxHeld + 5}) {
    Bed bed;
    Sink sink{bed.output, &bed.loop, bed.name, -1, false};
    CHECK(bed.write(sink, std::string(size, 'x')));
    CHECK(bed.finish(sink, {}, true));
    CHECK_EQ(bed.scratch.names().size(), 1U);
    CHECK_EQ(bed.scratch.read("a.part").size(), size);
    mcurl::LocalError error;
    bed.scratch.write("taken", "");
    CHECK(!bed.output.directory.publishAs("a", "taken", {}, error));
    CHECK_EQ(error.osErrno, EEXIST);
    CHECK(!bed.output.directory.publishAs("a", "../b", {}, error));
    CHECK(bed.output.directory.publishAs("a", "b", {}, error));
    CHECK_EQ(bed.scratch.read("b").size(), size);
  }
}

TEST("a file gets its attributes before its name, held or not, durable or not") {
  for (const size_t size : {size_t{5}, kMaxHeld + 5}) {
    for (const bool isDurable : {false, true}) {
      Bed bed;
      Sink sink{bed.output, &bed.loop, bed.name, -1, false};
      CHECK(bed.write(sink, std::string(size, 'x')));
      CHECK(bed.finish(sink, {.url = "http://h/x",
                              .contentType = "text/plain",
                              .version = "5\t\"e\"\t",
                              .lastModified = 784111777,
                              .isDurable = isDurable}));
      struct stat status {};
      CHECK_EQ(::stat((bed.scratch / "a").c_str(), &status), 0);
      CHECK_EQ(status.st_mtim.tv_sec, 784111777);
      CHECK_EQ(status.st_size, static_cast<off_t>(size));
      if (bed.output.directory.lacksAttributes()) continue;  // a file system without
      CHECK_EQ(attribute(bed.scratch / "a", "user.xdg.origin.url"), "http://h/x");
      CHECK_EQ(attribute(bed.scratch / "a", "user.mime_type"), "text/plain");
      int64_t found = -1;
      CHECK_EQ(bed.output.directory.versionOf("a", found), "5\t\"e\"\t");
      CHECK_EQ(found, static_cast<int64_t>(size));
    }
  }
}

TEST("a full disk takes nothing from a .part that can be continued") {
  Bed bed;
  Sink sink{bed.output, &bed.loop, bed.name, -1, false};
  sink.expect(kMaxHeld + 5, tagged(kMaxHeld + 5, "\"e\""));
  CHECK(bed.write(sink, std::string(900, 'x')));
  const FileLimit limit{1'000};
  CHECK(!bed.write(sink, std::string(500, 'y')));
  CHECK_EQ(bed.scratch.read("a.part"), std::string(900, 'x') + std::string(100, 'y'));
}

TEST("a quota, a full or a broken disk is named, and what came before can be continued") {
  for (const int osErrno : {EDQUOT, ENOSPC, EIO}) {
    Bed bed;
    Sink sink{bed.output, &bed.loop, bed.name, -1, false};
    sink.expect(kMaxHeld + 5, tagged(kMaxHeld + 5, "\"e\""));
    CHECK(bed.write(sink, "x"));
    {
      const fault::Armed armed{fault::write, osErrno, 1, 1};
      CHECK(!bed.write(sink, "y"));
    }
    CHECK_EQ(sink.error().osErrno, osErrno);
    CHECK_EQ(sink.error().text, std::string{"cannot write a: "} + std::strerror(osErrno));
    CHECK_EQ(bed.scratch.read("a.part"), "x");
    CHECK_EQ(sink.partVersion()->etag, "\"e\"");
  }
}
