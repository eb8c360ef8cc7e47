/** The clauses of curl_multi_socket_action(3), each in words of ours, as a program on Node's loop meets them. */
import { once } from 'node:events';
import { createSecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, expectTypeOf, it, onTestFinished, test } from 'vitest';
import { MultiError } from '../../src/errors.ts';
import {
  CURL_CSELECT_ERR,
  CURL_CSELECT_IN,
  CURL_CSELECT_OUT,
  CURL_POLL_IN,
  CURL_POLL_INOUT,
  CURL_POLL_NONE,
  CURL_POLL_OUT,
  CURL_POLL_REMOVE,
  CURL_SOCKET_TIMEOUT,
  CURL_WRITEFUNC_PAUSE,
  CURLE_OK,
  CURLMSG_DONE,
  CURLPAUSE_CONT,
  MULTI_OPTIONS,
  Multi,
  type SocketPoll,
} from '../../src/native/multi.ts';
import { makeCertificates } from '../support/certificates.ts';
import { useDriver, useGet } from '../support/multi-driver.ts';
import { content, useOrigin } from '../support/origin.ts';
import { useTmp } from '../support/tmp.ts';

/** The code of the MultiError that `call` throws. */
function codeOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof MultiError) return error.code;
    throw error;
  }
  return undefined;
}

/** The error that `call` throws. */
function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('the program reports action on a socket', () => {
  const path = '/known?size=1000000';
  it('with the events when it knows them', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy, body } = useGet(origin.url(path));
    driver.multi.addHandle(easy);
    const messages = await driver.run();
    expect(messages).toEqual([
      { msg: CURLMSG_DONE, easy, result: CURLE_OK, remaining: 0, cause: undefined },
    ]);
    expect(body().equals(content('/known', 1_000_000))).toBe(true);
  });

  it('or with 0 when it does not: libcurl looks itself', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    driver.areEventsKnown = false;
    const { easy, body } = useGet(origin.url(path));
    driver.multi.addHandle(easy);
    expect((await driver.run())[0]?.result).toBe(CURLE_OK);
    expect(body().equals(content('/known', 1_000_000))).toBe(true);
  });

  it('of which 0 is the default', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/held?hold'));
    driver.multi.addHandle(easy);
    driver.act(CURL_SOCKET_TIMEOUT);
    await driver.until(() => [...driver.watched.values()].includes(CURL_POLL_IN));
    const [sockfd = -2] = driver.watched.keys();
    expect(driver.multi.socketAction(sockfd)).toBe(1);
  });

  it('also on one that libcurl does not know, which changes nothing', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/x'));
    driver.multi.addHandle(easy);
    expect(codeOf(() => driver.multi.socketAction(999, CURL_CSELECT_IN))).toBeOneOf([
      undefined,
      'CURLM_BAD_SOCKET',
    ]);
    expect((await driver.run())[0]?.result).toBe(CURLE_OK);
  });

  it('under the names and numbers of libcurl', () => {
    expect([CURL_CSELECT_IN, CURL_CSELECT_OUT, CURL_CSELECT_ERR]).toEqual([1, 2, 4]);
    expect([
      CURL_POLL_NONE,
      CURL_POLL_IN,
      CURL_POLL_OUT,
      CURL_POLL_INOUT,
      CURL_POLL_REMOVE,
    ]).toEqual([0, 1, 2, 3, 4]);
    expect(CURL_SOCKET_TIMEOUT).toBe(-1);
  });
});

describe('CURL_SOCKET_TIMEOUT', () => {
  it('starts everything, and nothing starts before', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    driver.multi.addHandle(useGet(origin.url('/a?hold')).easy);
    driver.multi.addHandle(useGet(origin.url('/b?hold')).easy);
    expect(driver.told).toEqual([]);
    expect(driver.multi.socketAction(CURL_SOCKET_TIMEOUT)).toBe(2);
    expect(driver.told.length).toBeGreaterThan(0);
    await Promise.all([origin.arrived('/a'), origin.arrived('/b')]);
  });

  it('tells that a time-out has come', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/slow?hold'));
    easy.setopt('TIMEOUT_MS', 50);
    driver.multi.addHandle(easy);
    const [message] = await driver.run();
    expect(message).toMatchObject({ result: 28, easy });
    expect(easy.strerror(28)).toMatch(/[Tt]imeout/);
  });
});

describe('the count of running transfers', () => {
  it('is that of all inside; at 0 all are done', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    for (const name of ['a', 'b', 'c']) driver.multi.addHandle(useGet(origin.url(`/${name}`)).easy);
    const counts: number[] = [];
    const finished = driver.run();
    await driver.until(() => {
      counts.push(driver.running);
      return driver.running === 0;
    });
    expect(counts[0]).toBe(3);
    expect(counts.every((count, at) => at === 0 || count <= (counts[at - 1] ?? 0))).toBe(true);
    expect((await finished).map(({ result }) => result)).toEqual([0, 0, 0]);
  });

  it('may drop by more than one behind one action, and infoRead tells each', () => {
    const driver = useDriver();
    const easies = ['nope://a', 'nope://b', 'nope://c'].map((url) => useGet(url).easy);
    for (const easy of easies) driver.multi.addHandle(easy);
    expect(driver.multi.socketAction(CURL_SOCKET_TIMEOUT)).toBe(0);
    const read = [1, 2, 3].map(() => driver.multi.infoRead());
    expect(read.map((message) => message?.remaining)).toEqual([2, 1, 0]);
    expect(read.map((message) => message?.result)).toEqual([1, 1, 1]);
    expect(new Set(read.map((message) => message?.easy))).toEqual(new Set(easies));
    expect(driver.multi.infoRead()).toBeUndefined();
  });

  it('drops behind an action on one socket for a transfer that has another', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const steady = useGet(origin.url('/steady?hold')).easy;
    driver.multi.addHandle(steady);
    driver.act(CURL_SOCKET_TIMEOUT);
    await origin.arrived('/steady');
    const [steadySocket = -2] = driver.watched.keys();

    // Its time runs out while nobody serves time-outs.
    driver.multi.setTimerFunction(null);
    const late = useGet(origin.url('/late?hold')).easy;
    late.setopt('TIMEOUT_MS', 50);
    driver.multi.addHandle(late);
    expect(driver.multi.socketAction(CURL_SOCKET_TIMEOUT)).toBe(2);
    await sleep(60);
    expect(driver.multi.socketAction(steadySocket, 0)).toBe(1);
    expect(driver.multi.infoRead()).toMatchObject({ easy: late, result: 28 });
    expect(driver.multi.infoRead()).toBeUndefined();
  });
});

describe('the socket function', () => {
  it('is told a whole transfer: write, read, no more', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/whole?hold'));
    driver.multi.addHandle(easy);
    const finished = driver.run();
    await origin.arrived('/whole');
    await driver.until(() => [...driver.watched.values()].includes(CURL_POLL_IN));
    origin.release();
    await finished;
    expect(driver.told.map(({ what }) => what)).toEqual([
      CURL_POLL_OUT,
      CURL_POLL_IN,
      CURL_POLL_REMOVE,
    ]);
    expect(driver.told.every((told) => told.easy === easy)).toBe(true);
    expect(new Set(driver.told.map(({ sockfd }) => sockfd)).size).toBe(1);
  });

  it('is told changes only', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    for (let i = 0; i < 10; i += 1) {
      driver.multi.addHandle(useGet(origin.url(`/${i}?size=200000`)).easy);
    }
    await driver.run();
    const last = new Map<number, number>();
    for (const { sockfd, what } of driver.told) {
      expect(what).not.toBe(last.get(sockfd) ?? CURL_POLL_REMOVE);
      last.set(sockfd, what);
    }
    expect([...last.values()].every((what) => what === CURL_POLL_REMOVE)).toBe(true);
  });

  it('is told nothing for an action that changes nothing', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    driver.multi.addHandle(useGet(origin.url('/held?hold')).easy);
    driver.act(CURL_SOCKET_TIMEOUT);
    await origin.arrived('/held');
    await driver.until(() => [...driver.watched.values()].includes(CURL_POLL_IN));
    const before = driver.told.length;
    const [sockfd = -2] = driver.watched.keys();
    expect(driver.multi.socketAction(sockfd, 0)).toBe(1);
    expect(driver.told).toHaveLength(before);
  });

  it('is told REMOVE when a running transfer is removed, and by cleanup', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const removed = useGet(origin.url('/removed?hold')).easy;
    driver.multi.addHandle(removed);
    driver.multi.addHandle(useGet(origin.url('/left?hold')).easy);
    driver.act(CURL_SOCKET_TIMEOUT);
    await Promise.all([origin.arrived('/removed'), origin.arrived('/left')]);
    expect(driver.watched.size).toBe(2);
    driver.multi.removeHandle(removed);
    expect(driver.told.at(-1)).toMatchObject({ what: CURL_POLL_REMOVE });
    expect(driver.watched.size).toBe(1);
    driver.multi.cleanup();
    expect(driver.watched.size).toBe(0);
  });

  it('leaves an idle connection unwatched, and the next transfer uses it', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    for (const path of ['/1', '/2', '/3']) {
      const { easy } = useGet(origin.url(path));
      driver.multi.addHandle(easy);
      await driver.run();
      driver.multi.removeHandle(easy);
      expect(driver.watched.size).toBe(0);
    }
    expect(origin.peak.connections).toBe(1);
  });
});

it('transfers of HTTP/2 share a socket; one may pause and one be removed while the others go on', async () => {
  const certificates = makeCertificates(useTmp());
  const server = createSecureServer(certificates.server);
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 });
    stream.on('error', () => {});
    stream.end(Buffer.alloc(200_000, 'h'));
  });
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const driver = useDriver();
  const gets = Array.from({ length: 20 }, (_, at) => {
    const { port } = server.address() as AddressInfo;
    const get = useGet(`https://127.0.0.1:${port}/${at}`);
    get.easy.setopt('HTTP_VERSION', 4); // HTTP/2 over TLS
    get.easy.setopt('PIPEWAIT', true);
    get.easy.setopt('CAINFO_BLOB', Buffer.from(certificates.ca));
    driver.multi.addHandle(get.easy);
    return get;
  });
  const [paused, removed] = gets;
  let pausedBytes = 0;
  paused?.easy.setopt('WRITEFUNCTION', (data) => {
    if (pausedBytes === 0 && driver.messages.length < 5) return CURL_WRITEFUNC_PAUSE;
    pausedBytes += data.length;
    return data.length;
  });
  removed?.easy.setopt('WRITEFUNCTION', () => CURL_WRITEFUNC_PAUSE);
  const finished = driver.run();
  await driver.until(() => driver.messages.length >= 5);
  removed?.easy.cleanup();
  paused?.easy.pause(CURLPAUSE_CONT);
  await finished;
  expect(driver.messages.map(({ result }) => result)).toEqual(Array(19).fill(CURLE_OK));
  for (const { easy, body } of gets.slice(2)) {
    expect(easy.getinfo('HTTP_VERSION')).toBe(3);
    expect(body()).toHaveLength(200_000);
  }
  expect(pausedBytes).toBe(200_000);
  expect(sessions.size).toBe(1);
  expect(new Set(driver.told.map(({ sockfd }) => sockfd)).size).toBe(1);
});

describe('assign', () => {
  it('binds a value to a socket, which comes back until and with REMOVE', async () => {
    const origin = await useOrigin();
    const multi = new Multi<{ readonly fd: number }>();
    const told: [what: number, isOurs: boolean][] = [];
    const bound = new Map<number, { readonly fd: number }>();
    multi.setSocketFunction((_easy, sockfd, what, data) => {
      told.push([what, data !== undefined && data === bound.get(sockfd)]);
      if (data === undefined) {
        bound.set(sockfd, { fd: sockfd });
        multi.assign(sockfd, bound.get(sockfd));
      }
    });
    const { easy } = useGet(origin.url('/assigned'));
    multi.addHandle(easy);
    while (multi.socketAction(CURL_SOCKET_TIMEOUT) > 0 && told.at(-1)?.[0] !== CURL_POLL_REMOVE) {
      for (const fd of bound.keys()) multi.socketAction(fd, 0);
      await sleep(0);
    }
    expect(told[0]).toEqual([CURL_POLL_OUT, false]);
    expect(told.slice(1).every(([, isOurs]) => isOurs)).toBe(true);
    expect(told.at(-1)?.[0]).toBe(CURL_POLL_REMOVE);

    // The same connection again: what was bound is forgotten.
    told.length = 0;
    multi.removeHandle(easy);
    multi.addHandle(easy);
    while (told.length === 0) multi.socketAction(CURL_SOCKET_TIMEOUT);
    expect(told[0]?.[1]).toBe(false);
    multi.cleanup();
  });

  it('unbinds by undefined', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    driver.multi.addHandle(useGet(origin.url('/held?hold')).easy);
    driver.act(CURL_SOCKET_TIMEOUT);
    await origin.arrived('/held');
    const [sockfd = -2] = driver.watched.keys();
    let last: SocketPoll | undefined | null = null;
    driver.multi.setSocketFunction((_easy, _sockfd, _what, poll) => {
      last = poll;
    });
    driver.multi.assign(sockfd, undefined);
    driver.multi.cleanup();
    expect(last).toBeUndefined();
  });

  it('refuses a socket that libcurl does not use, which poisons nothing', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    driver.multi.addHandle(useGet(origin.url('/x')).easy);
    expect(codeOf(() => driver.multi.assign(999, undefined))).toBe('CURLM_BAD_SOCKET');
    expect((await driver.run())[0]?.result).toBe(CURLE_OK);
  });
});

describe('the timer function', () => {
  it('is told 0 at once, then how long, then -1', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/held?hold'));
    easy.setopt('TIMEOUT_MS', 100_000);
    driver.multi.addHandle(easy);
    expect(driver.timers).toEqual([0]);
    const finished = driver.run();
    await origin.arrived('/held');
    origin.release();
    await finished;
    const positive = driver.timers.filter((timeoutMs) => timeoutMs > 0);
    expect(positive.length).toBeGreaterThan(0);
    expect(Math.max(...positive)).toBeLessThanOrEqual(100_000);
    driver.multi.removeHandle(easy);
    expect(driver.timers.at(-1)).toBe(-1);
  });

  it('may be left out: the time can be polled', async () => {
    const origin = await useOrigin();
    const multi = new Multi();
    const watched = new Set<number>();
    multi.setSocketFunction((_easy, sockfd, what) => {
      if (what === CURL_POLL_REMOVE) watched.delete(sockfd);
      else watched.add(sockfd);
    });
    expect(multi.timeout()).toBe(-1);
    const late = useGet(origin.url('/late?hold')).easy;
    late.setopt('TIMEOUT_MS', 80);
    const quick = useGet(origin.url('/quick')).easy;
    multi.addHandle(late);
    multi.addHandle(quick);
    expect(multi.timeout()).toBe(0);
    const results = new Map<unknown, number>();
    let running = multi.socketAction(CURL_SOCKET_TIMEOUT);
    while (running > 0) {
      const timeoutMs = multi.timeout();
      expect(timeoutMs).toBeGreaterThanOrEqual(0);
      expect(timeoutMs).toBeLessThanOrEqual(1000);
      await sleep(Math.min(timeoutMs, 5));
      for (const fd of watched) multi.socketAction(fd, 0);
      running = multi.socketAction(CURL_SOCKET_TIMEOUT);
      for (let read = multi.infoRead(); read; read = multi.infoRead()) {
        results.set(read.easy, read.result);
      }
    }
    expect(results.get(quick)).toBe(CURLE_OK);
    expect(results.get(late)).toBe(28);
    multi.cleanup();
  });
});

describe('from inside a callback', () => {
  /** Calls that libcurl forbids there, on a Multi with a transfer inside. */
  const FORBIDDEN: Record<
    string,
    (multi: Multi<SocketPoll>, easy: ReturnType<typeof useGet>['easy']) => unknown
  > = {
    socketAction: (multi) => multi.socketAction(CURL_SOCKET_TIMEOUT),
    addHandle: (multi) => multi.addHandle(useGet('nope://').easy),
    removeHandle: (multi, easy) => multi.removeHandle(easy),
    infoRead: (multi) => multi.infoRead(),
    timeout: (multi) => multi.timeout(),
    setopt: (multi) => multi.setopt('MAXCONNECTS', 3),
    setSocketFunction: (multi) => multi.setSocketFunction(null),
    setTimerFunction: (multi) => multi.setTimerFunction(null),
    cleanup: (multi) => multi.cleanup(),
    'Easy.cleanup': (_multi, easy) => easy.cleanup(),
  };

  for (const place of ['write', 'header', 'socket', 'timer'] as const) {
    it.each(Object.entries(FORBIDDEN))(
      `of the ${place} function %s is refused and harms nothing`,
      async (_name, call) => {
        const origin = await useOrigin();
        const driver = useDriver();
        const { easy } = useGet(origin.url('/inside?size=50000'));
        const codes: (string | undefined)[] = [];
        const tryIt = () => {
          codes.push(codeOf(() => call(driver.multi, easy)));
        };
        let received = 0;
        easy.setopt('WRITEFUNCTION', (data) => {
          received += data.length;
          if (place === 'write') tryIt();
        });
        if (place === 'header') easy.setopt('HEADERFUNCTION', tryIt);
        driver.onSocket = place === 'socket' ? tryIt : () => {};
        driver.onTimer = place === 'timer' ? tryIt : () => {};
        driver.multi.addHandle(easy);
        const [message] = await driver.run();
        expect(message).toMatchObject({ result: CURLE_OK, cause: undefined });
        expect(received).toBe(50_000);
        expect(codes.length).toBeGreaterThan(0);
        expect(new Set(codes)).toEqual(new Set(['CURLM_RECURSIVE_API_CALL']));
      },
    );
  }

  it('assign, getinfo, setopt of what may change, and strerror are allowed', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/allowed'));
    const codes: number[] = [];
    easy.setopt('HEADERFUNCTION', () => {
      codes.push(easy.getinfo('RESPONSE_CODE'));
      easy.setopt('TIMEOUT_MS', 10_000);
      easy.setopt('PRIVATE', 'set inside');
      driver.multi.strerror(1);
    });
    driver.multi.addHandle(easy);
    const [message] = await driver.run();
    expect(message).toMatchObject({ result: CURLE_OK, cause: undefined });
    expect(codes.at(-1)).toBe(200);
    expect(easy.getinfo('PRIVATE')).toBe('set inside');
  });

  it('pause is allowed in the functions of an Easy, and refused in those for sockets and times', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/pause?hold&size=50000'));
    const codes = new Set<string | undefined>();
    driver.onSocket = () => codes.add(codeOf(() => easy.pause(0)));
    driver.onTimer = () => codes.add(codeOf(() => easy.pause(0)));
    let isAllowed = false;
    easy.setopt('HEADERFUNCTION', () => {
      easy.pause(0);
      isAllowed = true;
    });
    driver.multi.addHandle(easy);
    const finished = driver.run();
    await origin.arrived('/pause');
    origin.release();
    expect((await finished)[0]?.result).toBe(CURLE_OK);
    expect(isAllowed).toBe(true);
    expect(codes).toEqual(new Set(['CURLM_RECURSIVE_API_CALL']));
  });

  it('of one Multi another one may be used', async () => {
    const origin = await useOrigin();
    const outer = useDriver();
    const inner = useDriver();
    const { easy } = useGet(origin.url('/outer'));
    const second = useGet(origin.url('/inner'));
    easy.setopt('WRITEFUNCTION', () => {
      inner.multi.addHandle(second.easy);
      inner.multi.socketAction(CURL_SOCKET_TIMEOUT);
    });
    outer.multi.addHandle(easy);
    expect((await outer.run())[0]?.result).toBe(CURLE_OK);
    expect((await inner.run())[0]?.result).toBe(CURLE_OK);
    expect(second.body().equals(content('/inner'))).toBe(true);
  });
});

describe('what a socket or timer function throws', () => {
  it('is thrown by the call of the program, and the transfer goes on', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy, body } = useGet(origin.url('/thrown'));
    const error = new Error('from the socket function');
    driver.multi.addHandle(easy);
    let throws = 1;
    driver.onSocket = () => {
      if (throws-- > 0) throw error;
    };
    expect(thrownBy(() => driver.multi.socketAction(CURL_SOCKET_TIMEOUT))).toBe(error);
    expect((await driver.run())[0]?.result).toBe(CURLE_OK);
    expect(body().equals(content('/thrown'))).toBe(true);
  });

  it('is the first of several, and is forgotten then', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    let count = 0;
    driver.onSocket = () => {
      count += 1;
      throw new Error(`socket function, call ${count}`);
    };
    for (const path of ['/a?hold', '/b?hold'])
      driver.multi.addHandle(useGet(origin.url(path)).easy);
    expect(thrownBy(() => driver.multi.socketAction(CURL_SOCKET_TIMEOUT))).toEqual(
      new Error('socket function, call 1'),
    );
    expect(count).toBeGreaterThan(1);
    driver.onSocket = () => {};
    expect(driver.multi.socketAction(CURL_SOCKET_TIMEOUT)).toBe(2);
  });

  it('comes out of addHandle, removeHandle and cleanup, which have done their work', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/done?hold'));
    driver.onTimer = () => {
      throw new Error('from the timer function');
    };
    expect(() => driver.multi.addHandle(easy)).toThrow('from the timer function');
    expect(codeOf(() => driver.multi.addHandle(easy))).toBe('CURLM_ADDED_ALREADY');
    driver.onTimer = () => {};
    driver.act(CURL_SOCKET_TIMEOUT);
    await origin.arrived('/done');
    driver.onSocket = () => {
      throw new Error('from the socket function');
    };
    expect(() => driver.multi.removeHandle(easy)).toThrow('from the socket function');
    driver.onSocket = () => {};
    driver.multi.addHandle(easy);
    driver.multi.socketAction(CURL_SOCKET_TIMEOUT);
    driver.onSocket = () => {
      throw new Error('at the end');
    };
    expect(() => driver.multi.cleanup()).toThrow('at the end');
    expect(codeOf(() => driver.multi.timeout())).toBe('CURLM_BAD_HANDLE');
  });
});

it('what is no number or no function is refused before libcurl sees it', () => {
  const { multi } = useDriver();
  for (const value of [Number.NaN, 1.5, 2 ** 40, -(2 ** 31) - 1, '1', undefined, null, {}, 1n]) {
    const wrong = value as number;
    expect(() => multi.socketAction(wrong), `socketAction ${value}`).toThrow(TypeError);
    expect(() => multi.assign(wrong, undefined), `assign ${value}`).toThrow(TypeError);
    expect(() => multi.strerror(wrong), `strerror ${value}`).toThrow(TypeError);
    if (value !== undefined) {
      expect(() => multi.socketAction(-1, wrong), `events ${value}`).toThrow(TypeError);
    }
  }
  expect(() => multi.socketAction(2 ** 40)).toThrow(
    'socketAction: sockfd is not a whole number of 32 bits',
  );
  for (const value of ['no', 5, {}, undefined]) {
    expect(() => multi.setSocketFunction(value as never), String(value)).toThrow(TypeError);
    expect(() => multi.setTimerFunction(value as never), String(value)).toThrow(TypeError);
  }
});

describe('addHandle and removeHandle', () => {
  it('refuse a handle that is inside, here or elsewhere, or freed', () => {
    const [one, other] = [new Multi(), new Multi()];
    const { easy } = useGet('nope://');
    one.addHandle(easy);
    expect(codeOf(() => one.addHandle(easy))).toBe('CURLM_ADDED_ALREADY');
    expect(codeOf(() => other.addHandle(easy))).toBe('CURLM_ADDED_ALREADY');
    expect(codeOf(() => other.removeHandle(easy))).toBe('CURLM_BAD_EASY_HANDLE');
    one.removeHandle(easy);
    one.removeHandle(easy); // nothing to do
    other.addHandle(easy);
    easy.cleanup();
    expect(codeOf(() => other.addHandle(easy))).toBe('CURLM_BAD_EASY_HANDLE');
    other.removeHandle(easy);
    one.cleanup();
    other.cleanup();
  });

  it('forget an end that was not read', () => {
    const multi = new Multi();
    const { easy } = useGet('nope://');
    multi.addHandle(easy);
    expect(multi.socketAction(CURL_SOCKET_TIMEOUT)).toBe(0);
    multi.removeHandle(easy);
    expect(multi.infoRead()).toBeUndefined();
    multi.cleanup();
  });

  it('let a handle be used again', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy, body } = useGet(origin.url('/one'));
    driver.multi.addHandle(easy);
    await driver.run();
    easy.setopt('URL', origin.url('/two')); // its end is told: it runs no more
    driver.multi.removeHandle(easy);
    driver.multi.addHandle(easy);
    await driver.run();
    expect(body().equals(Buffer.concat([content('/one'), content('/two')]))).toBe(true);
  });
});

describe('cleanup', () => {
  it('leaves the Easies usable, may come twice, and every call after it says so', () => {
    const multi = new Multi();
    const { easy } = useGet('nope://');
    multi.addHandle(easy);
    multi.cleanup();
    multi.cleanup();
    const calls = [
      () => multi.addHandle(easy),
      () => multi.removeHandle(easy),
      () => multi.socketAction(CURL_SOCKET_TIMEOUT),
      () => multi.timeout(),
      () => multi.infoRead(),
      () => multi.assign(1, undefined),
      () => multi.setopt('MAXCONNECTS', 1),
      () => multi.setSocketFunction(null),
      () => multi.setTimerFunction(null),
    ];
    for (const call of calls) expect(codeOf(call)).toBe('CURLM_BAD_HANDLE');
    const next = new Multi();
    next.addHandle(easy);
    expect(next.socketAction(CURL_SOCKET_TIMEOUT)).toBe(0);
    next[Symbol.dispose]();
    expect(codeOf(() => next.timeout())).toBe('CURLM_BAD_HANDLE');
  });
});

test('setopt takes the options of a Multi', async () => {
  const multi = new Multi();
  for (const name of Object.keys(MULTI_OPTIONS) as (keyof typeof MULTI_OPTIONS)[]) {
    multi.setopt(name, 2);
  }
  // @ts-expect-error: no such option
  expect(codeOf(() => multi.setopt('SOCKETDATA', 1))).toBe('CURLM_UNKNOWN_OPTION');
  // @ts-expect-error: no such type
  expect(() => multi.setopt('MAXCONNECTS', 'many')).toThrow(TypeError);
  expectTypeOf(multi.setopt).parameter(1).toBeNumber();
  multi.cleanup();

  const origin = await useOrigin();
  const driver = useDriver();
  driver.multi.setopt('MAX_TOTAL_CONNECTIONS', 1);
  for (let i = 0; i < 5; i += 1) driver.multi.addHandle(useGet(origin.url(`/${i}`)).easy);
  expect(await driver.run()).toHaveLength(5);
  expect(origin.peak.connections).toBe(1);
});

test('strerror has the words of libcurl', () => {
  const multi = new Multi();
  expect(multi.strerror(0)).toBe('No error');
  expect(multi.strerror(8)).toMatch(/callback/);
  multi.cleanup();
});
