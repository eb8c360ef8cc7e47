// The whole test framework: named tests, checks that end a test with the line and the values, a
// filter by argv.
#pragma once

#include <functional>
#include <sstream>
#include <string>
#include <type_traits>

namespace test {

// A test's end. Thrown on the test's own thread only: other threads leave their findings to it.
struct Failure {
  std::string what;
};

struct Registered {
  Registered(const char* file, const char* name, void (*body)());
};

// Runs the tests whose "file: name" contains one of the words, all without words. Returns the exit
// code.
int run(int count, char** words);

// Seeds what a test draws by lot: MCURL_SEED when it is set, else new each time. A failure prints
// it.
unsigned seed();

template <class T>
std::string show(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<long long>(value));
  } else {
    std::ostringstream out;
    out << value;
    return out.str();
  }
}

template <class A, class B>
void checkEqual(const char* what, const A& found, const B& wanted, const char* file, int line) {
  if (found == wanted) return;
  throw Failure{std::string{file} + ":" + std::to_string(line) + ": " + what + " is " +
                show(found) + ", not " + show(wanted)};
}

inline void check(bool holds, const char* what, const char* file, int line) {
  if (!holds) throw Failure{std::string{file} + ":" + std::to_string(line) + ": not so: " + what};
}

}  // namespace test

#define TEST_JOIN2(a, b) a##b
#define TEST_JOIN(a, b) TEST_JOIN2(a, b)
#define TEST(name)                                                                          \
  static void TEST_JOIN(test, __LINE__)();                                                  \
  static const test::Registered TEST_JOIN(registered, __LINE__){__FILE__, name,             \
                                                                TEST_JOIN(test, __LINE__)}; \
  static void TEST_JOIN(test, __LINE__)()

#define CHECK(expression) \
  test::check(static_cast<bool>(expression), #expression, __FILE__, __LINE__)
#define CHECK_EQ(expression, wanted) \
  test::checkEqual(#expression, expression, wanted, __FILE__, __LINE__)
