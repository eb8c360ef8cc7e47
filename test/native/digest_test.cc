#include "../../native/core/digest.h"

#include <fcntl.h>

#include <cerrno>

#include "scratch.h"
#include "test.h"

using mcurl::Checksum;
using mcurl::Digest;
using mcurl::strongestDigest;

TEST("hashes are those everybody knows") {
  const struct {
    const char* type;
    const char* hex;
  } rows[] = {
      {"md5", "900150983cd24fb0d6963f7d28e17f72"},
      {"sha-1", "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {"sha-256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"sha-512",
       "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3f"
       "eebbd454d4423643ce80e2a9ac94fa54ca49f"},
  };
  for (const auto& row : rows) {
    Digest digest{row.type};
    digest.update("ab", 2);
    digest.update("c", 1);
    const std::string text = std::string{row.type} + '=' + row.hex;
    const Checksum found = digest.finish();
    CHECK_EQ(found.text(), text);
    const auto parsed = Checksum::parse(text);
    CHECK(parsed && parsed->value == found.value);
  }
}

TEST("what is no checksum is not taken for one") {
  for (const char* text :
       {"", "sha-256", "sha-256=", "sha-256=00", "sha-3=00", "=00",
        "md5=900150983cd24fb0d6963f7d28e17f7", "md5=900150983cd24fb0d6963f7d28e17fxy",
        "MD5=900150983cd24fb0d6963f7d28e17f72"}) {
    CHECK(!Checksum::parse(text));
  }
  CHECK(Checksum::parse("md5=900150983CD24FB0D6963F7D28E17F72"));
}

TEST("the beginning of a file is hashed with what comes after it") {
  const test::Scratch scratch;
  scratch.write("a", "abXX");
  const mcurl::Fd fd{::open((scratch / "a").c_str(), O_RDONLY | O_CLOEXEC)};
  Digest digest{"md5"};
  CHECK(digest.updateFromFile(fd.get(), 2));
  digest.update("c", 1);
  CHECK_EQ(digest.finish().text(), "md5=900150983cd24fb0d6963f7d28e17f72");
  Digest other{"md5"};
  CHECK(!other.updateFromFile(fd.get(), 5));
  CHECK_EQ(errno, EIO);
}

TEST("the strongest hash of a Repr-Digest header is taken, what is broken is not") {
  const std::string sha256 = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
  const std::string sha512 =
      "sha-512=:3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/"
      "uu9RU1EI2Q86A4qmslPpUyknw==:";
  CHECK_EQ(strongestDigest(sha256)->text(),
           "sha-256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_EQ(strongestDigest(sha256 + ", " + sha512)->type, "sha-512");
  CHECK_EQ(strongestDigest("unixsum=:AAA=:, " + sha256)->type, "sha-256");
  CHECK_EQ(strongestDigest("sha-512=:AAAA:," + sha256)->type, "sha-256");
  for (const char* header :
       {"", "sha-256", "sha-256=", "sha-256=:", "sha-256=::", "sha-256=:AAAA:", "sha-256=abc",
        "xsha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:",
        "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0",
        "sha-256=:****************************************ABA=:",
        "md5=:kAFQmDzST7DWlj99KOF/cg==:"}) {
    CHECK(!strongestDigest(header));
  }
}
