/** What --durable waits for: the journal's fdatasync, which is held here until the test lets it go. */
import { fdatasync, fdatasyncSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { fetchAll } from '../../src/job/fetch.ts';
import { REASON } from '../../src/native/binding.ts';
import { useTmp } from '../support/tmp.ts';
import { FakeEngine } from './fake-engine.ts';
import { openAt } from './open-journal.ts';

vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  fdatasync: vi.fn(),
  fdatasyncSync: vi.fn(),
}));
vi.mock('../../src/native/engine.ts', async () => ({
  Engine: (await import('./fake-engine.ts')).FakeEngine,
}));

let path: string;
/** The journal's text at each sync. */
let synced: string[];
/** Ends the syncs that were asked for. */
let release: (error?: Error) => void;

beforeEach(() => {
  const directory = join(useTmp(), 'out');
  mkdirSync(directory);
  path = join(directory, '.mcurl-journal');
  synced = [];
  const waiting: ((error: NodeJS.ErrnoException | null) => void)[] = [];
  release = (error) => {
    for (const end of waiting.splice(0)) end(error ?? null);
  };
  vi.mocked(fdatasync).mockImplementation((_, end) => {
    synced.push(readFileSync(path, 'utf8'));
    waiting.push(end);
  });
  vi.mocked(fdatasyncSync).mockImplementation(() => {
    synced.push(readFileSync(path, 'utf8'));
  });
});

it('syncs what was ended so far, and is over when the disk has it', async () => {
  const { journal } = await openAt(path);
  journal.done(0, 7);
  let isOver = false;
  const over = journal.sync().then(() => {
    isOver = true;
  });
  await vi.waitFor(() => expect(synced).toHaveLength(1));
  expect(synced[0]).toContain('{"done":0,"size":7}\n');
  expect(isOver).toBe(false);
  release();
  await over;
});

it('serves what is asked for during a sync by one more', async () => {
  const { journal } = await openAt(path);
  const first = journal.sync();
  await vi.waitFor(() => expect(synced).toHaveLength(1));
  journal.done(0, 7);
  const others = [journal.sync(), journal.sync()];
  release();
  await first;
  await vi.waitFor(() => expect(synced).toHaveLength(2));
  expect(synced[1]).toContain('{"done":0,"size":7}\n');
  release();
  await Promise.all(others);
  expect(synced).toHaveLength(2);
});

it('tells at the end that a sync failed', async () => {
  const { journal } = await openAt(path);
  const over = journal.sync();
  await vi.waitFor(() => expect(synced).toHaveLength(1));
  release(new Error('EIO'));
  await over;
  expect(journal.failure?.message).toBe('EIO');
});

it('syncs a name that a server gave before a file has it', async () => {
  const { journal } = await openAt(path);
  journal.named(0, 'x.bin', false);
  expect(synced).toEqual([]);
  journal.named(0, 'y.bin', true);
  expect(synced).toHaveLength(1);
  expect(synced[0]).toContain('{"named":0,"name":"y.bin"}\n');
});

it('syncs plans a second later, once for many, and none of a run that is over before', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const { journal } = await openAt(path);
  journal.planned();
  journal.planned();
  vi.advanceTimersByTime(999);
  expect(synced).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(synced).toHaveLength(1);
  journal.planned();
  await journal.flush();
  vi.advanceTimersByTime(5000);
  expect(synced).toHaveLength(1);
});

it.each([true, false])('an outcome waits for the sync: durable %s', async (durable) => {
  FakeEngine.answer = () => ({ reason: REASON.done });
  const job = fetchAll(['http://h/a'], { directory: join(path, '..'), durable });
  const told = job[Symbol.asyncIterator]().next();
  await vi.waitFor(() => expect(FakeEngine.last.added).toHaveLength(1));
  if (durable) {
    await vi.waitFor(() => expect(synced).toHaveLength(1));
    expect(synced[0]).toContain('{"done":0,"size":0}\n');
    expect(job.stats.done).toBe(0);
    release();
  }
  expect(await told).toMatchObject({ value: { type: 'done' } });
  expect(synced).toHaveLength(durable ? 1 : 0);
  vi.mocked(fdatasync).mockImplementation((_, end) => end(null));
  await job.close();
});
