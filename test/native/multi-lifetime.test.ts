/** What remains of a Multi when nobody wants it any more: nothing, however it is left. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  CURL_POLL_REMOVE,
  CURL_SOCKET_TIMEOUT,
  CURLE_OK,
  Easy,
  Multi,
  pollSocket,
  type SocketPoll,
} from '../../src/native/multi.ts';
import { useDriver, useGet } from '../support/multi-driver.ts';
import { type Origin, useOrigin } from '../support/origin.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Collects garbage until `is` holds; the test's time is the limit. What `is` looks at lives until the turn's end. */
async function collectUntil(is: () => boolean): Promise<void> {
  while (!is()) {
    await turn();
    collectGarbage();
    await turn();
  }
}

/** A Multi with `count` transfers whose requests have arrived and whose answers never come; nothing watches it. */
async function abandonedIn(origin: Origin, count: number): Promise<WeakRef<object>[]> {
  const multi = new Multi();
  const sockets = new Set<number>();
  // Functions that lead back to all of it, as a program's do.
  multi.setTimerFunction(() => multi);
  multi.setSocketFunction((easy, sockfd, what) => {
    if (what === CURL_POLL_REMOVE) sockets.delete(sockfd);
    else sockets.add(sockfd);
    multi.assign(sockfd, easy);
  });
  const refs: WeakRef<object>[] = [new WeakRef(multi)];
  for (let i = 0; i < count; i += 1) {
    const easy = new Easy();
    easy.setopt('URL', origin.url(`/${i}?stall=500`));
    easy.setopt('WRITEFUNCTION', () => {
      refs.push(new WeakRef(multi), new WeakRef(easy));
    });
    easy.setopt('PRIVATE', multi);
    multi.addHandle(easy);
    refs.push(new WeakRef(easy));
  }
  multi.socketAction(CURL_SOCKET_TIMEOUT);
  while (origin.now.requests < count) {
    for (const sockfd of sockets) multi.socketAction(sockfd, 0);
    await turn();
  }
  return refs;
}

describe('the garbage collector', () => {
  it('takes an abandoned Multi with transfers in flight, and its connections close', async () => {
    const origin = await useOrigin();
    const refs = await abandonedIn(origin, 5);
    expect(origin.now.connections).toBe(5);
    await collectUntil(() => origin.now.connections === 0);
    expect(refs.map((ref) => ref.deref())).toEqual(refs.map(() => undefined));
  });

  it('takes an abandoned Multi whose transfers have never started', async () => {
    const refs = (() => {
      const multi = new Multi();
      const easy = new Easy();
      easy.setopt('URL', 'http://127.0.0.1:9/');
      multi.addHandle(easy);
      return [new WeakRef(multi), new WeakRef(easy)];
    })();
    await collectUntil(() => refs.every((ref) => ref.deref() === undefined));
  });

  it('leaves the Easies of a Multi that lives', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    let received = 0;
    (() => {
      const easy = new Easy();
      easy.setopt('URL', origin.url('/kept?hold&size=100000'));
      easy.setopt('HTTPHEADER', ['X-Kept: yes']);
      easy.setopt('WRITEFUNCTION', (data) => {
        received += data.length;
        collectGarbage();
      });
      driver.multi.addHandle(easy);
    })();
    const finished = driver.run();
    for (let i = 0; i < 10; i += 1) {
      collectGarbage();
      await turn();
    }
    await origin.arrived('/kept');
    origin.release();
    const [message] = await finished;
    expect(message?.result).toBe(CURLE_OK);
    expect(message?.easy.getinfo('SIZE_DOWNLOAD_T')).toBe(100_000);
    expect(received).toBe(100_000);
    expect(origin.requests[0]?.headers['x-kept']).toBe('yes');
  });

  it('leaves the Multi of an Easy that lives, and whatever a pollSocket leads to', async () => {
    const origin = await useOrigin();
    const { easy } = useGet(origin.url('/held?hold'));
    const ref = (() => {
      const multi = new Multi();
      multi.addHandle(easy);
      return new WeakRef(multi);
    })();
    for (let i = 0; i < 10; i += 1) {
      collectGarbage();
      await turn();
    }
    expect(ref.deref()).toBeDefined();
    easy.cleanup();
    await collectUntil(() => ref.deref() === undefined);

    // Nothing but the open polls leads to this one while it runs.
    const finished = (() => {
      const driver = useDriver();
      driver.multi.addHandle(useGet(origin.url('/polled?hold')).easy);
      return driver.run();
    })();
    await origin.arrived('/polled');
    for (let i = 0; i < 10; i += 1) {
      collectGarbage();
      await turn();
    }
    origin.release();
    expect((await finished)[0]?.result).toBe(CURLE_OK);
  });

  it('takes Easies that are used by no Multi, and polls that are closed', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const refs: WeakRef<object>[] = [];
    driver.onSocket = () => {};
    const polls = new Map<number, SocketPoll>();
    driver.multi.setSocketFunction((_easy, sockfd, what) => {
      if (what === CURL_POLL_REMOVE) {
        polls.get(sockfd)?.close();
        polls.delete(sockfd);
        return;
      }
      polls.get(sockfd)?.close();
      const poll = pollSocket(sockfd, what, (bits) => driver.act(sockfd, bits));
      polls.set(sockfd, poll);
      refs.push(new WeakRef(poll));
    });
    await (async () => {
      const easy = new Easy();
      refs.push(new WeakRef(easy));
      easy.setopt('URL', origin.url('/used'));
      easy.setopt('WRITEFUNCTION', () => {});
      driver.multi.addHandle(easy);
      await driver.run();
      driver.multi.removeHandle(easy);
      driver.messages.length = 0;
      driver.told.length = 0;
    })();
    expect(refs.length).toBeGreaterThan(1);
    await collectUntil(() => refs.every((ref) => ref.deref() === undefined));
  });
});

/** Each in a process of its own, which must neither crash nor hang. */
describe('an end in mid-transfer', () => {
  /**
   * Runs `script`, a module, with `start()`, which resolves when two transfers run that never end, and `inWorker(script)`,
   * which does so in a worker and resolves to it when the script says `running()`.
   */
  async function run(script: string) {
    const origin = await useOrigin();
    const prelude = `
      import { Worker, parentPort } from 'node:worker_threads';
      import { setTimeout as sleep } from 'node:timers/promises';
      import { Easy, Multi, pollSocket } from 'mcurl/multi';
      const running = () => parentPort.postMessage('running');
      async function start(onWrite = () => {}, isPolled = true) {
        const multi = new Multi();
        const sockets = new Set();
        let timer;
        const act = (fd, events) => { multi.socketAction(fd, events); };
        multi.setSocketFunction((easy, fd, what, poll) => {
          if (what === 4) { sockets.delete(fd); poll?.close(); return; }
          sockets.add(fd);
          if (!isPolled) return;
          if (poll) poll.update(what);
          else multi.assign(fd, pollSocket(fd, what, (events) => act(fd, events)));
        });
        multi.setTimerFunction((ms) => {
          clearTimeout(timer);
          if (ms >= 0 && isPolled) timer = setTimeout(act, ms, -1, 0);
        });
        let received = 0;
        const all = new Promise((resolve) => {
          for (const path of ['/1', '/2']) {
            const easy = new Easy();
            easy.setopt('URL', '${origin.url('')}' + path + '?size=1000&stall=500');
            easy.setopt('VERBOSE', true);
            easy.setopt('DEBUGFUNCTION', () => {});
            easy.setopt('WRITEFUNCTION', (data) => {
              onWrite(multi);
              received += data.length;
              if (received === 1000) resolve();
            });
            multi.addHandle(easy);
          }
        });
        if (isPolled) await all;
        else while (received < 1000) { for (const fd of [-1, ...sockets]) act(fd, 0); await sleep(1); }
        return multi;
      }
    `;
    const program = `
      ${prelude}
      const PRELUDE = ${JSON.stringify(prelude)};
      async function inWorker(script) {
        const source = 'data:text/javascript,' + encodeURIComponent(
          PRELUDE.replace("'mcurl/multi'", JSON.stringify(import.meta.resolve('mcurl/multi'))) + script);
        const worker = new Worker(new URL(source));
        worker.on('error', (error) => { console.error(error); process.exitCode = 99; });
        worker.exited = new Promise((resolve) => worker.once('exit', resolve));
        // A message may be lost when the worker ends at once.
        await Promise.race([new Promise((resolve) => worker.once('message', resolve)), worker.exited]);
        return worker;
      }
      const exit = (worker) => worker.exited;
      ${script}`;
    const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    const [code, signal] = await once(child, 'exit');
    return { code, signal };
  }
  const WHOLE = { code: 0, signal: null };

  it.each([
    ['of the process, by itself', 'await start(() => {}, false);'],
    ['of the process, by itself, after a collection', 'await start(() => {}, false); gc();'],
    ['of the process, by process.exit', 'await start(); process.exit(0);'],
    [
      'of the process, by process.exit inside a write function',
      'await start(() => process.exit(0));',
    ],
    ['of the process, by cleanup', '(await start()).cleanup();'],
    [
      'of a worker, by terminate',
      "const worker = await inWorker('await start(); running();'); await worker.terminate();",
    ],
    [
      'of a worker, by terminate while its loop is in a callback',
      `const worker = await inWorker('await start(() => { running(); for (;;); });');
       await worker.terminate();`,
    ],
    [
      'of a worker, by its own process.exit',
      "await exit(await inWorker('await start(); running(); process.exit(0);'));",
    ],
    [
      'of a worker, by its own process.exit inside a write function',
      "await exit(await inWorker('await start(() => { running(); process.exit(0); });'));",
    ],
    [
      'of a worker, by itself',
      "await exit(await inWorker('await start(() => {}, false); running();'));",
    ],
    [
      'of a worker, by cleanup',
      "await exit(await inWorker('(await start()).cleanup(); running();'));",
    ],
    [
      'of the process with workers of its own',
      `await Promise.all([start(), inWorker('await start(); running();'), inWorker('await start(); running();')]);
       process.exit(0);`,
    ],
    [
      'of many workers at once',
      `for (let round = 0; round < 5; round += 1) {
         const workers = await Promise.all([1, 2, 3].map(() => inWorker('await start(); running();')));
         await Promise.all(workers.map((worker) => worker.terminate()));
       }`,
    ],
  ])('%s', async (_name, script) => {
    expect(await run(script)).toEqual(WHOLE);
  });

  it('of a worker, by an uncaught exception in a poll callback', async () => {
    const script = `
      const worker = await inWorker(\`
        const multi = await start();
        running();
        const { createServer, connect } = await import('node:net');
        const server = createServer((socket) => socket.write('x')).listen(0, '127.0.0.1', () => {
          const client = connect(server.address().port, '127.0.0.1', () => {
            pollSocket(client._handle.fd, 2, () => { throw new Error('mine'); });
          });
        });\`);
      worker.removeAllListeners('error');
      const [error] = await Promise.all([new Promise((resolve) => worker.once('error', resolve)), exit(worker)]);
      process.exitCode = error.message === 'mine' ? 0 : 97;`;
    expect(await run(script)).toEqual(WHOLE);
  });
});
