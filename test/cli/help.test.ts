import { describe, expect, it } from 'vitest';
import { fetchCommand } from '../../src/cli/fetch.ts';
import { HELP } from '../../src/cli/help.ts';

describe('--help', () => {
  const options = fetchCommand(() => {}).options;
  const words = HELP.split(/[\s,|]+/);

  it('names every option that is not hidden, by all its names', () => {
    const names = options
      .filter((option) => !option.hidden)
      .flatMap(({ short, long }) => [short, long])
      .filter((name) => name !== undefined && name !== null);
    expect(names.length).toBeGreaterThan(50);
    expect(names.filter((name) => !words.includes(name))).toEqual([]);
  });

  it('names no option that does not exist', () => {
    const known = new Set(options.flatMap(({ short, long }) => [short, long]));
    const others = ['-h', '--help', '-V', '--version', '-http', '-'];
    const named = words.filter((word) => word.startsWith('-'));
    expect(named.filter((word) => !known.has(word) && !others.includes(word))).toEqual([]);
  });

  it('fits a screen', () => {
    const lines = HELP.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(50);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});
