import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { McurlError, UsageError } from '../../src/errors.ts';
import { planAll } from '../../src/job/dry-run.ts';
import { fetchAll } from '../../src/job/fetch.ts';
import type { FetchOptions, Input, Inputs } from '../../src/job/options.ts';
import { REASON } from '../../src/native/binding.ts';
import { useTmp } from '../support/tmp.ts';
import { FakeEngine } from './fake-engine.ts';

vi.mock('../../src/native/engine.ts', async () => ({
  Engine: (await import('./fake-engine.ts')).FakeEngine,
}));

const DONE = { reason: REASON.done };

function start(inputs: Inputs, options: FetchOptions = {}) {
  return fetchAll(inputs, { directory: useTmp(), ...options });
}

/** So many URLs, and how many of them were taken. */
function urls(count: number) {
  const source = {
    taken: 0,
    isLeft: false,
    async *[Symbol.asyncIterator]() {
      try {
        for (; source.taken < count; source.taken += 1) yield `http://h/${source.taken}`;
      } finally {
        source.isLeft = true;
      }
    },
  };
  return source;
}

beforeEach(() => {
  FakeEngine.answer = () => DONE;
});

describe('the outcomes', () => {
  it('are those of all inputs, of any kind', async () => {
    const list = join(useTmp(), 'list.txt');
    writeFileSync(list, 'http://h/l\n');
    const inputs: Input[] = ['http://h/s', new URL('http://h/u'), { list }];
    const names = [];
    for await (const { name } of start([...inputs, { url: 'http://h/e', output: 'x' }])) {
      names.push(name);
    }
    expect(names).toEqual(['s', 'u', 'l', 'x']);
  });

  it.each<[string, () => Inputs]>([
    ['a Set', () => new Set(['http://h/a', 'http://h/b'])],
    ['a generator', () => ['http://h/a', 'http://h/b'].values()],
    ['an async generator', () => urls(2)],
  ])('may be of %s', async (_, inputs) => {
    const job = start(inputs());
    expect(job.stats.total).toBeUndefined();
    for await (const { type } of job) expect(type).toBe('done');
    expect(job.stats).toMatchObject({ done: 2, total: 2 });
  });

  it('are only failures when asked', async () => {
    FakeEngine.answer = ({ name }) => (name === 'b' ? { reason: REASON.http } : DONE);
    const job = start(['http://h/a', 'http://h/b'], { outcomes: 'failures' });
    const names = [];
    for await (const { name } of job) names.push(name);
    expect(names).toEqual(['b']);
    expect(FakeEngine.last.options.keepDetails).toBe(false);
  });

  it('hold up the reading while nobody takes them', async () => {
    const source = urls(100_000);
    const job = start(source);
    // A window of targets, and those that made room by the outcomes that lie here.
    await vi.waitFor(() => expect(source.taken).toBeGreaterThanOrEqual(32_767), {
      timeout: 10_000,
    });
    const { taken } = source;
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(source.taken).toBe(taken);
    expect(taken).toBeLessThan(40_000);
    let count = 0;
    for await (const _ of job) count += 1;
    expect(count).toBe(100_000);
  });

  it('may be asked for side by side', async () => {
    const job = start(['http://h/a', 'http://h/b']);
    const [first, second, third] = await Promise.all([job.next(), job.next(), job.next()]);
    expect([first.value?.name, second.value?.name, third.done]).toEqual(['a', 'b', true]);
  });
});

describe('the engine is closed', () => {
  it('when every target has ended, and the outcomes still wait to be taken', async () => {
    const job = start(['http://h/a', 'http://h/b']);
    await vi.waitFor(() => expect(FakeEngine.last.isClosed).toBe(true));
    const names = [];
    for await (const { name } of job) names.push(name);
    expect(names).toEqual(['a', 'b']);
    expect(job.jobs).toBe(7);
    expect(await job.next()).toEqual({ done: true, value: undefined });
  });

  it('not while a target runs', async () => {
    FakeEngine.answer = ({ name }) => (name === 'a' ? DONE : undefined);
    const job = start(['http://h/a', 'http://h/b']);
    expect((await job.next()).value?.name).toBe('a');
    expect(FakeEngine.last.isClosed).toBe(false);
    await job.close();
  });

  it('by leaving the block of an `await using`', async () => {
    FakeEngine.answer = () => undefined;
    const job = start(['http://h/a']);
    await job[Symbol.asyncDispose]();
    expect(FakeEngine.last.isClosed).toBe(true);
  });

  it('when the loop is left early, which ends the reading too', async () => {
    FakeEngine.answer = ({ name }) => (name === '0' ? DONE : undefined);
    const source = urls(1e9);
    for await (const _ of start(source)) break;
    expect(FakeEngine.last).toMatchObject({ isStopped: true, isClosed: true });
    await vi.waitFor(() => expect(source.isLeft).toBe(true));
  });

  it('by return and close, also when nobody ever asked for an outcome', async () => {
    FakeEngine.answer = () => undefined;
    for (const end of ['return', 'close'] as const) {
      const job = start(['http://h/a']);
      await job[end]();
      expect(FakeEngine.last.isClosed).toBe(true);
      expect(await job.next()).toEqual({ done: true, value: undefined });
    }
  });

  it('by return while next is waiting', async () => {
    FakeEngine.answer = () => undefined;
    const job = start(['http://h/a']);
    const next = job.next();
    await job.return();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(FakeEngine.last.isClosed).toBe(true);
  });
});

describe('the signal', () => {
  it('stops the job; what ended in time comes, then its reason', async () => {
    FakeEngine.answer = () => undefined;
    const abort = new AbortController();
    const job = start(['http://h/a', 'http://h/b'], { signal: abort.signal });
    await vi.waitFor(() => expect(FakeEngine.last.added).toHaveLength(2));
    FakeEngine.last.end(0, DONE);
    abort.abort(new Error('enough'));
    const names: unknown[] = [];
    await expect(async () => {
      for await (const { name } of job) names.push(name);
    }).rejects.toThrow('enough');
    expect(names).toEqual(['a']);
    expect(FakeEngine.last.isClosed).toBe(true);
  });

  it('aborted when every target has ended changes nothing', async () => {
    const abort = new AbortController();
    const job = start(['http://h/a', 'http://h/b'], { signal: abort.signal });
    await vi.waitFor(() => expect(job.stats.done).toBe(2));
    abort.abort();
    let count = 0;
    for await (const _ of job) count += 1;
    expect(count).toBe(2);
  });

  it('that is aborted already lets nothing start', () => {
    expect(() => start([], { signal: AbortSignal.abort() })).toThrow(/abort/i);
  });

  it('is let go of at the end', async () => {
    const { signal } = new AbortController();
    const remove = vi.spyOn(signal, 'removeEventListener');
    for await (const _ of start(['http://h/a'], { signal }));
    expect(remove).toHaveBeenCalled();
  });
});

describe('sample', () => {
  it('tells what is in flight, without passwords', async () => {
    FakeEngine.answer = () => undefined;
    const job = start(['http://user:secret@h/a', 'http://h/b']);
    onTestFinished(() => job.close());
    await vi.waitFor(() => expect(FakeEngine.last.added).toHaveLength(2));
    expect(job.sample()).toEqual({ bytes: 20, running: 2, transfers: [] });
    const numbers = { received: 10, expected: 20, ageMs: 1000 };
    expect(job.sample(9).transfers).toEqual([
      { id: 0, url: 'http://h/a', name: 'a', ...numbers },
      { id: 1, url: 'http://h/b', name: 'b', ...numbers },
    ]);
    expect(job.jobs).toBe(7);
  });

  it('still tells the bytes when the job is closed', async () => {
    FakeEngine.answer = () => undefined;
    const job = start(['http://h/a']);
    await vi.waitFor(() => expect(FakeEngine.last.added).toHaveLength(1));
    await job.close();
    expect(job.sample(9)).toEqual({ bytes: 10, running: 0, transfers: [] });
  });
});

describe('an error of the inputs', () => {
  it('ends the iteration after what came before it', async () => {
    async function* inputs() {
      yield 'http://h/a';
      await vi.waitFor(() => expect(job.stats.done).toBe(1));
      throw new Error('no more URLs');
    }
    const job = start(inputs());
    expect((await job.next()).value).toMatchObject({ name: 'a' });
    await expect(job.next()).rejects.toThrow('no more URLs');
    expect(FakeEngine.last.isClosed).toBe(true);
  });

  it('is an input that is none', async () => {
    const job = start([42 as unknown as string]);
    await expect(job.next()).rejects.toThrow(/input 1 is number/);
    expect(() => start('http://h/a')).toThrow(/array/);
  });
});

describe('a job cannot start', () => {
  it.each<[string, readonly Input[], RegExp]>([
    ['a path as name', [{ url: 'http://h/a', output: '../x' }], /without a path/],
    ['a name too long', [{ url: 'http://h/a', output: 'x'.repeat(251) }], /250 bytes/],
    ['a missing list', ['http://h/a', { list: '/nowhere' }], /no list file \/nowhere/],
    ['a directory as list', [{ list: '/tmp' }], /is a directory/],
    ['stdin twice', [{ list: '-' }, { list: '-' }], /only once/],
  ])('with %s', (_, inputs, message) => {
    expect(() => start(inputs)).toThrow(UsageError);
    expect(() => start(inputs)).toThrow(message);
  });

  it('with an option that there is not', async () => {
    const refused = { code: 'ERR_MCURL_OPTION', message: expect.stringContaining('job is no') };
    const options = { job: 5 } as FetchOptions;
    expect(() => start([], options)).toThrow(expect.objectContaining(refused));
    await expect(planAll([], options).next()).rejects.toMatchObject(refused);
  });

  it('in a directory that is a file', () => {
    const directory = join(useTmp(), 'file');
    writeFileSync(directory, '');
    const attempt = () => start([], { directory });
    expect(attempt).toThrow(McurlError);
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_MCURL_DIRECTORY' }));
  });

  it('but a name that comes later and is none is a failure', async () => {
    const inputs = [{ url: 'http://h/a', output: 'x.part' }].values();
    expect((await start(inputs).next()).value).toMatchObject({ kind: 'list', exitCode: 2 });
  });
});
