/** Watching descriptors on Node's loop. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  CURL_CSELECT_IN,
  CURL_CSELECT_OUT,
  CURL_POLL_IN,
  CURL_POLL_INOUT,
  CURL_POLL_NONE,
  CURL_POLL_OUT,
  CURL_POLL_REMOVE,
  pollSocket,
} from '../../src/native/multi.ts';

/** Two ends of a connection; Node reads from neither. */
async function usePair(): Promise<{ near: Socket; far: Socket; fd: number }> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const far = connect(port, '127.0.0.1');
  const [near] = (await once(server, 'connection')) as [Socket];
  far.on('error', () => {});
  onTestFinished(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  // Node has no public way to a descriptor, which is why there is pollSocket.
  const { _handle } = near as unknown as { _handle: { fd: number } };
  return { near, far, fd: _handle.fd };
}

/** Collects what the callback is told; `next` waits for one more. */
function makeListener() {
  const told: number[] = [];
  let wake = () => {};
  return {
    told,
    callback: (bits: number) => {
      told.push(bits);
      wake();
    },
    next: () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      }),
  };
}

describe('pollSocket', () => {
  it('tells what can be done, and again while it can', async () => {
    const { far, fd } = await usePair();
    const { told, callback, next } = makeListener();
    const poll = pollSocket(fd, CURL_POLL_IN, callback);
    onTestFinished(() => poll.close());
    far.write('x');
    await next();
    await next();
    expect(told.every((bits) => bits === CURL_CSELECT_IN)).toBe(true);
    poll.update(CURL_POLL_OUT);
    told.length = 0;
    await next();
    expect(told).toEqual([CURL_CSELECT_OUT]);
    poll.update(CURL_POLL_INOUT);
    told.length = 0;
    await next();
    expect(told).toEqual([CURL_CSELECT_IN | CURL_CSELECT_OUT]);
  });

  it('watches nothing for NONE until it is told otherwise', async () => {
    const { far, fd } = await usePair();
    const { told, callback, next } = makeListener();
    const poll = pollSocket(fd, CURL_POLL_NONE, callback);
    onTestFinished(() => poll.close());
    far.write('x');
    const witness = makeListener();
    const other = pollSocket(fd, CURL_POLL_IN, witness.callback); // two for one descriptor
    await witness.next();
    other.close();
    expect(told).toEqual([]);
    poll.update(CURL_POLL_IN);
    await next();
    expect(told).toEqual([CURL_CSELECT_IN]);
  });

  it.each(['close', 'REMOVE'])('is over after %s, also inside its callback', async (how) => {
    const { far, fd } = await usePair();
    const told: number[] = [];
    const poll = pollSocket(fd, CURL_POLL_INOUT, (bits) => {
      told.push(bits);
      if (how === 'close') poll.close();
      else poll.update(CURL_POLL_REMOVE);
    });
    far.write('x');
    const witness = makeListener();
    const other = pollSocket(fd, CURL_POLL_IN, witness.callback);
    await witness.next();
    await witness.next();
    other.close();
    expect(told).toHaveLength(1);
    poll.update(CURL_POLL_IN);
    poll.close();
  });

  it('tells an end of the connection', async () => {
    const { far, fd } = await usePair();
    const { told, callback, next } = makeListener();
    const poll = pollSocket(fd, CURL_POLL_IN, callback);
    onTestFinished(() => poll.close());
    far.resetAndDestroy();
    await next();
    expect((told[0] ?? 0) & CURL_CSELECT_IN).toBe(CURL_CSELECT_IN);
  });

  it('survives that the descriptor is closed first, and its number used for another file', async () => {
    const { near, far, fd } = await usePair();
    const { callback, next } = makeListener();
    const poll = pollSocket(fd, CURL_POLL_IN, callback);
    near.destroy();
    await once(near, 'close');
    const file = openSync('/dev/null', 'r');
    onTestFinished(() => closeSync(file));
    far.write('still told: it is the duplicate that is watched');
    await next();
    poll.close();
  });

  it('keeps the async context in which it was made', async () => {
    const { far, fd } = await usePair();
    const storage = new AsyncLocalStorage<string>();
    const seen = new Promise((resolve) => {
      storage.run('mine', () => {
        const poll = pollSocket(fd, CURL_POLL_IN, () => {
          poll.close();
          resolve(storage.getStore());
        });
      });
    });
    far.write('x');
    expect(await seen).toBe('mine');
  });

  it('lets promises of its callback go on at once', async () => {
    const { far, fd } = await usePair();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      const poll = pollSocket(fd, CURL_POLL_IN, () => {
        poll.close();
        setImmediate(() => {
          order.push('immediate');
          resolve();
        });
        queueMicrotask(() => order.push('microtask'));
        process.nextTick(() => order.push('tick'));
      });
      far.write('x');
    });
    expect(order).toEqual(['tick', 'microtask', 'immediate']);
  });

  it('keeps the process running while it watches for something', async () => {
    const script = `
      import { pollSocket } from 'mcurl/multi';
      const poll = pollSocket(0, 1, () => { console.log('told'); poll.update(0); });
      console.log('watching');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    onTestFinished(() => void child.kill('SIGKILL'));
    let printed = '';
    child.stdout.on('data', (text) => {
      printed += text;
      if (printed === 'watching\n') child.stdin.write('x');
    });
    const [code] = await once(child, 'close');
    expect({ code, printed }).toEqual({ code: 0, printed: 'watching\ntold\n' });
  });

  it('refuses what cannot be watched, with the system’s code', () => {
    const unwatchable = (fd: number) => () => pollSocket(fd, CURL_POLL_IN, () => {});
    expect(unwatchable(-1)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(unwatchable(99_999)).toThrow('descriptor 99999 cannot be watched');
    const file = openSync('/etc/hostname', 'r');
    onTestFinished(() => closeSync(file));
    expect(unwatchable(file)).toThrow(expect.objectContaining({ code: 'EPERM' }));
    for (const wrong of [Number.NaN, 1.5, 2 ** 40, '1', undefined]) {
      const value = wrong as number;
      expect(() => pollSocket(value, CURL_POLL_IN, () => {}), `${wrong}`).toThrow(TypeError);
      expect(() => pollSocket(0, value, () => {}), `what ${wrong}`).toThrow(TypeError);
    }
    expect(() => pollSocket(1, CURL_POLL_IN, undefined as never)).toThrow(TypeError);
  });
});
