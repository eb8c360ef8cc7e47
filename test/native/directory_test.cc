#include "../../native/core/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "fault.h"
#include "scratch.h"
#include "test.h"

using mcurl::Attributes;
using mcurl::Directory;
using mcurl::Fd;
using mcurl::LocalError;
using test::Scratch;
using Existing = Directory::Existing;

namespace {

const Attributes kPlain;
const Attributes kReplacing{.mayReplace = true};

bool publishes(Directory& directory, const char* name, const std::string& body, LocalError& error,
               const Attributes& attributes = {}) {
  const Fd part = directory.openPart(name, error);
  return part && mcurl::writeAll(part.get(), body.data(), body.size()) &&
         directory.publishPart(part, name, attributes, error);
}

mode_t modeOf(const std::string& path) {
  struct stat status {};
  CHECK_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 0777;
}

// openPart must refuse what is there, and leave it as it was.
void refusesPart(const Scratch& scratch, int osErrno) {
  Directory directory{scratch.path()};
  LocalError error;
  CHECK(!directory.openPart("a", error));
  CHECK_EQ(error.osErrno, osErrno);
  CHECK(error.text.find("a.part") != std::string::npos);
}

}  // namespace

TEST("a directory that is none is an error of the system's") {
  const Scratch scratch;
  scratch.write("file", "");
  for (const char* name : {"file", "absent"}) {
    try {
      Directory{scratch / name};
      CHECK(!"opened");
    } catch (const std::system_error& error) {
      CHECK(error.code().value() == ENOTDIR || error.code().value() == ENOENT);
      CHECK(std::string{error.what()}.find(name) != std::string::npos);
    }
  }
}

TEST("what was there before the run is told from what is not") {
  const Scratch scratch;
  scratch.write("before", "whole");
  std::filesystem::create_directory(scratch / "folder");
  std::filesystem::create_symlink("before", scratch / "link");
  std::filesystem::create_symlink("nowhere", scratch / "dangling");
  CHECK_EQ(::mkfifo((scratch / "fifo").c_str(), 0600), 0);
  Directory directory{scratch.path()};
  LocalError error;
  CHECK_EQ(directory.existing("before", false, -1, error), Existing::kBefore);
  CHECK_EQ(directory.existing("absent", false, -1, error), Existing::kAbsent);
  CHECK_EQ(error.text, "");
  for (const char* name : {"folder", "link", "dangling", "fifo"}) {
    error = {};
    CHECK_EQ(directory.existing(name, false, -1, error), Existing::kError);
    CHECK(error.osErrno == EEXIST || error.osErrno == EISDIR);
    CHECK(error.text.find(name) != std::string::npos);
  }
}

TEST("what appeared during the run is not taken for whole") {
  const Scratch scratch;
  scratch.write("before", "");
  Directory directory{scratch.path()};
  // The clock of files is coarse: write until it has passed the moment of opening.
  struct stat status {};
  timespec opened{};
  ::clock_gettime(CLOCK_REALTIME, &opened);
  do {
    scratch.write("during", "x");
    CHECK_EQ(::stat((scratch / "during").c_str(), &status), 0);
  } while (status.st_ctim.tv_sec < opened.tv_sec ||
           (status.st_ctim.tv_sec == opened.tv_sec && status.st_ctim.tv_nsec <= opened.tv_nsec));
  LocalError error;
  CHECK_EQ(directory.existing("during", false, -1, error), Existing::kError);
  CHECK_EQ(error.osErrno, EEXIST);
}

TEST("with overwrite only a directory is in the way") {
  const Scratch scratch;
  scratch.write("before", "");
  std::filesystem::create_symlink("before", scratch / "link");
  std::filesystem::create_directory(scratch / "folder");
  Directory directory{scratch.path()};
  LocalError error;
  CHECK_EQ(directory.existing("before", true, -1, error), Existing::kAbsent);
  CHECK_EQ(directory.existing("link", true, -1, error), Existing::kAbsent);
  CHECK_EQ(directory.existing("folder", true, -1, error), Existing::kError);
  CHECK_EQ(error.osErrno, EISDIR);
}

TEST("what the journal is done with counts by its size, whatever the clock says") {
  const Scratch scratch;
  Directory directory{scratch.path()};
  scratch.write("a", "12345");  // during the run, by its time
  const Directory again{scratch.path()};
  LocalError error;
  CHECK_EQ(again.existing("a", false, 5, error), Existing::kBefore);
  CHECK_EQ(again.existing("a", true, 5, error), Existing::kBefore);
  CHECK_EQ(again.existing("a", false, 4, error), Existing::kAbsent);  // to be replaced
  CHECK_EQ(again.existing("absent", false, 5, error), Existing::kAbsent);
  CHECK_EQ(error.text, "");
}

TEST("a clock that was set back since the last run makes no old file new") {
  const Scratch scratch;
  scratch.write("before", "");
  const fault::Armed armed{fault::clock, -3600};
  Directory directory{scratch.path()};
  LocalError error;
  CHECK_EQ(directory.existing("before", false, -1, error), Existing::kBefore);
  CHECK(fault::clock.fired() > 0);
}

TEST("a journal does not count as a file that was there") {
  const Scratch scratch;
  scratch.write(".mcurl-journal", "");
  Directory directory{scratch.path()};
  scratch.write("a", "");
  LocalError error;
  // Nothing is looked for where nothing was.
  CHECK_EQ(directory.existing("a", false, -1, error), Existing::kAbsent);
}

TEST("a held body gets its name in one step, with the rights the umask leaves") {
  const Scratch scratch;
  Directory directory{scratch.path()};
  LocalError error;
  const std::string body("a\0b", 3);
  const mode_t before = ::umask(027);
  CHECK(directory.publishHeld("a", body, kPlain, error));
  CHECK(publishes(directory, "b", body, error));
  ::umask(before);
  CHECK_EQ(scratch.read("a"), body);
  CHECK_EQ(scratch.read("b"), body);
  CHECK_EQ(modeOf(scratch / "a"), 0640U);
  CHECK_EQ(modeOf(scratch / "b"), 0640U);
  CHECK(directory.publishHeld("empty", "", kPlain, error));
  CHECK_EQ(scratch.read("empty"), "");
  CHECK_EQ(scratch.names().size(), 3U);
}

TEST("a name that appeared is a failure, by either way, and stays as it is") {
  const Scratch scratch;
  Directory directory{scratch.path()};
  scratch.write("a", "somebody's");
  LocalError error;
  CHECK(!directory.publishHeld("a", "mine", kPlain, error));
  CHECK_EQ(error.osErrno, EEXIST);
  error = {};
  CHECK(!publishes(directory, "a", "mine", error));
  CHECK_EQ(error.osErrno, EEXIST);
  CHECK_EQ(scratch.read("a"), "somebody's");
}

TEST("with overwrite a rename replaces what the link cannot") {
  const Scratch scratch;
  scratch.write("a", "old");
  std::filesystem::create_symlink("a", scratch / "b");
  Directory directory{scratch.path()};
  LocalError error;
  CHECK(!directory.publishHeld("a", "new", kReplacing, error));
  CHECK_EQ(error.osErrno, 0);
  CHECK(publishes(directory, "a", "new", error, kReplacing));
  CHECK_EQ(scratch.read("a"), "new");
  CHECK(
      publishes(directory, "b", "mine", error, kReplacing));  // the link is replaced, not followed
  CHECK_EQ(scratch.read("a"), "new");
  CHECK_EQ(scratch.read("b"), "mine");
  CHECK(directory.publishHeld("c", "new", kReplacing, error));
}

TEST("a file system that knows no O_TMPFILE is asked once") {
  for (const int osErrno : {EOPNOTSUPP, EISDIR, EINVAL, ENOENT}) {
    const Scratch scratch;
    Directory directory{scratch.path()};
    LocalError error;
    const fault::Armed armed{fault::tmpFile, osErrno};
    CHECK(!directory.publishHeld("a", "x", kPlain, error));
    CHECK(!directory.publishHeld("b", "x", kPlain, error));
    CHECK_EQ(error.osErrno, 0);
    CHECK_EQ(fault::tmpFile.fired(), 1U);
    CHECK(publishes(directory, "a", "x", error));
  }
}

TEST("other troubles with O_TMPFILE are told") {
  for (const int osErrno : {EACCES, ENOSPC, EMFILE, EROFS}) {
    const Scratch scratch;
    Directory directory{scratch.path()};
    LocalError error;
    const fault::Armed armed{fault::tmpFile, osErrno};
    CHECK(!directory.publishHeld("a", "x", kPlain, error));
    CHECK_EQ(error.osErrno, osErrno);
    CHECK(error.text.find(std::strerror(osErrno)) != std::string::npos);
  }
}

TEST("an ordinary user of an older kernel links through /proc") {
  for (const int osErrno : {ENOENT, EINVAL, EPERM}) {
    const Scratch scratch;
    Directory directory{scratch.path()};
    LocalError error;
    {
      const fault::Armed armed{fault::linkAt, osErrno, 1, 1};
      CHECK(directory.publishHeld("a", "x", kPlain, error));
      CHECK_EQ(fault::linkAt.fired(), 1U);
    }
    CHECK(directory.publishHeld("b", "x", kPlain, error));
    CHECK(!directory.publishHeld("b", "y", kPlain, error));
    CHECK_EQ(error.osErrno, EEXIST);
    CHECK_EQ(scratch.read("a") + scratch.read("b"), "xx");
  }
}

TEST("where such files cannot be linked at all, the body goes by .part") {
  const Scratch scratch;
  Directory directory{scratch.path()};
  LocalError error;
  const fault::Armed armed{fault::linkAt, EPERM};
  CHECK(!directory.publishHeld("a", "x", kPlain, error));
  CHECK_EQ(error.osErrno, 0);
  CHECK(publishes(directory, "a", "x", error));
  CHECK_EQ(scratch.read("a"), "x");
  CHECK_EQ(scratch.names().size(), 1U);
}

TEST("a .part that another process has locked is left alone") {
  const Scratch scratch;
  scratch.write("a.part", "another's");
  const Fd other{::open((scratch / "a.part").c_str(), O_WRONLY | O_CLOEXEC)};
  CHECK_EQ(::flock(other.get(), LOCK_EX), 0);
  refusesPart(scratch, EWOULDBLOCK);
  CHECK_EQ(scratch.read("a.part"), "another's");
}

TEST("a .part that is a symbolic link is left alone") {
  const Scratch scratch;
  scratch.write("precious", "precious");
  std::filesystem::create_symlink("precious", scratch / "a.part");
  refusesPart(scratch, ELOOP);
  CHECK_EQ(scratch.read("precious"), "precious");
}

TEST("a .part that is a FIFO, with or without a reader, is left alone") {
  const Scratch scratch;
  CHECK_EQ(::mkfifo((scratch / "a.part").c_str(), 0600), 0);
  refusesPart(scratch, EEXIST);
  const Fd reader{::open((scratch / "a.part").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  refusesPart(scratch, EEXIST);
}

TEST("a .part with another name is left alone") {
  const Scratch scratch;
  scratch.write("precious", "precious");
  std::filesystem::create_hard_link(scratch / "precious", scratch / "a.part");
  refusesPart(scratch, EMLINK);
  CHECK_EQ(scratch.read("precious"), "precious");
}

TEST("a .part that is a directory is left alone") {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "a.part");
  refusesPart(scratch, EISDIR);
}

TEST("two sinks of one process do not share a .part") {
  const Scratch scratch;
  Directory directory{scratch.path()};
  LocalError error;
  const Fd first = directory.openPart("a", error);
  CHECK(first);
  CHECK(!directory.openPart("a", error));
  CHECK_EQ(error.osErrno, EWOULDBLOCK);
}

TEST("nothing is written outside the directory") {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "out");
  Directory directory{scratch / "out"};
  std::filesystem::rename(scratch / "out", scratch / "moved");
  std::filesystem::create_directory(scratch / "out");
  LocalError error;
  CHECK(directory.publishHeld("a", "x", kPlain, error));
  CHECK(publishes(directory, "b", "x", error));
  CHECK(scratch.has("moved/a") && scratch.has("moved/b"));
  CHECK(!scratch.has("out/a") && !scratch.has("out/b"));
}

TEST("a name that is too long is told") {
  const Scratch scratch;
  Directory directory{scratch.path()};
  LocalError error;
  const std::string name(300, 'a');
  CHECK(!directory.publishHeld(name.c_str(), "x", kPlain, error));
  CHECK_EQ(error.osErrno, ENAMETOOLONG);
  error = {};
  CHECK(!directory.openPart(std::string(252, 'a').c_str(), error));
  CHECK_EQ(error.osErrno, ENAMETOOLONG);
}
