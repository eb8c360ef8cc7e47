import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Job } from '../../src/job/fetch.ts';
import type { Output } from '../../src/output.ts';
import { startLines } from '../../src/progress/lines.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('is one plain line every 10 s, until it is stopped', () => {
  const writes: string[] = [];
  const stats = {
    ...{ startedAtMs: 0, read: 500, total: undefined, readAll: false, done: 0, skipped: 0 },
    ...{ failed: 0, retries: 0, sleeping: 0, unverified: 0, exitCode: 0, failures: new Map() },
  };
  let bytes = 0;
  const sample = () => ({ bytes, running: 0, transfers: [] });
  const output = { write: (text: string) => writes.push(text) };
  const progress = startLines({ stats, sample } as unknown as Job, output as unknown as Output);
  progress.print('mcurl: a failure');
  vi.advanceTimersByTime(9999);
  expect(writes).toEqual(['mcurl: a failure\n']);
  Object.assign(stats, { done: 100, failed: 1 });
  bytes = 1024 ** 2;
  vi.advanceTimersByTime(1);
  Object.assign(stats, { done: 200, total: 1000 });
  bytes *= 2;
  vi.advanceTimersByTime(10_000);
  expect(writes.slice(1)).toEqual([
    'mcurl: 101 of 500+ files, 1 failed, 1.00 MiB, 102 KiB/s\n',
    'mcurl: 201 of 1,000 files, 1 failed, 2.00 MiB, 102 KiB/s, ETA 1:20\n',
  ]);
  progress.stop();
  vi.advanceTimersByTime(30_000);
  expect(writes).toHaveLength(3);
});
