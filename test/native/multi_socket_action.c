/* curl_multi_socket_action(3) in C, with poll(2): runs the URLs of its command line at once and
 * prints what libcurl told of each. multi-compare.test.ts wants to hear the same from `Multi`.
 *   "INDEX what WHAT WHAT ..."   the values its sockets were told with
 *   "INDEX result CODE"          in the order in which the ends were read
 *   "timer MS"                   the first value of the timer function
 */
#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 64

static struct {
  CURL* easy;
  char told[256];
} transfers[MOST];
static int count;

static struct pollfd watched[MOST];
static int watchedCount;

static long firstTimeoutMs = -2;

static int indexOf(CURL* easy) {
  for (int i = 0; i < count; ++i)
    if (transfers[i].easy == easy) return i;
  return -1;
}

static int onSocket(CURL* easy, curl_socket_t fd, int what, void* user, void* socketData) {
  (void)user;
  (void)socketData;
  int at = indexOf(easy);
  if (at >= 0) {
    char* told = transfers[at].told;
    snprintf(told + strlen(told), sizeof transfers[at].told - strlen(told), " %d", what);
  }
  int i = 0;
  while (i < watchedCount && watched[i].fd != fd) ++i;
  if (what == CURL_POLL_REMOVE) {
    if (i < watchedCount) watched[i] = watched[--watchedCount];
    return 0;
  }
  if (i == watchedCount) ++watchedCount;
  watched[i].fd = fd;
  watched[i].events =
      (short)(((what & CURL_POLL_IN) ? POLLIN : 0) | ((what & CURL_POLL_OUT) ? POLLOUT : 0));
  return 0;
}

static int onTimer(CURLM* multi, long timeoutMs, void* user) {
  (void)multi;
  (void)user;
  if (firstTimeoutMs == -2) firstTimeoutMs = timeoutMs;
  return 0;
}

static size_t onWrite(char* data, size_t size, size_t n, void* user) {
  (void)data;
  (void)user;
  return size * n;
}

static void readInfo(CURLM* multi) {
  CURLMsg* message;
  int remaining;
  while ((message = curl_multi_info_read(multi, &remaining)) != NULL)
    printf("%d result %d\n", indexOf(message->easy_handle), message->data.result);
}

int main(int argc, char** argv) {
  curl_global_init(CURL_GLOBAL_ALL);
  CURLM* multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, onSocket);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, onTimer);
  for (count = 0; count + 1 < argc && count < MOST; ++count) {
    CURL* easy = curl_easy_init();
    transfers[count].easy = easy;
    curl_easy_setopt(easy, CURLOPT_URL, argv[count + 1]);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, onWrite);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 1500L);
    curl_multi_add_handle(multi, easy);
  }
  int running = 0;
  curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
  readInfo(multi);
  while (running > 0) {
    long timeoutMs = -1;
    curl_multi_timeout(multi, &timeoutMs);
    struct pollfd acted[MOST];
    int actedCount = watchedCount;
    memcpy(acted, watched, sizeof watched);
    if (poll(acted, (nfds_t)actedCount, (int)timeoutMs) == 0)
      curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    for (int i = 0; i < actedCount; ++i) {
      if (acted[i].revents == 0) continue;
      int events = ((acted[i].revents & POLLIN) ? CURL_CSELECT_IN : 0) |
                   ((acted[i].revents & POLLOUT) ? CURL_CSELECT_OUT : 0);
      if (events == 0) events = CURL_CSELECT_IN | CURL_CSELECT_OUT;
      curl_multi_socket_action(multi, acted[i].fd, events, &running);
    }
    readInfo(multi);
  }
  for (int i = 0; i < count; ++i) {
    curl_multi_remove_handle(multi, transfers[i].easy);
    printf("%d what%s\n", i, transfers[i].told);
    curl_easy_cleanup(transfers[i].easy);
  }
  printf("timer %ld\n", firstTimeoutMs);
  curl_multi_cleanup(multi);
  return 0;
}
