#include "../../native/core/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <sstream>
#include <system_error>
#include <thread>
#include <vector>

#include "../../native/core/directory.h"
#include "scratch.h"
#include "test.h"

using mcurl::Journal;
using test::Scratch;

TEST("lines are JSON, each on a line of its own, whatever they hold") {
  const Scratch scratch;
  const mcurl::Fd fd = mcurl::openLocked(scratch / "journal", false);
  const Journal journal{fd.get()};
  std::string lines;
  Journal::addPlan(lines, {0, "http://h/?q=\"\\", "a\"b\\c\n\x01\x7f\xc3\xa9"});
  Journal::addBegan(lines, 9'007'199'254'740'991.0, "x", "5\t\"e\"\t", 5);
  Journal::addDurable(lines, 0, int64_t{1} << 40);
  CHECK(journal.append(lines));
  CHECK_EQ(scratch.read("journal"),
           "\n{\"plan\":0,\"entry\":\"http://h/?q=\\\"\\\\\",\"name\":\"a\\\"b\\\\c\\u000a\\u0001"
           "\\u007f\xc3\xa9\"}\n"
           "{\"began\":9007199254740991,\"name\":\"x\",\"version\":\"5\\u0009\\\"e\\\"\\u0009\","
           "\"total\":5}\n"
           "{\"durable\":0,\"size\":1099511627776}\n");
}

TEST("a line torn by a full disk costs no other line") {
  const Scratch scratch;
  scratch.write("journal", "{\"plan\":0,\"ent");
  const mcurl::Fd fd = mcurl::openLocked(scratch / "journal", false);
  std::string lines;
  Journal::addDurable(lines, 1, 2);
  CHECK(Journal{fd.get()}.append(lines));
  CHECK_EQ(scratch.read("journal"), "{\"plan\":0,\"ent\n{\"durable\":1,\"size\":2}\n");
}

TEST("lines of many threads do not mix") {
  const Scratch scratch;
  const mcurl::Fd fd = mcurl::openLocked(scratch / "journal", false);
  const Journal journal{fd.get()};
  std::vector<std::thread> threads;
  for (int serial = 0; serial < 4; ++serial) {
    threads.emplace_back([&journal, serial] {
      for (int round = 0; round < 200; ++round) {
        std::string lines;
        Journal::addBegan(lines, serial, std::string(200, 'n'), "", -1);
        journal.append(lines);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::istringstream text{scratch.read("journal")};
  size_t count = 0;
  for (std::string line; std::getline(text, line);) {
    if (line.empty()) continue;
    const std::string serial = line.substr(9, 1);
    CHECK_EQ(line, "{\"began\":" + serial + ",\"name\":\"" + std::string(200, 'n') +
                       "\",\"version\":\"\",\"total\":-1}");
    ++count;
  }
  CHECK_EQ(count, 800U);
}

TEST("a lock is held once, in this process too, and goes with its descriptors") {
  const Scratch scratch;
  for (const bool isDirectory : {true, false}) {
    const std::string path = isDirectory ? scratch.path() : scratch / "journal";
    mcurl::Fd fd = mcurl::openLocked(path, isDirectory);
    const auto isRefused = [&] {
      try {
        mcurl::openLocked(path, isDirectory);
        return false;
      } catch (const std::system_error& error) {
        return error.code().value() == EWOULDBLOCK;
      }
    };
    CHECK(isRefused());
    {
      const Journal journal{fd.get()};
      fd.reset();
      CHECK(isRefused());  // the copy holds it
    }
    CHECK(!isRefused());
  }
}

TEST("a journal that is no file of ours is refused") {
  const Scratch scratch;
  std::filesystem::create_symlink("elsewhere", scratch / "link");
  std::filesystem::create_directory(scratch / "directory");
  CHECK_EQ(::mkfifo((scratch / "fifo").c_str(), 0600), 0);
  std::vector<const char*> names{"link", "directory", "fifo"};
  scratch.write("foreign", "");
  // Only root can make a file of another user.
  if (::chown((scratch / "foreign").c_str(), 1, 1) == 0) names.push_back("foreign");
  for (const char* name : names) {
    try {
      mcurl::openLocked(scratch / name, false);
      CHECK(!"locked");
    } catch (const std::system_error& error) {
      CHECK(error.code().value() != 0);
    }
  }
  CHECK(!scratch.has("elsewhere"));
}
