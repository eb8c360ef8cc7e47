/**
 * Follows the links of a site: every page that has ended adds the pages it leads to, from inside the completion loop.
 * `node examples/crawler.ts URL [PAGES]` visits at most PAGES (1000) pages of the URL's host, 20 at once.
 */
import {
  CURL_POLL_REMOVE,
  CURL_SOCKET_TIMEOUT,
  Easy,
  Multi,
  pollSocket,
  type SocketPoll,
} from 'mcurl/multi';

const AT_ONCE = 20;
const LARGEST_PAGE_BYTES = 1024 * 1024;

const start = new URL(process.argv[2] ?? 'http://127.0.0.1:8080/');
const mostPages = Number(process.argv[3] ?? 1000);

const multi = new Multi<SocketPoll>();
multi.setSocketFunction((_easy, sockfd, what, poll) => {
  if (what === CURL_POLL_REMOVE) poll?.close();
  else if (poll !== undefined) poll.update(what);
  else
    multi.assign(
      sockfd,
      pollSocket(sockfd, what, (events) => act(sockfd, events)),
    );
});
let timer: NodeJS.Timeout | undefined;
multi.setTimerFunction((timeoutMs) => {
  clearTimeout(timer);
  if (timeoutMs >= 0) timer = setTimeout(act, timeoutMs, CURL_SOCKET_TIMEOUT, 0);
});

const seen = new Set([start.href]);
const waiting = [start.href];
/** The bodies of the pages that are being fetched. */
const bodies = new Map<Easy, Buffer[]>();

/** Fetches on an Easy of its own, or on one that has just ended. */
function fetchPage(url: string, easy = new Easy()): void {
  const pieces: Buffer[] = [];
  easy.setopt('URL', url);
  easy.setopt('PROTOCOLS_STR', 'http,https');
  easy.setopt('TIMEOUT_MS', 30_000);
  easy.setopt('MAXFILESIZE', LARGEST_PAGE_BYTES);
  let bytes = 0;
  easy.setopt('WRITEFUNCTION', (data) => {
    bytes += data.length;
    if (bytes > LARGEST_PAGE_BYTES) throw new Error('the page is too large');
    pieces.push(data);
  });
  bodies.set(easy, pieces);
  multi.addHandle(easy);
}

/** The links of a page that lead to its own host and have not been seen. */
function* newLinks(html: string, page: string): Generator<string> {
  for (const [, link = ''] of html.matchAll(/<a\s[^>]*href="([^"#]+)/gi)) {
    if (!URL.canParse(link, page)) continue;
    const url = new URL(link, page);
    url.hash = '';
    if (url.origin !== start.origin || seen.has(url.href) || seen.size >= mostPages) continue;
    seen.add(url.href);
    yield url.href;
  }
}

function act(sockfd: number, events: number): void {
  multi.socketAction(sockfd, events);
  for (let message = multi.infoRead(); message !== undefined; message = multi.infoRead()) {
    const { easy, result, cause } = message;
    const page = String(easy.getinfo('EFFECTIVE_URL'));
    const status = result === 0 ? easy.getinfo('RESPONSE_CODE') : (cause ?? easy.strerror(result));
    console.log(`${status} ${page}`);
    const html = Buffer.concat(bodies.get(easy) ?? []).toString();
    bodies.delete(easy);
    multi.removeHandle(easy);
    if (status === 200) waiting.push(...newLinks(html, page));

    // The Easy that has ended takes the next page; further pages get an Easy each.
    const next = waiting.shift();
    if (next === undefined) easy.cleanup();
    else fetchPage(next, easy);
    while (waiting.length > 0 && bodies.size < AT_ONCE) fetchPage(waiting.shift() ?? '');
  }
  if (bodies.size === 0) {
    multi.cleanup();
    clearTimeout(timer);
  }
}

fetchPage(waiting.shift() ?? '');
