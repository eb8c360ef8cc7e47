import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Job } from '../../src/job/fetch.ts';
import type { Output } from '../../src/output.ts';
import { startBars } from '../../src/progress/bars.ts';

const FRAME_MS = 100;
/** Moves the cursor to the first of so many lines, and each line begins at the left and erases what was there. */
const upBy = (rows: number) => `\x1b[${rows}A`;

/** A window, a job with so many transfers in flight, and what is written to the terminal, write by write. */
function useBars(columns: number, rows: number, inFlight: number) {
  const writes: string[] = [];
  const output = {
    length: 0,
    write: (text: string) => {
      writes.push(text);
    },
  };
  const window = Object.assign(new EventEmitter(), { columns, rows });
  const job = {
    stats: {
      ...{ startedAtMs: 0, read: 100, total: 100, readAll: true, done: 3, skipped: 0, failed: 0 },
      ...{ retries: 0, sleeping: 0, unverified: 0, exitCode: 0, failures: new Map() },
    },
    sample: () => ({
      bytes: 1024,
      running: inFlight,
      transfers: Array.from({ length: inFlight }, (_, id) => ({
        ...{ id, url: 'http://a.test/', name: `file-${id}` },
        ...{ received: 50, expected: 100, ageMs: 2000 },
      })),
    }),
  };
  const progress = startBars(job as unknown as Job, window, output as unknown as Output);
  return { writes, output, window, progress, job };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a frame', () => {
  it('is one write, ten a second', () => {
    const { writes, progress } = useBars(100, 24, 3);
    vi.advanceTimersByTime(FRAME_MS * 10);
    expect(writes).toHaveLength(10);
    expect(writes[9]).toContain(upBy(3));
    for (const name of ['3 of 100 files', 'file-0', 'file-1', 'file-2']) {
      expect(writes[9]?.split(name)).toHaveLength(2);
    }
    progress.stop();
  });

  it.each([
    [24, 8],
    [10, 8],
    [5, 3],
    [2, 0],
    [1, 0],
  ])('has, in %d rows, %d bars', (rows, bars) => {
    const { writes, progress } = useBars(100, rows, 20);
    vi.advanceTimersByTime(FRAME_MS * 2);
    expect(writes.at(-1)?.match(/file-\d+/g) ?? []).toHaveLength(bars);
    progress.stop();
  });

  it('is dropped while the terminal has not taken the last one; printed lines wait', () => {
    const { writes, output, progress } = useBars(100, 24, 3);
    vi.advanceTimersByTime(FRAME_MS);
    output.length = 1;
    progress.print('a failure');
    vi.advanceTimersByTime(FRAME_MS * 20);
    expect(writes).toHaveLength(1);
    output.length = 0;
    vi.advanceTimersByTime(FRAME_MS);
    expect(writes).toHaveLength(2);
    expect(writes[1]).toMatch(/a failure\n[\s\S]*3 of 100 files/);
    progress.stop();
  });

  it('tells the speed without the bytes that a continued file had, in every attempt', () => {
    const { writes, progress, job } = useBars(100, 24, 1);
    const GiB = 1024 ** 3;
    const look = (received: number, ageMs: number) => {
      const [transfer] = job.sample().transfers;
      if (transfer === undefined) throw new Error('no transfer');
      const now = { ...transfer, received, expected: 4 * GiB, ageMs };
      job.sample = () => ({ bytes: 0, running: 1, transfers: [now] });
      vi.advanceTimersByTime(FRAME_MS);
      return /file-0.* (\S+ \S+\/s)/.exec(writes.at(-1) ?? '')?.[1];
    };
    // Nothing until the answer is there; then what the file has, and more.
    expect(look(0, 2000)).toBe('0 B/s');
    expect(look(GiB, 3000)).toBe('0 B/s');
    expect(look(GiB + 2048, 5000)).toBe('1.00 KiB/s');
    // The next attempt has another age, and goes on with these bytes.
    expect(look(0, 600)).toBe('0 B/s');
    expect(look(GiB + 4096, 1600)).toBe('0 B/s');
    expect(look(GiB + 8192, 2600)).toBe('4.00 KiB/s');
    progress.stop();
  });

  it('keeps the place of bars that come and go', () => {
    const { writes, progress, job } = useBars(100, 24, 3);
    vi.advanceTimersByTime(FRAME_MS);
    const [, , last] = job.sample().transfers;
    job.sample = () => ({ bytes: 1024, running: 1, transfers: last ? [last] : [] });
    vi.advanceTimersByTime(FRAME_MS);
    const [, first, second, third] = writes.at(-1)?.split('\n') ?? [];
    expect([first, second].join()).not.toContain('file-');
    expect(third).toContain('file-2');
    progress.stop();
  });
});

it('stop takes the bars off the screen, prints what waits and draws no more', () => {
  const { writes, window, progress } = useBars(100, 24, 3);
  vi.advanceTimersByTime(FRAME_MS);
  progress.print('the last failure');
  progress.stop();
  expect(writes.at(-1)).toBe(`${upBy(3)}\x1b[1G\x1b[0Jthe last failure\n`);
  const { length } = writes;
  vi.advanceTimersByTime(FRAME_MS * 10);
  window.emit('resize');
  expect(writes).toHaveLength(length);
});

it('works on a terminal that does not tell its size', () => {
  const { writes, progress } = useBars(0, 0, 3);
  vi.advanceTimersByTime(FRAME_MS);
  expect(writes[0]).toContain('file-2');
  progress.stop();
});
