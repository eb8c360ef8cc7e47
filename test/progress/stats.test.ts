import { describe, expect, it } from 'vitest';
import { etaMs, pickTransfers, Rates } from '../../src/progress/stats.ts';

describe('Rates', () => {
  it('is 0 until there are two samples', () => {
    const rates = new Rates();
    expect([rates.bytesPerS, rates.filesPerS]).toEqual([0, 0]);
    rates.add({ nowMs: 0, bytes: 100, files: 1 });
    expect([rates.bytesPerS, rates.filesPerS]).toEqual([0, 0]);
    rates.add({ nowMs: 500, bytes: 600, files: 3 });
    expect([rates.bytesPerS, rates.filesPerS]).toEqual([1000, 4]);
  });

  it('forgets what is older than its window', () => {
    const rates = new Rates(1000);
    for (let at = 0; at <= 50; at++) rates.add({ nowMs: at * 100, bytes: at * 1e6, files: at });
    for (let at = 51; at <= 70; at++) rates.add({ nowMs: at * 100, bytes: 50e6, files: 50 });
    expect([rates.bytesPerS, rates.filesPerS]).toEqual([0, 0]);
  });

  it('measures between samples that are further apart than the window', () => {
    const rates = new Rates(1000);
    rates.add({ nowMs: 0, bytes: 0, files: 0 });
    rates.add({ nowMs: 10_000, bytes: 50_000, files: 20 });
    expect(rates.bytesPerS).toBe(5000);
    rates.add({ nowMs: 20_000, bytes: 50_000, files: 20 });
    expect(rates.bytesPerS).toBe(0);
  });
});

describe('etaMs', () => {
  const remaining = { files: 100, running: 10, bytes: 1000, filesPerS: 10, bytesPerS: 1000 };
  it.each([
    ['the pace of files', {}, 10_000],
    ['the bytes in flight, when they take longer', { bytes: 60_000 }, 60_000],
    ['unknown while the total is', { files: undefined }, undefined],
    ['nothing to tell when all has ended', { files: 0 }, undefined],
    ['unknown while nothing ends', { filesPerS: 0 }, undefined],
    ['the bytes alone for the last files', { files: 10, filesPerS: 0.001 }, 1000],
    ['the files when no length is known', { files: 10, bytes: 0 }, 1000],
    ['unknown when all stands still', { files: 10, filesPerS: 0, bytesPerS: 0 }, undefined],
  ])('is %s', (_, change, expected) => {
    expect(etaMs({ ...remaining, ...change })).toBe(expected);
  });
});

describe('pickTransfers', () => {
  const running = [
    { id: 1, received: 90, expected: 100, ageMs: 9000 },
    { id: 2, received: 0, expected: 500, ageMs: 1000 },
    { id: 3, received: 5, expected: -1, ageMs: 8000 },
    { id: 4, received: 5, expected: -1, ageMs: 9999 },
    { id: 5, received: 0, expected: 9999, ageMs: 100 },
  ].map((numbers) => ({ ...numbers, url: 'http://a.test/', name: `${numbers.id}` }));
  const ids = (shown: (number | undefined)[], most: number) =>
    pickTransfers(running, shown, most).map((transfer) => transfer?.id);

  it.each([
    ['largest remaining, then longest running, none too young', [], 5, [2, 1, 4, 3, undefined]],
    ['as many as fit', [], 2, [2, 1]],
    ['none when none fits', [], 0, []],
    ['those shown keep their place', [3, undefined, 4], 3, [3, 2, 4]],
    ['ended ones give theirs up', [99, 3], 3, [2, 3, 1]],
    ['a young one that is shown stays', [5], 2, [5, 2]],
  ])('%s', (_, shown, most, expected) => {
    expect(ids(shown, most)).toEqual(expected);
  });
});
