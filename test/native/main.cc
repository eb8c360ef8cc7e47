// core_test: the core without Node. Words given select tests.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <random>
#include <string_view>
#include <vector>

#include "../../native/core/engine.h"
#include "test.h"

namespace test {
namespace {

// A test that takes longer hangs.
constexpr unsigned kLimitS = 60;

struct Test {
  std::string name;
  void (*body)();
};

// Grows while static objects are made.
std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

const char* running = "";

void onAlarm(int) {
  constexpr const char kHangs[] = " hangs\n";
  [[maybe_unused]] ssize_t written = ::write(2, running, std::strlen(running));
  written = ::write(2, kHangs, sizeof kHangs - 1);
  std::abort();
}

bool passes(const Test& test) {
  try {
    test.body();
    return true;
  } catch (const Failure& failure) {
    std::fprintf(stderr, "%s\n  %s\n  MCURL_SEED=%u\n", test.name.c_str(), failure.what.c_str(),
                 seed());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n  threw: %s\n", test.name.c_str(), error.what());
  }
  return false;
}

}  // namespace

Registered::Registered(const char* file, const char* name, void (*body)()) {
  std::string_view stem = file;
  stem.remove_prefix(stem.rfind('/') + 1);
  stem = stem.substr(0, stem.rfind("_test.cc"));
  tests().push_back({std::string{stem} + ": " + name, body});
}

unsigned seed() {
  static const unsigned value = [] {
    const char* given = std::getenv("MCURL_SEED");
    return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                            : std::random_device{}();
  }();
  return value;
}

int run(int count, char** words) {
  using Clock = std::chrono::steady_clock;
  signal(SIGALRM, onAlarm);
  int passed = 0;
  int failed = 0;
  for (const Test& test : tests()) {
    bool isAsked = count == 0;
    for (int i = 0; i < count; ++i) isAsked |= test.name.find(words[i]) != std::string::npos;
    if (!isAsked) continue;
    running = test.name.c_str();
    alarm(kLimitS);
    const auto start = Clock::now();
    const bool isPassed = passes(test);
    alarm(0);
    const std::chrono::duration<double> took = Clock::now() - start;
    std::printf("%s %s (%.2f s)\n", isPassed ? "ok  " : "FAIL", test.name.c_str(), took.count());
    std::fflush(stdout);
    ++(isPassed ? passed : failed);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace test

int main(int argc, char** argv) {
  // As Node does, in whose process the core lives otherwise.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  mcurl::initLibcurl();
  return test::run(argc - 1, argv + 1);
}
