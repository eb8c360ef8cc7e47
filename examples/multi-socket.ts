/**
 * The typical usage of curl_multi_socket_action(3), its eight steps in order, on Node's own loop. It fetches the URLs of
 * its command line at once and prints what became of each: `node examples/multi-socket.ts URL...`
 */
import {
  CURL_POLL_REMOVE,
  CURL_SOCKET_TIMEOUT,
  Easy,
  Multi,
  pollSocket,
  type SocketPoll,
} from 'mcurl/multi';

// 1. Create a multi handle.
const multi = new Multi<SocketPoll>();

// 2. Set the socket function. It only notes what is to be watched: 5 and 7 do the rest.
multi.setSocketFunction((_easy, sockfd, what, poll) => {
  if (what === CURL_POLL_REMOVE) poll?.close();
  else if (poll !== undefined) poll.update(what);
  else multi.assign(sockfd, watch(sockfd, what));
});

// 3. Set the timer function, to know how long to wait. A new value replaces the one before; -1 is none.
let timer: NodeJS.Timeout | undefined;
multi.setTimerFunction((timeoutMs) => {
  clearTimeout(timer);
  if (timeoutMs >= 0) timer = setTimeout(act, timeoutMs, CURL_SOCKET_TIMEOUT, 0);
});

// 4. Add easy handles.
for (const url of process.argv.slice(2)) {
  const easy = new Easy();
  easy.setopt('URL', url);
  easy.setopt('PROTOCOLS_STR', 'http,https');
  easy.setopt('WRITEFUNCTION', () => {}); // The bodies are not kept.
  multi.addHandle(easy);
}

// 5. Provide the means to watch the sockets. Node's loop is one; pollSocket puts a socket on it.
function watch(sockfd: number, what: number): SocketPoll {
  return pollSocket(sockfd, what, (events) => act(sockfd, events));
}

// 6. Kick-start everything.
act(CURL_SOCKET_TIMEOUT, 0);

// 7. Wait for activity, or until the time is up: Node does, as long as a socket is watched or a timer runs.

// 8. Then tell libcurl what happened, and ask it which transfers have ended.
function act(sockfd: number, events: number): void {
  multi.socketAction(sockfd, events);
  for (let message = multi.infoRead(); message !== undefined; message = multi.infoRead()) {
    const { easy, result } = message;
    const url = easy.getinfo('EFFECTIVE_URL');
    if (result === 0) {
      const bytes = easy.getinfo('SIZE_DOWNLOAD_T');
      console.log(`${url}: ${easy.getinfo('RESPONSE_CODE')}, ${bytes} bytes`);
    } else {
      console.log(`${url}: ${easy.strerror(result)}`);
      process.exitCode = 1;
    }
    multi.removeHandle(easy);
    easy.cleanup();
  }
}
