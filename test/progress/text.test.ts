import { describe, expect, it } from 'vitest';
import type { JobStats } from '../../src/job/outcome.ts';
import { columnsOf, cut, totalText, transferText } from '../../src/progress/text.ts';

const STATS: JobStats = {
  startedAtMs: 0,
  read: 70_000,
  total: undefined,
  readAll: false,
  done: 12_000,
  skipped: 300,
  mayPass: 0,
  failed: 45,
  retries: 7,
  sleeping: 2,
  unverified: 0,
  exitCode: 0,
  failures: new Map(),
};

describe('totalText', () => {
  const totals = { stats: STATS, bytes: 5 * 1024 ** 2, bytesPerS: 1024, etaMs: 65_000 };
  const quiet = { ...STATS, failed: 0, retries: 0, sleeping: 0 };

  it('says how many of how many, and the rest', () => {
    const text = totalText({ ...totals, stats: { ...STATS, total: 80_000 } }, ', ');
    expect(text).toBe(
      '12,345 of 80,000 files, 45 failed, 5.00 MiB, 1.00 KiB/s, ETA 1:05, 7 retried, 2 asleep',
    );
  });

  it.each([
    ['not known', {}, '12,300 of 70,000+ files'],
    ['known early', { total: 80_000 }, '12,300 of 80,000 files'],
    ['read to the end', { readAll: true }, '12,300 of 70,000 files'],
  ])('with a total that is %s', (_, change, start) => {
    const text = totalText({ ...totals, stats: { ...quiet, ...change }, etaMs: undefined }, '  ');
    expect(text).toBe(`${start}  5.00 MiB  1.00 KiB/s`);
  });

  it('drops whole parts that do not fit', () => {
    expect(totalText(totals, '  ', 50)).toBe('12,345 of 70,000+ files  45 failed  5.00 MiB');
    expect(totalText(totals, '  ', 5)).toBe('12,345 of 70,000+ files');
  });
});

describe('transferText', () => {
  const transfer = {
    ...{ id: 1, url: 'http://a.test/', name: 'a.bin' },
    ...{ received: 512, expected: 2048, ageMs: 2000 },
  };

  it('has a bar, the part, the size and the speed when the length is known', () => {
    expect(transferText(transfer, 256, '==  ', 70)).toBe(
      `a.bin${' '.repeat(32)} [==  ] 25%  2.00 KiB     256 B/s`,
    );
  });

  it('has the bytes so far when it is not', () => {
    const text = transferText({ ...transfer, expected: -1 }, 256, '    ', 70);
    expect(text).toMatch(/^a\.bin +512 B +256 B\/s$/);
  });

  it.each([5, 20, 40, 59, 60, 79, 200])('is never wider than %d', (width) => {
    for (const name of ['a', 'x'.repeat(300), '日本語'.repeat(80), '\x1b[31m\u202e']) {
      for (const expected of [-1, 0, 2048]) {
        const text = transferText({ ...transfer, name, expected }, 256, '='.repeat(20), width);
        expect(columnsOf(text)).toBeLessThanOrEqual(width);
        expect(text).not.toContain('\x1b');
      }
    }
  });
});

it.each([
  ['short', 10, 'short'],
  ['exactly ten', 11, 'exactly ten'],
  ['much too long', 10, 'much to...'],
  ['日本語日本語', 12, '日本語日本語'],
  ['日本語日本語', 11, '日本語日...'],
  ['日本語日本語', 10, '日本語...'],
  ['abcdef', 3, 'abc'],
  ['a\x1b[0m', 20, 'a\\x1b[0m'],
])('cut(%j, %d) is %j', (text, width, expected) => {
  expect(cut(text, width)).toBe(expected);
});
