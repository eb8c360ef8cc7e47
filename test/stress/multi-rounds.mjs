/**
 * Rounds of transfers that Multi runs on Node's loop, in two worker threads of one process: pauses, removals, failures and
 * collections at random. `node --expose-gc multi-rounds.mjs ORIGIN SEED ROUNDS TRANSFERS` prints a line of JSON a round.
 * A worker that finds anything wrong ends the process with its message.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  CURL_POLL_REMOVE,
  CURL_SOCKET_TIMEOUT,
  CURL_WRITEFUNC_PAUSE,
  CURLPAUSE_CONT,
  Easy,
  Multi,
  pollSocket,
} from 'mcurl/multi';
import { sha256 } from '../../scripts/origin.mjs';
import { lottery } from '../support/lottery.mjs';

const AT_ONCE = 50;
/** Of any transfer: libcurl may find one dead connection after another in its cache. */
const LOST = [52, 55, 56];
/** What the origin is asked for, and the results that may come of it beside LOST. */
const KINDS = /** @type {const} */ ([
  ['', 0],
  ['', 0],
  ['chunked', 0],
  ['stale', 0],
  ['cut=500', 18],
  ['cut=head'],
  ['reset=500', 18],
  ['reset=head'],
  ['bad-chunk=500&chunked'],
  ['stall=500', 28],
]);

const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * One round; resolves to what became of its transfers.
 * @param {(below: number) => number} draw
 * @param {string} origin
 * @param {string} name
 * @param {number} transfers
 */
async function runRound(draw, origin, name, transfers) {
  const multi = new Multi();
  const counts = { done: 0, failed: 0, removed: 0, paused: 0, threw: 0 };
  /** @type {Map<Easy, { path: string, bytes: number, results: number[], hash: import('node:crypto').Hash, received: number, removal: NodeJS.Timeout | undefined }>} */
  const running = new Map();
  /** @type {Easy[]} */
  const resting = [];
  let started = 0;
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  let finish = () => {};
  const finished = new Promise((resolve) => {
    finish = () => resolve(undefined);
  });

  multi.setSocketFunction((_easy, sockfd, what, poll) => {
    const watched = /** @type {import('mcurl/multi').SocketPoll | undefined} */ (poll);
    if (what === CURL_POLL_REMOVE) watched?.close();
    else if (watched) watched.update(what);
    else
      multi.assign(
        sockfd,
        pollSocket(sockfd, what, (events) => act(sockfd, events)),
      );
  });
  multi.setTimerFunction((timeoutMs) => {
    clearTimeout(timer);
    if (timeoutMs >= 0) timer = setTimeout(act, timeoutMs, CURL_SOCKET_TIMEOUT, 0);
  });

  function start() {
    const easy = resting.length > 0 && draw(2) === 0 ? resting.pop() : new Easy();
    assert(easy);
    const [fault, ...results] = KINDS[draw(KINDS.length)] ?? [''];
    const path = `/${name}-${started}`;
    const bytes = 1000 + (draw(10) === 0 ? draw(300_000) : draw(3000));
    const transfer = {
      path,
      bytes,
      results: [...results, ...LOST],
      hash: createHash('sha256'),
      received: 0,
      removal: /** @type {NodeJS.Timeout | undefined} */ (undefined),
    };
    started += 1;
    let pauses = draw(4) === 0 ? 1 + draw(3) : 0;
    const throwsAt = draw(20) === 0 ? draw(bytes) : Number.POSITIVE_INFINITY;
    if (throwsAt < bytes) transfer.results.push(23); // a write error
    easy.setopt('URL', `${origin}${path}?size=${bytes}&${fault}`);
    easy.setopt('HTTPHEADER', [`X-Transfer: ${path}`, 'X-More: of the same']);
    easy.setopt('TIMEOUT_MS', fault === 'stall=500' ? 300 : 60_000);
    easy.setopt('PRIVATE', transfer);
    easy.setopt('HEADERFUNCTION', () => {
      if (draw(500) === 0) globalThis.gc?.();
    });
    easy.setopt('WRITEFUNCTION', (data) => {
      if (pauses > 0) {
        pauses -= 1;
        counts.paused += 1;
        setTimeout(resume, draw(5), easy, transfer);
        return CURL_WRITEFUNC_PAUSE;
      }
      transfer.received += data.length;
      if (transfer.received > throwsAt) throw new Error(path);
      transfer.hash.update(data);
      return data.length;
    });
    running.set(easy, transfer);
    multi.addHandle(easy);
    // libcurl before 8.4 forgets a time-out that is due within a millisecond of another one of the same transfer.
    const removeAfterMs = draw(8) === 0 ? draw(20) : fault === 'stall=500' ? 1500 : undefined;
    if (removeAfterMs !== undefined) {
      transfer.removal = setTimeout(remove, removeAfterMs, easy, transfer);
    }
  }

  /** @param {Easy} easy @param {object} transfer */
  function resume(easy, transfer) {
    if (running.get(easy) === transfer) easy.pause(CURLPAUSE_CONT);
  }

  /** @param {Easy} easy @param {object} transfer */
  function remove(easy, transfer) {
    if (running.get(easy) !== transfer) return;
    running.delete(easy);
    counts.removed += 1;
    if (draw(2) === 0) {
      easy.cleanup();
    } else {
      multi.removeHandle(easy);
      resting.push(easy);
    }
    next();
  }

  /** @param {number} sockfd @param {number} events */
  function act(sockfd, events) {
    multi.socketAction(sockfd, events);
    for (let message = multi.infoRead(); message !== undefined; message = multi.infoRead()) {
      const { easy, result, cause } = message;
      const transfer = running.get(easy);
      assert(transfer !== undefined && easy.getinfo('PRIVATE') === transfer);
      const { path, bytes, results, hash, received } = transfer;
      assert(results.includes(result), `${path}: ${result}, not ${results}: ${easy.errorBuffer}`);
      if (result === 0) {
        assert.equal(received, bytes, path);
        assert.equal(hash.digest('hex'), sha256(path, bytes), path);
        counts.done += 1;
      } else if (cause !== undefined) {
        assert.equal(/** @type {Error} */ (cause).message, path);
        counts.threw += 1;
      } else {
        counts.failed += 1;
      }
      running.delete(easy);
      clearTimeout(transfer.removal);
      multi.removeHandle(easy);
      const fate = draw(3);
      if (fate === 0) resting.push(easy);
      else if (fate === 1) easy.cleanup(); // else the collector takes it
      next();
    }
    if (draw(300) === 0) globalThis.gc?.();
  }

  function next() {
    while (running.size < AT_ONCE && started < transfers) start();
    if (running.size === 0) finish();
  }

  next();
  await finished;
  clearTimeout(timer);
  if (draw(2) === 0) multi.cleanup();
  clearTimeout(timer);
  return counts;
}

/**
 * Lets go of a Multi with transfers in flight that nothing drives.
 * @param {(below: number) => number} draw
 * @param {string} origin
 */
function abandon(draw, origin) {
  const multi = new Multi();
  const sockets = new Set();
  multi.setSocketFunction((easy, sockfd, what) => {
    if (what === CURL_POLL_REMOVE) sockets.delete(sockfd);
    else sockets.add(sockfd);
    multi.assign(sockfd, easy);
  });
  for (let i = 0; i < 5; i += 1) {
    const easy = new Easy();
    easy.setopt('URL', `${origin}/abandoned?size=100000&stall=50000`);
    easy.setopt('WRITEFUNCTION', () => {
      easy.setopt('PRIVATE', multi);
    });
    multi.addHandle(easy);
  }
  for (let i = draw(20); i > 0; i -= 1) {
    multi.socketAction(CURL_SOCKET_TIMEOUT);
    for (const sockfd of sockets) multi.socketAction(sockfd, 0);
  }
}

async function collect() {
  for (let i = 0; i < 4; i += 1) {
    await turn();
    globalThis.gc?.();
  }
}

if (isMainThread) {
  const [origin, seed, rounds, transfers] = process.argv.slice(2);
  const workers = [0, 1].map(
    (at) =>
      new Worker(new URL(import.meta.url), {
        workerData: { origin, seed: Number(seed) + at, name: at, transfers: Number(transfers) },
      }),
  );
  for (let round = 0; round < Number(rounds); round += 1) {
    const ends = workers.map((worker) => once(worker, 'message'));
    for (const worker of workers) worker.postMessage(round);
    const counts = (await Promise.all(ends)).map(([message]) => message);
    await collect();
    const { rss } = process.memoryUsage();
    const descriptors = readdirSync('/proc/self/fd').length;
    console.log(JSON.stringify({ counts, rss, descriptors }));
  }
  // One by its own end, one in the middle of a round.
  workers[0]?.postMessage(-1);
  workers[1]?.postMessage(rounds);
  await pause(20);
  await Promise.all(workers.map((worker) => worker.terminate()));
} else {
  const { origin, seed, name, transfers } = workerData;
  const draw = lottery(seed);
  parentPort?.on('message', async (round) => {
    if (round < 0) process.exit();
    const counts = await runRound(draw, origin, `${name}-${round}`, transfers);
    abandon(draw, origin);
    await collect();
    parentPort?.postMessage(counts);
  });
}
