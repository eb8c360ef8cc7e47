import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { EXIT } from '../../src/errors.ts';
import { fetchAll, type Job } from '../../src/job/fetch.ts';
import { bootId } from '../../src/job/journal.ts';
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

describe('the journal', () => {
  const linesOf = (directory: string) =>
    readFileSync(join(directory, '.mcurl-journal'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  /** A journal as a killed run leaves it. */
  function useJournal(...lines: object[]): string {
    const directory = useTmp();
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    const text = [{ job: 1, boot, at: '' }, ...lines].map((line) => JSON.stringify(line));
    writeFileSync(join(directory, '.mcurl-journal'), `${text.join('\n')}\n`);
    return directory;
  }

  it('gets the ends, and is gone when all went well', async () => {
    const directory = useTmp();
    FakeEngine.answer = ({ name }) => (name === 'b' ? GONE : { ...DONE, sizeDelivered: 7 });
    const inputs = ['http://h/a', 'http://h/b'];
    await start(inputs, { directory }).finished;
    expect(linesOf(directory)).toEqual([
      expect.objectContaining({ job: 1 }),
      { done: 0, size: 7 },
      expect.objectContaining({ fail: 1, kind: 'http', code: 8 }),
    ]);
    FakeEngine.answer = () => DONE;
    await start(inputs, { directory }).finished;
    expect(existsSync(join(directory, '.mcurl-journal'))).toBe(false);
  });

  it('stays when the job was stopped, even if all was done by then', async () => {
    const directory = useTmp();
    FakeEngine.answer = () => undefined;
    const { job, finished } = start(['http://h/a'], { directory });
    await vi.waitFor(() => expect(FakeEngine.last.added).toHaveLength(1));
    FakeEngine.last.end(0, DONE);
    job.stop();
    await finished;
    expect(job.stats).toMatchObject({ read: 1, done: 1 });
    expect(linesOf(directory)).toContainEqual({ done: 0, size: 0 });
  });

  it('is gone, too, when nothing was ever planned', async () => {
    const directory = useTmp();
    await start(['no URL'], { directory }).finished;
    expect(existsSync(join(directory, '.mcurl-journal'))).toBe(false);
  });

  describe('of a file whose name a server chose', () => {
    const FOUND = {
      ...DONE,
      flags: RECORD_FLAG.unnamed,
      texts: { contentDisposition: 'attachment; filename="x.pdf"' },
    };
    /** What a kill leaves before x.pdf has its name, or just after. */
    const useNamed = (file: string) => {
      const directory = useJournal(
        { plan: 0, entry: 'http://h/a', name: 'a' },
        { began: 0, name: 'a', version: '5\t"e"\t', total: 5 },
        { named: 0, name: 'x.pdf' },
      );
      writeFileSync(join(directory, file), 'whole');
      return directory;
    };

    it('has the name before the file has it', async () => {
      const directory = useTmp();
      FakeEngine.answer = () => FOUND;
      FakeEngine.publishing = { osErrno: constants.errno.ENOSPC, error: 'cannot write x.pdf' };
      onTestFinished(() => {
        FakeEngine.publishing = undefined;
      });
      await start(['http://h/a'], { directory, remoteName: true }).finished;
      expect(linesOf(directory)[1]).toEqual({ named: 0, name: 'x.pdf' });
    });

    it('keeps the name for the body that waits for it', async () => {
      const directory = useNamed('a.part');
      FakeEngine.answer = () => FOUND;
      const inputs = ['http://h/b', 'http://h/a'];
      await start(inputs, { directory, remoteName: true }).finished;
      expect(FakeEngine.last.added).toMatchObject([
        { name: 'b' },
        { name: 'a', extras: { version: '5\t"e"\t' } },
      ]);
      expect(FakeEngine.last.published).toEqual([
        ['b', 'x.2.pdf', false],
        ['a', 'x.pdf', false],
      ]);
    });

    it('replaces the file that has it when the machine was started since', async () => {
      const directory = useNamed('x.pdf');
      const journal = join(directory, '.mcurl-journal');
      const text = readFileSync(journal, 'utf8');
      writeFileSync(journal, text.replace(/"boot":"[^"]*"/, '"boot":"another"'));
      FakeEngine.answer = () => FOUND;
      await start(['http://h/a'], { directory, remoteName: true }).finished;
      expect(FakeEngine.last.published).toEqual([['x.pdf', 'x.pdf', true]]);
    });

    it('looks for the file under it', async () => {
      const directory = useNamed('x.pdf');
      FakeEngine.answer = () => ({ reason: REASON.exists });
      await start(['http://h/a'], { directory, remoteName: true }).finished;
      expect(FakeEngine.last.added).toMatchObject([{ name: 'x.pdf' }]);
    });

    it('tells when it ended under another', async () => {
      const directory = useNamed('a.part');
      FakeEngine.answer = ({ name }) => (name === 'a' ? DONE : GONE);
      await start(['http://h/a', 'http://h/b'], { directory }).finished;
      expect(linesOf(directory).slice(4)).toContainEqual({ named: 0, name: 'a' });
    });
  });

  it('is let go only when it has been read, however early the job is closed', async () => {
    const directory = useJournal({ plan: 0, entry: 'http://h/a', name: 'a' });
    const job = fetchAll(['http://h/a'], { directory });
    await job.close();
    expect(FakeEngine.last.added).toEqual([]);
    expect(linesOf(directory)[1]).toEqual({ plan: 0, entry: 'http://h/a', name: 'a' });
    await start(['http://h/a'], { directory }).finished;
  });

  it('says of each entry its number, its name, and what is known of its file', async () => {
    const directory = useJournal(
      { plan: 0, entry: 'http://h/x/f', name: 'f' },
      { plan: 1, entry: 'http://h/y/f', name: 'f.2' },
      { plan: 2, entry: 'http://h/z/f', name: 'f.3' },
      { done: 0, size: 9 },
      { began: 1, name: 'f.2', version: '5\t"e"\t', total: 5 },
    );
    const inputs = ['y', 'new', 'x'].map((path) => `http://h/${path}/f`);
    const run = start([...inputs, { url: 'http://h/o', output: 'f.2' }], { directory });
    await run.finished;
    const known = { isJournalled: true, url: expect.any(String) };
    expect(FakeEngine.last.added).toMatchObject([
      { ...known, serial: 1, name: 'f.2', extras: { version: '5\t"e"\t' } },
      { serial: 3, name: 'f.4', isJournalled: false },
      { ...known, serial: 0, name: 'f', extras: { doneBytes: 9 } },
      { serial: 4, name: 'f.2.2', extras: { entry: 'http://h/o\n out=f.2' } },
    ]);
    expect(FakeEngine.last.added[0]?.extras).not.toHaveProperty('trustedBytes');
  });

  it('of another boot is trusted as far as it was on the disk', async () => {
    const directory = useJournal(
      { plan: 1, entry: 'http://h/b', name: 'b' },
      { job: 1, boot: 'another', at: '' },
      { began: 1, name: 'b', version: '5\t"e"\t', total: 5 },
      { durable: 1, size: 3 },
    );
    await start(['http://h/b'], { directory, resumeBy: 'size' }).finished;
    expect(FakeEngine.last.added.map(({ extras }) => extras)).toEqual([
      { version: '5\t"e"\t', resumeBy: 'size', trustedBytes: 3 },
    ]);
  });

  it('has an entry planned again when its mirrors or its checksum changed', async () => {
    const checksum = `md5=${'0'.repeat(32)}`;
    const directory = useJournal(
      { plan: 0, entry: 'http://h/a\thttp://m/a', name: 'a.2' },
      { began: 0, name: 'a.2', version: '5\t"e"\tdate', total: 5 },
      { plan: 1, entry: `http://h/b\n checksum=${checksum}`, name: 'b' },
      { plan: 2, entry: `http://h/c\n checksum=${checksum}`, name: 'c' },
    );
    const text = `http://h/c\n checksum=${checksum}`;
    await start(['http://h/a', 'http://h/b', { url: 'http://h/c', checksum }], { directory })
      .finished;
    expect(FakeEngine.last.added).toMatchObject([
      { serial: 0, name: 'a.2', isJournalled: false, extras: { version: '5\t"e"\t\t' } },
      { serial: 1, name: 'b', isJournalled: false, extras: { version: '' } },
      { serial: 2, name: 'c', isJournalled: true, extras: { entry: text, checksum } },
    ]);
  });

  it('of another boot vouches for no file that it has not done', async () => {
    const directory = useJournal(
      { job: 1, boot: 'another', at: '' },
      { plan: 4, entry: 'http://h/before', name: 'before' },
      { fail: 4, kind: 'http', code: 8, message: 'x' },
      { job: 1, boot: 'another', at: '' },
      ...['open', 'failed', 'done'].map((name, at) => {
        return { plan: at + 1, entry: `http://h/${name}`, name };
      }),
      { fail: 2, kind: 'http', code: 8, message: 'x' },
      { done: 3, size: 9 },
      { job: 1, boot: bootId(), at: '' },
      { plan: 0, entry: 'http://h/now', name: 'now' },
    );
    // It failed and no run came after: what has its name is none of ours. Of one that failed before nobody knows.
    const names = ['now', 'open', 'failed', 'done', 'before', 'new'];
    await start(
      names.map((name) => `http://h/${name}`),
      { directory },
    ).finished;
    expect(FakeEngine.last.added.map(({ extras }) => extras)).toEqual([
      undefined,
      { mayReplace: true },
      undefined,
      { doneBytes: 9 },
      { mayReplace: true },
      undefined,
    ]);
  });

  it.each([true, false])(
    'stays while it has what is not done of another list: %s',
    async (isDone) => {
      const directory = useJournal(
        { plan: 0, entry: 'http://h/a', name: 'a' },
        { plan: 1, entry: 'http://h/other', name: 'other' },
        ...(isDone ? [{ done: 1, size: 9 }] : []),
      );
      const run = start(['http://h/a', 'http://h/new'], { directory });
      await run.finished;
      expect(run.job.stats.done).toBe(2);
      expect(existsSync(join(directory, '.mcurl-journal'))).toBe(!isDone);
    },
  );

  it('has --overwrite fetch all again, and a killed one go on', async () => {
    const directory = useJournal(
      { plan: 0, entry: 'http://h/a', name: 'a' },
      { done: 0, size: 9 },
      { plan: 1, entry: 'http://h/b', name: 'b' },
      { done: 1, size: 9 },
    );
    const added = () => FakeEngine.last.added.map(({ extras }) => extras?.doneBytes);
    const inputs = ['http://h/a', 'http://h/b'];
    FakeEngine.answer = ({ name }) => (name === 'a' ? { ...DONE, sizeDelivered: 7 } : undefined);
    const run = start(inputs, { directory, overwrite: true });
    await vi.waitFor(() => expect(run.job.stats.done).toBe(1));
    run.job.stop();
    await run.finished;
    expect(added()).toEqual([undefined, undefined]);

    FakeEngine.answer = ({ name }) => (name === 'a' ? { reason: REASON.exists } : GONE);
    await start(inputs, { directory, overwrite: true }).finished;
    expect(added()).toEqual([7, undefined]);
    expect(linesOf(directory).filter(({ renew }) => renew !== undefined)).toEqual([
      { renew: true },
      { renew: false },
    ]);

    await start(inputs, { directory, overwrite: true }).finished;
    expect(added()).toEqual([undefined, undefined]);
  });

  it('is written before an outcome is told, with durable', async () => {
    const directory = useTmp();
    FakeEngine.answer = ({ name }) => (name === 'b' ? GONE : DONE);
    const job = fetchAll(['http://h/b', 'http://h/a'], { directory, durable: true });
    const told = [];
    for await (const { type } of job) {
      told.push(type);
      if (type === 'done') expect(linesOf(directory)).toContainEqual({ done: 1, size: 0 });
    }
    expect(told).toEqual(['fail', 'done']);
    expect(FakeEngine.last.options.durable).toBe(true);
  });

  describe('of a file that must have a checksum', () => {
    const checksum = 'md5=900150983cd24fb0d6963f7d28e17f72';
    const inputs = [{ url: 'http://h/a', checksum }, 'http://h/gone'];
    const answer = (reason: number) => (target: { name: string }) =>
      target.name === 'gone' ? GONE : { reason, sizeDelivered: 3 };

    it('tells that it has it, so that it is not hashed again', async () => {
      const directory = useTmp();
      FakeEngine.answer = answer(REASON.done);
      await start(inputs, { directory }).finished;
      const done = { done: 0, size: 3, digest: checksum };
      expect(linesOf(directory)).toContainEqual(done);
      // Hashing would find no file.
      const plan = { plan: 0, entry: `http://h/a\n checksum=${checksum}`, name: 'a' };
      const known = useJournal(plan, done);
      FakeEngine.answer = answer(REASON.exists);
      const { job, finished } = start(inputs, { directory: known });
      await finished;
      expect(job.stats).toMatchObject({ skipped: 1, failed: 1, exitCode: EXIT.server });
    });

    it.each([
      ['another one', [{ done: 0, size: 3, digest: `md5=${'0'.repeat(32)}` }]],
      ['none', [{ done: 0, size: 3 }]],
      [
        'it, but it was begun again',
        [
          { done: 0, size: 3, digest: checksum },
          { began: 0, name: 'a', version: '' },
        ],
      ],
      [
        'it, but is of a run before --overwrite',
        [{ done: 0, size: 3, digest: checksum }, { renew: true }],
      ],
    ])('has it hashed when it tells %s', async (_, lines) => {
      const plan = { plan: 0, entry: `http://h/a\n checksum=${checksum}`, name: 'a' };
      const directory = useJournal(plan, ...lines);
      writeFileSync(join(directory, 'a'), 'abd');
      FakeEngine.answer = answer(REASON.exists);
      const wrong = start(inputs, { directory });
      await wrong.finished;
      expect(wrong.outcomes.map(({ kind }) => kind).sort()).toEqual(['http', 'integrity']);
      expect(wrong.job.stats).toMatchObject({ skipped: 0, failed: 2 });
      writeFileSync(join(directory, 'a'), 'abc');
      const right = start(inputs, { directory });
      await right.finished;
      expect(right.job.stats).toMatchObject({ skipped: 1, failed: 1 });
      expect(linesOf(directory)).toContainEqual({ done: 0, size: 3, digest: checksum });
    });
  });

  it('knows the size of what was there', async () => {
    const directory = useTmp();
    writeFileSync(join(directory, 'a'), 'there');
    FakeEngine.answer = ({ name }) => (name === 'a' ? { reason: REASON.exists } : GONE);
    await start(['http://h/a', 'http://h/b'], { directory }).finished;
    expect(linesOf(directory)).toContainEqual({ done: 0, size: 5 });
  });

  it.each<[string, Input[]]>([
    ['without a list', []],
    [
      'with one',
      ['http://h/a', { url: 'http://h/b', mirrors: ['http://m/b'], output: 'c' }, 'http://h/new'],
    ],
  ])('stays after --only-failed %s, which plans nothing that is done', async (_, inputs) => {
    const directory = useJournal(
      { plan: 0, entry: 'http://h/a', name: 'a' },
      { done: 0, size: 9 },
      { plan: 1, entry: 'http://h/b\thttp://m/b\n out=c', name: 'c' },
      { fail: 1, kind: 'http', code: 8, message: 'x' },
    );
    const run = start(inputs, { directory, onlyFailed: true });
    await run.finished;
    expect(FakeEngine.last.added).toMatchObject([{ url: 'http://h/b', name: 'c', serial: 1 }]);
    expect(run.job.stats).toMatchObject({ read: 1, done: 1 });
    expect(existsSync(join(directory, '.mcurl-journal'))).toBe(true);
  });
});

describe('a retry continues', () => {
  beforeEach(() => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
  });

  const version = '9\t"e"\tWed, 01 Jan 2020 00:00:00 GMT\t7-1.5';
  const BROKEN = { reason: REASON.transfer, result: 56, sizeDelivered: 4, texts: { version } };
  const again = () => FakeEngine.last.added[1];

  it('what the attempt before left, of the same URL', async () => {
    FakeEngine.answer = (_, attempt) => (attempt === 1 ? BROKEN : DONE);
    await start(['http://h/a'], { resumeBy: 'size' }).finished;
    expect(again()).toMatchObject({ extras: { version, resumeBy: 'size' } });
  });

  it('nothing when the checksum was wrong', async () => {
    const wrong = { ...BROKEN, reason: REASON.integrity, resumedFrom: 3 };
    FakeEngine.answer = (_, attempt) => (attempt === 1 ? wrong : DONE);
    await start([{ url: 'http://h/a', checksum: `md5=${'0'.repeat(32)}` }]).finished;
    expect(again()).toMatchObject({ extras: { version: '' } });
  });

  it.each([
    ['by a strong ETag', version, undefined, { version: '9\t"e"\t\t7-1.5' }],
    ['not by a date', '9\t\tWed', undefined, { version: '' }],
    ['by a checksum', '9\t\t', `md5=${'0'.repeat(32)}`, { version: '9\t\t', resumeBy: 'size' }],
  ])('with a mirror %s', async (_, version, checksum, extras) => {
    FakeEngine.answer = ({ url }) =>
      url === 'http://h/a' ? { ...BROKEN, texts: { version } } : DONE;
    const input = { url: 'http://h/a', mirrors: ['http://m/x'] };
    await start([checksum === undefined ? input : { ...input, checksum }]).finished;
    expect(again()).toMatchObject({ url: 'http://m/x', name: 'a', extras });
  });
});

describe('a body that the server names', () => {
  const UNNAMED = { ...DONE, flags: RECORD_FLAG.unnamed };
  const named = (name: string) => ({
    ...UNNAMED,
    texts: { contentDisposition: `attachment; filename="${name}"` },
  });
  beforeEach(() => {
    FakeEngine.publishing = undefined;
  });

  it('gets that name, made safe and unique', async () => {
    FakeEngine.answer = ({ name }) => named(name === 'c' ? '..' : 'x.pdf');
    const inputs = ['a', 'b', 'c'].map((name) => `http://h/${name}`);
    const run = start(inputs, { remoteName: true, outcomes: 'all' });
    await run.finished;
    expect(FakeEngine.last.published).toEqual([
      ['a', 'x.pdf', false],
      ['b', 'x.2.pdf', false],
      ['c', 'c', false],
    ]);
    expect(run.outcomes.map(({ name }) => name)).toEqual(['x.pdf', 'x.2.pdf', 'c']);
  });

  it('keeps the name that the user gave it', async () => {
    FakeEngine.answer = () => named('x.pdf');
    await start([{ url: 'http://h/a', output: 'mine' }, 'http://h/b'], { remoteName: true })
      .finished;
    expect(FakeEngine.last.published.map(([, name]) => name)).toEqual(['mine', 'x.pdf']);
  });

  it('is skipped when a file of that name is there, and fails when it cannot get it', async () => {
    FakeEngine.answer = () => named('x');
    FakeEngine.publishing = { osErrno: constants.errno.EEXIST, error: 'x exists' };
    const skipped = start(['http://h/a'], { remoteName: true, outcomes: 'all' });
    await skipped.finished;
    expect(skipped.outcomes).toMatchObject([{ type: 'skip', skipReason: 'exists', name: 'x' }]);
    FakeEngine.publishing = { osErrno: constants.errno.ENOSPC, error: 'cannot write x' };
    const failed = start(['http://h/a'], { remoteName: true });
    await failed.finished;
    expect(failed.outcomes).toMatchObject([{ kind: 'local', message: 'cannot write x' }]);
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
    expect(engine.mostInFlight).toBeLessThanOrEqual(32_768);
    expect(engine.added.reduce((most, { id }) => Math.max(most, id), 0)).toBeLessThan(32_768);
    expect(engine.added.every(({ name }, index) => name === String(index))).toBe(true);
  });

  it('is counted ahead while its beginning is in flight, with the inputs after it', async () => {
    FakeEngine.answer = () => undefined;
    const { job, finished } = start(['http://h/x', list(longList()), 'http://h/y']);
    await vi.waitFor(() => expect(job.stats.total).toBe(LINES + 2), { timeout: 10_000 });
    expect(job.stats).toMatchObject({ read: 32_768, readAll: false });
    job.stop();
    await finished;
  });

  it('is read on when half of the window is free, and not before', async () => {
    FakeEngine.answer = () => undefined;
    const { job, finished } = start([list(longList())]);
    await vi.waitFor(() => expect(job.stats.read).toBe(32_768), { timeout: 10_000 });
    const engine = FakeEngine.last;
    for (let id = 0; id < 15_000; id += 1) {
      engine.end(id, DONE);
    }
    await vi.waitFor(() => expect(job.stats.done).toBe(15_000), { timeout: 10_000 });
    expect(job.stats.read).toBe(32_768);
    for (let id = 15_000; id < 17_500; id += 1) {
      engine.end(id, DONE);
    }
    await vi.waitFor(() => expect(job.stats.read).toBe(32_768 + 17_500), { timeout: 10_000 });
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

  it('does not wait for a file that is hashed, and says nothing of it', async () => {
    const directory = useTmp();
    writeFileSync(join(directory, 'a'), '');
    truncateSync(join(directory, 'a'), 2 ** 36);
    FakeEngine.answer = () => ({ reason: REASON.exists });
    const drained = vi.spyOn(FakeEngine.prototype, 'infoRead');
    onTestFinished(() => drained.mockRestore());
    const checksum = `sha-256=${'0'.repeat(64)}`;
    const { job, outcomes, finished } = start([{ url: 'http://h/a', checksum }], { directory });
    await vi.waitFor(() => expect(drained).toHaveBeenCalled());
    expect(job.stats).toMatchObject({ read: 1, skipped: 0 });
    job.stop();
    await finished;
    expect(outcomes).toEqual([]);
    expect(job.stats).toMatchObject({ skipped: 0, failed: 0 });
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
