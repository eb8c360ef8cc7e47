#include "../../native/core/sink.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <cerrno>
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
