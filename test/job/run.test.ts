import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { EXIT } from '../../src/errors.ts';
import { fetchAll, type Job } from '../../src/job/fetch.ts';
import type { FetchOptions, Input, Inputs, Retry } from '../../src/job/options.ts';
import type { Outcome } from '../../src/job/outcome.ts';
import { REASON, RECORD_FLAG } from '../../src/native/binding.ts';
import { useTmp } from '../support/tmp.ts';
import { FakeEngine } from './fake-engine.ts';

vi.mock('../../src/native/engine.ts', async () => ({
  Engine: (await import('./fake-engine.ts')).FakeEngine,
}));

const DONE = { reason: REASON.done };
const GONE = { reason: REASON.http, responseCode: 404 };
const BUSY = { reason: REASON.http, responseCode: 503 };

interface Run {
  readonly job: Job;
  readonly outcomes: Outcome[];
  readonly retried: Retry[];
  readonly finished: Promise<void>;
}

const list = (path: string): Input => ({ list: path });

/** A job whose failures are taken as they come. */
function start(inputs: Inputs, options: FetchOptions = {}): Run {
  const outcomes: Outcome[] = [];
  const retried: Retry[] = [];
  const job = fetchAll(inputs, {
    directory: useTmp(),
    outcomes: 'failures',
    onRetry: (retry) => retried.push(retry),
    ...options,
  });
  const take = async () => {
    for await (const outcome of job) outcomes.push(outcome);
  };
  return { job, outcomes, retried, finished: take() };
}

/** A list file of these lines. */
function useList(...lines: (string | string[])[]): string {
  const path = join(useTmp(), 'list.txt');
  writeFileSync(
    path,
    lines
      .flat()
      .map((line) => `${line}\n`)
      .join(''),
  );
  return path;
}

beforeEach(() => {
  FakeEngine.answer = () => DONE;
});

describe('a job', () => {
  it('of nothing is done at once', async () => {
    for (const inputs of [[], [list(useList())], [list(useList('# nothing', ''))]]) {
      const { job, finished } = start(inputs);
      await finished;
      expect(job.stats).toMatchObject({ read: 0, total: 0, readAll: true, exitCode: EXIT.ok });
      expect(FakeEngine.last.added).toEqual([]);
    }
  });

  it('hands every entry of every source to the engine, in order, each with its own name', async () => {
    const { job, outcomes, finished } = start(
      ['http://a/f', list(useList('http://b/f', '# x', 'http://b/')), 'http://c/f'],
      { maxTimeMs: 5000 },
    );
    expect(job.stats.total).toBeUndefined();
    await finished;
    const timeoutMs = 5000;
    const isRetry = false;
    expect(FakeEngine.last.added).toMatchObject([
      { url: 'http://a/f', name: 'f', timeoutMs, isRetry },
      { url: 'http://b/f', name: 'f.2', timeoutMs, isRetry },
      { url: 'http://b/', name: 'index.html', timeoutMs, isRetry },
      { url: 'http://c/f', name: 'f.3', timeoutMs, isRetry },
    ]);
    expect(job.stats).toMatchObject({ read: 4, total: 4, readAll: true, done: 4, exitCode: 0 });
    expect(outcomes).toEqual([]);
  });

  it('makes its directory and tells the engine what it needs', async () => {
    const directory = join(useTmp(), 'a', 'b');
    const request = { insecure: true };
    const { finished } = start([], { directory, request, jobs: 7, maxPerHost: 3, overwrite: true });
    await finished;
    expect(existsSync(directory)).toBe(true);
    expect(FakeEngine.last.options).toEqual({
      ...{ directory, request, jobs: 7, maxPerHost: 3, loops: 0, overwrite: true },
      ...{ keepDetails: false, journal: expect.any(Number), durable: false, keepBad: false },
      ...{ manifest: false, remoteTime: false, xattr: false, remoteName: false },
      ifModified: false,
    });
  });

  it('of URLs alone knows its total from the start', async () => {
    const { job, finished } = start(['http://a/', 'nonsense']);
    expect(job.stats.total).toBe(2);
    await finished;
    expect(job.stats.total).toBe(2);
  });

  it('counts what exists, and what could not be verified', async () => {
    FakeEngine.answer = ({ name }) =>
      name === 'a' ? { reason: REASON.exists } : { ...DONE, flags: RECORD_FLAG.unverified };
    const { job, finished } = start(['http://h/a', 'http://h/b']);
    await finished;
    expect(job.stats).toMatchObject({ done: 1, skipped: 1, unverified: 1, failed: 0, exitCode: 0 });
  });

  it('tells every outcome when asked', async () => {
    FakeEngine.answer = ({ name }) =>
      name === 'a' ? { reason: REASON.exists } : { ...DONE, responseCode: 200, sizeDelivered: 5 };
    const path = useList('', 'http://h/a', 'HTTP://user:secret@h/b');
    const { outcomes, finished } = start(['http://h/c', list(path)], { outcomes: 'all' });
    await finished;
    expect(FakeEngine.last.options.keepDetails).toBe(true);
    expect(outcomes.sort((a, b) => a.urlnum - b.urlnum)).toMatchObject([
      { type: 'done', source: undefined, line: 1, urlnum: 0, name: 'c', exitCode: 0, retries: 0 },
      { type: 'skip', source: path, line: 2, urlnum: 1, name: 'a', skipReason: 'exists' },
      {
        ...{ type: 'done', source: path, line: 3, urlnum: 2, name: 'b' },
        ...{ entry: 'http://h/b', url: 'http://h/b' },
        record: { responseCode: 200, sizeDelivered: 5 },
        details: { urlEffective: 'http://h/b' },
      },
    ]);
    expect(FakeEngine.last.added.at(-1)?.url).toBe('http://user:secret@h/b');
  });

  it('keeps an entry as it was written', async () => {
    const { outcomes, finished } = start([list(useList(' HTTP://h '))], { outcomes: 'all' });
    await finished;
    expect(outcomes).toMatchObject([{ entry: 'HTTP://h', url: 'http://h/' }]);
  });

  it('throws when the engine gives a record that belongs to nothing', async () => {
    FakeEngine.answer = ({ id }) => ({ ...DONE, id: id + 1 });
    const { finished } = start(['http://h/a']);
    FakeEngine.last.end(5, DONE);
    await expect(finished).rejects.toThrow('target 5');
  });
});

describe('a bad line', () => {
  it('is told with its list and number, takes no name, and the rest goes on', async () => {
    const path = useList(
      'http://h/a',
      'user:secret@h/a',
      'ftp://h/a',
      'http://h/\u0001',
      'http://h/a',
    );
    const { job, outcomes, finished } = start([list(path)]);
    await finished;
    const bad = { type: 'fail', kind: 'list', exitCode: EXIT.usage, source: path, name: undefined };
    expect(outcomes).toMatchObject([
      { ...bad, line: 2, urlnum: 1, entry: 'h/a', url: 'h/a', record: undefined },
      { ...bad, line: 3, urlnum: 2, message: expect.stringContaining('--proto +ftp') },
      { ...bad, line: 4, urlnum: 3, message: expect.stringContaining('0x01') },
    ]);
    expect(JSON.stringify(outcomes)).not.toContain('secret');
    expect(FakeEngine.last.added.map(({ name }) => name)).toEqual(['a', 'a.2']);
    expect(job.stats).toMatchObject({ read: 5, done: 2, failed: 3, exitCode: EXIT.usage });
    expect([...job.stats.failures.values()]).toMatchObject([{ kind: 'list', host: '', count: 3 }]);
  });

  it('is an argument with a control character, too', async () => {
    const { job, outcomes, finished } = start(['http://h/\n', 'http://h/a']);
    await finished;
    expect(outcomes).toMatchObject([{ line: 1, source: undefined, kind: 'list' }]);
    expect(job.stats.done).toBe(1);
  });
});

describe('schemes', () => {
  it('are those of --proto', async () => {
    const { job, finished } = start(['ftp://h/a', 'http://h/a'], {
      request: { protocols: ['ftp'] },
    });
    await finished;
    expect(job.stats).toMatchObject({ done: 1, failed: 1 });
    expect(FakeEngine.last.added).toMatchObject([{ url: 'ftp://h/a' }]);
  });
});

describe('failures', () => {
  it('are told, grouped by kind and host, and the lowest exit code wins', async () => {
    FakeEngine.answer = ({ name }) =>
      name === 'tls'
        ? { reason: REASON.transfer, result: 60, error: 'self-signed certificate' }
        : { ...GONE, urlEffective: 'https://user:secret@moved:8443/x' };
    const { job, outcomes, finished } = start(['http://h/1', 'https://h/tls', 'http://h/2']);
    await finished;
    expect(outcomes).toMatchObject([
      {
        name: '1',
        kind: 'http',
        exitCode: EXIT.server,
        details: { urlEffective: 'https://moved:8443/x' },
      },
      {
        name: 'tls',
        kind: 'tls',
        exitCode: EXIT.tls,
        message: expect.stringContaining('self-signed'),
      },
      { name: '2', kind: 'http', record: { responseCode: 404 } },
    ]);
    expect([...job.stats.failures.values()]).toMatchObject([
      { kind: 'http', host: 'https://moved:8443', count: 2, example: { name: '1' } },
      { kind: 'tls', host: 'https://h', count: 1 },
    ]);
    expect(job.stats).toMatchObject({ done: 0, failed: 3, mayPass: 0, exitCode: EXIT.tls });
  });

  it('on ever more hosts take no more memory', async () => {
    FakeEngine.answer = () => GONE;
    const lines = Array.from({ length: 10_050 }, (_, index) => `http://host${index}/`);
    const { job, finished } = start([list(useList(lines))]);
    await finished;
    expect(job.stats.failures.size).toBe(10_001);
    expect(job.stats.failures.get('http other')?.count).toBe(50);
  });
});

describe('a retry', () => {
  beforeEach(() => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
  });

  it('goes to the engine again with the same id and name, ahead of others', async () => {
    FakeEngine.answer = (_, attempt) => (attempt < 3 ? BUSY : DONE);
    const { job, outcomes, retried, finished } = start(['http://h/a'], { outcomes: 'all' });
    await finished;
    const again = { id: 0, url: 'http://h/a', name: 'a', isRetry: true };
    expect(FakeEngine.last.added).toMatchObject([{ ...again, isRetry: false }, again, again]);
    expect(job.stats).toMatchObject({ read: 1, done: 1, failed: 0, retries: 2, sleeping: 0 });
    expect(outcomes).toMatchObject([{ type: 'done', retries: 2 }]);
    expect(retried).toMatchObject([
      { url: 'http://h/a', attempt: 2, delayMs: 0, message: 'the server answered 503' },
      { url: 'http://h/a', attempt: 3 },
    ]);
  });

  it('is given up after so many', async () => {
    FakeEngine.answer = () => BUSY;
    const { job, outcomes, finished } = start(['http://h/a'], {
      retry: { attempts: 2 },
    });
    await finished;
    expect(FakeEngine.last.added).toHaveLength(3);
    expect(outcomes).toMatchObject([{ type: 'fail', kind: 'http', retries: 2, name: 'a' }]);
    expect(job.stats).toMatchObject({ failed: 1, mayPass: 1, retries: 2, exitCode: EXIT.server });
  });

  it('sleeps, pauses the host when the server asks, and the job waits for it', async () => {
    const urlEffective = 'http://moved/a';
    FakeEngine.answer = (_, attempt) =>
      attempt === 1 ? { ...BUSY, retryAfterMs: 300, urlEffective } : DONE;
    const startedMs = performance.now();
    let sleeping = 0;
    const run = start(['http://h/a'], {
      onRetry: () => {
        sleeping = run.job.stats.sleeping;
      },
    });
    await run.finished;
    expect(performance.now() - startedMs).toBeGreaterThan(295);
    expect(FakeEngine.last.paused).toEqual([[urlEffective, 300]]);
    expect(sleeping).toBe(1);
    expect(run.job.stats).toMatchObject({ done: 1, retries: 1, sleeping: 0 });
  });

  it('has what is left of --max-time', async () => {
    FakeEngine.answer = (_, attempt) =>
      attempt === 1 ? { ...BUSY, timeTotalUs: 1_500_000 } : DONE;
    const { finished } = start(['http://h/a'], { maxTimeMs: 5000 });
    await finished;
    expect(FakeEngine.last.added.map(({ timeoutMs }) => timeoutMs)).toEqual([5000, 3500]);
  });
});

describe('a long list', () => {
  const LINES = 200_000;
  const longList = () => useList(Array.from({ length: LINES }, (_, index) => `http://h/${index}`));

  it('is never in memory: 64 Ki targets are in flight at most, and ids are used again', async () => {
    const { job, finished } = start([list(longList())]);
    await finished;
    const engine = FakeEngine.last;
    expect(job.stats).toMatchObject({ read: LINES, done: LINES, total: LINES });
    expect(engine.batches[0]).toBeLessThanOrEqual(64);
    expect(Math.max(...engine.batches)).toBeLessThanOrEqual(4096);
    expect(engine.mostInFlight).toBeLessThanOrEqual(65_536);
    expect(engine.added.reduce((most, { id }) => Math.max(most, id), 0)).toBeLessThan(65_536);
    expect(engine.added.every(({ name }, index) => name === String(index))).toBe(true);
  });

  it('is counted ahead while its beginning is in flight, with the inputs after it', async () => {
    FakeEngine.answer = () => undefined;
    const { job, finished } = start(['http://h/x', list(longList()), 'http://h/y']);
    await vi.waitFor(() => expect(job.stats.total).toBe(LINES + 2), { timeout: 10_000 });
    expect(job.stats).toMatchObject({ read: 65_536, readAll: false });
    job.stop();
    await finished;
  });

  it('is read on when half of the window is free, and not before', async () => {
    FakeEngine.answer = () => undefined;
    const { job, finished } = start([list(longList())]);
    await vi.waitFor(() => expect(job.stats.read).toBe(65_536), { timeout: 10_000 });
    const engine = FakeEngine.last;
    for (let id = 0; id < 30_000; id += 1) {
      engine.end(id, DONE);
    }
    await vi.waitFor(() => expect(job.stats.done).toBe(30_000));
    expect(job.stats.read).toBe(65_536);
    for (let id = 30_000; id < 35_000; id += 1) {
      engine.end(id, DONE);
    }
    await vi.waitFor(() => expect(job.stats.read).toBe(65_536 + 35_000));
    job.stop();
    await finished;
  });
});

describe('stop', () => {
  it('ends what runs, cancels what sleeps, starts nothing more, and tells no outcome of it', async () => {
    FakeEngine.answer = ({ name }) =>
      name === 'b' ? { ...BUSY, retryAfterMs: 60_000 } : undefined;
    const { job, outcomes, finished } = start(['http://h/a', 'http://h/b']);
    await vi.waitFor(() => expect(job.stats.sleeping).toBe(1));
    job.stop();
    job.stop();
    await finished;
    expect(FakeEngine.last.isStopped).toBe(true);
    expect(FakeEngine.last.added).toHaveLength(2);
    expect(outcomes).toEqual([]);
    expect(job.stats).toMatchObject({ done: 0, failed: 0, sleeping: 0, exitCode: EXIT.ok });
  });

  it('still counts what was done in time', async () => {
    FakeEngine.answer = () => undefined;
    const { job, finished } = start(['http://h/a', 'http://h/b']);
    await vi.waitFor(() => expect(FakeEngine.last.added).toHaveLength(2));
    FakeEngine.last.end(0, DONE);
    FakeEngine.last.end(1, BUSY);
    job.stop();
    await finished;
    expect(job.stats).toMatchObject({ done: 1, failed: 0, retries: 0 });
  });

  it('does not wait for a list that says nothing', async () => {
    const path = join(useTmp(), 'fifo');
    execFileSync('mkfifo', [path]);
    const writer = openSync(path, 'r+');
    onTestFinished(() => closeSync(writer));
    writeSync(writer, 'http://h/a\n');
    const { job, finished } = start([list(path)]);
    await vi.waitFor(() => expect(job.stats.done).toBe(1));
    job.stop();
    await finished;
    expect(job.stats.readAll).toBe(false);
  });
});
