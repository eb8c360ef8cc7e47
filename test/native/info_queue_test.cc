#include "../../native/core/info_queue.h"

#include <atomic>
#include <condition_variable>
#include <thread>

#include "test.h"

using namespace mcurl;

namespace {

Completion completion(double id, const char* error = nullptr) {
  Completion completion;
  completion.record.id = id;
  if (error != nullptr) completion.details = std::make_unique<Details>(Details{{}, {}, {}, error});
  return completion;
}

void push(InfoQueue& queue, std::initializer_list<double> ids) {
  std::vector<Completion> ended;
  for (const double id : ids) ended.push_back(completion(id));
  queue.push(ended);
  CHECK(ended.empty());
}

}  // namespace

TEST("records are read in order, in pieces, until none is left") {
  InfoQueue queue{[] {}};
  push(queue, {1, 2, 3});
  push(queue, {4});
  Record records[2];
  CHECK_EQ(queue.read(records, 2), 2U);
  CHECK_EQ(records[0].id, 1);
  CHECK_EQ(records[1].id, 2);
  push(queue, {5});
  CHECK_EQ(queue.read(records, 2), 2U);
  CHECK_EQ(records[0].id, 3);
  CHECK_EQ(records[1].id, 4);
  CHECK_EQ(queue.read(records, 2), 1U);
  CHECK_EQ(records[0].id, 5);
  CHECK_EQ(queue.read(records, 2), 0U);
}

TEST("one wake until a read has returned 0") {
  int wakes = 0;
  InfoQueue queue{[&] { ++wakes; }};
  std::vector<Completion> none;
  queue.push(none);
  CHECK_EQ(wakes, 0);
  push(queue, {1});
  push(queue, {2});
  queue.wake();
  CHECK_EQ(wakes, 1);
  Record records[8];
  CHECK_EQ(queue.read(records, 8), 2U);
  push(queue, {3});
  CHECK_EQ(wakes, 1);  // the reader has not seen 0 yet and will read again
  CHECK_EQ(queue.read(records, 8), 1U);
  CHECK_EQ(queue.read(records, 8), 0U);
  push(queue, {4});
  CHECK_EQ(wakes, 2);
  CHECK_EQ(queue.read(records, 8), 1U);
  CHECK_EQ(queue.read(records, 8), 0U);
  queue.wake();
  CHECK_EQ(wakes, 3);
}

TEST("details are those of the last read, in whatever order they are asked for") {
  InfoQueue queue{[] {}};
  std::vector<Completion> ended;
  ended.push_back(completion(1, "one"));
  ended.push_back(completion(2));
  ended.push_back(completion(3, "three"));
  ended.push_back(completion(4, "four"));
  queue.push(ended);
  Record records[3];
  CHECK(queue.details(1) == nullptr);
  CHECK_EQ(queue.read(records, 3), 3U);
  CHECK_EQ(queue.details(3)->error, "three");
  CHECK_EQ(queue.details(1)->error, "one");
  CHECK_EQ(queue.details(1)->error, "one");
  CHECK(queue.details(2) == nullptr);
  CHECK(queue.details(4) == nullptr);
  CHECK_EQ(queue.read(records, 3), 1U);
  CHECK_EQ(queue.details(4)->error, "four");
  CHECK(queue.details(1) == nullptr);
  CHECK_EQ(queue.read(records, 3), 0U);
  CHECK(queue.details(4) == nullptr);
}

TEST("nothing is lost between threads, and no wake is missing") {
  constexpr int kThreads = 4;
  constexpr int kEach = 5'000;
  std::mutex mutex;
  std::condition_variable changed;
  bool isWoken = false;
  InfoQueue queue{[&] {
    std::lock_guard lock{mutex};
    isWoken = true;
    changed.notify_one();
  }};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&queue, thread] {
      for (int i = 0; i < kEach; ++i) {
        std::vector<Completion> ended;
        ended.push_back(completion(thread * kEach + i));
        queue.push(ended);
      }
    });
  }
  std::vector<int> last(kThreads, -1);
  Record records[32];
  bool isOrdered = true;
  for (int seen = 0; seen < kThreads * kEach;) {
    while (const size_t count = queue.read(records, 32)) {
      for (size_t i = 0; i < count; ++i) {
        const int id = static_cast<int>(records[i].id);
        isOrdered &= last[id / kEach] == id % kEach - 1;
        last[id / kEach] = id % kEach;
      }
      seen += static_cast<int>(count);
    }
    if (seen == kThreads * kEach) break;
    std::unique_lock lock{mutex};
    changed.wait(lock, [&] { return std::exchange(isWoken, false); });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(isOrdered);
}
