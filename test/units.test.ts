import { describe, expect, it } from 'vitest';
import {
  formatCount,
  formatDuration,
  formatRate,
  formatSize,
  parseDuration,
  parseSize,
  plural,
} from '../src/units.ts';

describe('parseSize', () => {
  it.each([
    ['0', 0],
    ['100', 100],
    ['1k', 1024],
    ['1K', 1024],
    ['1.5k', 1536],
    ['20M', 20 * 1024 ** 2],
    ['2G', 2 * 1024 ** 3],
    ['1T', 1024 ** 4],
    ['10kb', 10_240],
  ])('reads %s as %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'k', '-1', '1e3', '1 k', '1q', '0x10', '1.', '99999999T', 'Infinity', 'NaN'])(
    'refuses %j',
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );
});

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['30', 30_000],
    ['2.5', 2500],
    ['.5', 500],
    ['0.001', 1],
    ['30s', 30_000],
    ['10m', 600_000],
    ['1.5h', 5_400_000],
  ])('reads %s as %d ms', (text, delayMs) => {
    expect(parseDuration(text)).toBe(delayMs);
  });

  it.each(['', 's', '-1', '1d', '1e9', '1:00', '600h', '99999999999'])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1023, '1023 B'],
  [1024, '1.00 KiB'],
  [10_235, '10.0 KiB'],
  [102_400, '100 KiB'],
  [1_048_575, '1.00 MiB'],
  [1.5 * 1024 ** 3, '1.50 GiB'],
  [1024 ** 5, '1.00 PiB'],
])('formatSize(%d) is %s', (bytes, text) => {
  expect(formatSize(bytes)).toBe(text);
  expect(formatRate(bytes)).toBe(`${text}/s`);
});

it.each([
  [0, '0.0 s'],
  [440, '0.4 s'],
  [9949, '9.9 s'],
  [9950, '10 s'],
  [59_499, '59 s'],
  [59_500, '1:00'],
  [125_000, '2:05'],
  [3_725_000, '1:02:05'],
  [47 * 3_600_000, '47:00:00'],
  [76 * 3_600_000, '3 d 04 h'],
])('formatDuration(%d) is %s', (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});

it.each([
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [1_234_567, '1,234,567'],
])('formatCount(%d) is %s', (count, text) => {
  expect(formatCount(count)).toBe(text);
});

it('counts in the plural but for one', () => {
  expect([plural(0, 'file'), plural(1, 'file'), plural(2000, 'file')]).toEqual([
    '0 files',
    '1 file',
    '2,000 files',
  ]);
});
