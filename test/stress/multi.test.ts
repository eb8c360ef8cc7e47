/**
 * Multi under everything at once: 5,000 transfers in two worker threads of one process, with pauses, removals in mid-flight,
 * functions that throw, abandoned handles and forced collections, drawn by lot. MCURL_SEED repeats the draws.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFailed, test } from 'vitest';
import { useOrigin } from '../support/origin.ts';

const ROUNDS = 10;
const TRANSFERS = 250;
const PROGRAM = fileURLToPath(new URL('multi-rounds.mjs', import.meta.url));

interface Round {
  readonly counts: readonly Record<string, number>[];
  readonly rss: number;
  readonly descriptors: number;
}

test('nothing crashes, and nothing is left after ten rounds', async () => {
  const seed = Number(process.env['MCURL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`MCURL_SEED=${seed}`);
  onTestFailed(() => console.error(`MCURL_SEED=${seed}`));
  const origin = await useOrigin();
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    PROGRAM,
    origin.url(''),
    ...[seed, ROUNDS, TRANSFERS].map(String),
  ]);
  const rounds = stdout
    .trimEnd()
    .split('\n')
    .map((line): Round => JSON.parse(line));
  expect(rounds).toHaveLength(ROUNDS);

  const total: Record<string, number> = {};
  for (const one of rounds.flatMap(({ counts }) => counts)) {
    const { done = 0, failed = 0, removed = 0, threw = 0 } = one;
    expect(done + failed + removed + threw).toBe(TRANSFERS);
    for (const [what, count] of Object.entries(one)) total[what] = (total[what] ?? 0) + count;
  }
  for (const what of ['done', 'failed', 'removed', 'threw', 'paused']) {
    expect(total[what], what).toBeGreaterThan(50);
  }

  // The first rounds fill caches and heaps.
  const [early, late] = [rounds.slice(2, 5), rounds.slice(-3)];
  const least = (of: Round[], what: 'rss' | 'descriptors') => Math.min(...of.map((r) => r[what]));
  expect(least(late, 'rss') / least(early, 'rss')).toBeLessThan(1.15);
  expect(least(late, 'descriptors')).toBeLessThanOrEqual(least(early, 'descriptors'));
});
