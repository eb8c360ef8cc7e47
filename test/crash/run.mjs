// @ts-check
/**
 * `npm run test:crash -- [--runs=N] [--seed=S] [--story=K]`: kills mcurl at random moments, N times at least (300), runs it
 * again until it succeeds, and holds what lies on the disk then, and after each kill, against what may lie there. One
 * story is a job with its runs; `--story` tells a single one again, as exactly as scheduling allows.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Story } from './story.mjs';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '300' },
    seed: { type: 'string', default: `${Math.floor(Math.random() * 2 ** 31)}` },
    story: { type: 'string' },
  },
});
const wanted = Number(values.runs);
const seed = Number(values.seed);
/** At once: most of a story is waiting. */
const TELLERS = 4;

const hasTracer = spawnSync('strace', ['-f', '-qq', '-e', 'trace=none', 'true']).status === 0;
const base = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'mcurl-crash-'));
const startedMs = Date.now();

console.log(
  `seed ${seed}${hasTracer ? '' : '; strace does not work here: no kills at system calls'}`,
);

const total = { stories: 0, runs: 0, powerCuts: 0, savedBytes: 0, entries: 0 };
/** @type {import('./story.mjs').Kill[]} */
const kills = [];
/** @type {number[]} */
const failed = [];
let next = Number(values.story ?? 0);

/** @type {Set<Story>} */
const running = new Set();
process.on('exit', () => {
  for (const story of running) story.end();
});
process.on('SIGINT', () => process.exit(130)).on('SIGTERM', () => process.exit(143));

async function tell(/** @type {number} */ number) {
  const directory = join(base, `${number}`);
  mkdirSync(directory);
  const story = new Story(seed, number, directory, hasTracer);
  running.add(story);
  try {
    await story.tell();
    total.stories += 1;
    total.runs += story.runs;
    total.powerCuts += story.powerCuts;
    total.savedBytes += story.savedBytes;
    total.entries += story.entries;
    kills.push(...story.kills);
    rmSync(directory, { recursive: true });
  } catch (error) {
    failed.push(number);
    const what = error instanceof Error && error.name === 'Error' ? error.message : error;
    console.log([`story ${number}: ${what}`, ...story.log].join('\n  '));
    console.log(
      `  again: npm run test:crash -- --seed=${seed} --story=${number}; files: ${directory}\n`,
    );
  } finally {
    running.delete(story);
  }
}

async function teller() {
  while (kills.length < wanted && failed.length < 5) {
    next += 1;
    await tell(next - 1);
  }
}

if (values.story === undefined) await Promise.all(Array.from({ length: TELLERS }, teller));
else await tell(next);

/** @param {string} title @param {readonly string[]} names */
function table(title, names) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const rows = [...counts].sort(([, a], [, b]) => b - a).map(([name, count]) => `${count} ${name}`);
  console.log(`${title}: ${rows.join(', ')}`);
}

const seconds = Math.round((Date.now() - startedMs) / 1000);
table(
  'Killed',
  kills.map(({ moment }) => moment),
);
table(
  'Found then',
  kills.map(({ found }) => found),
);
console.log(
  `${total.stories} stories of ${total.entries} entries in ${seconds} s: ${kills.length} kills, ${total.runs - total.stories} reruns, ` +
    `${total.powerCuts} power cuts, ${(total.savedBytes / 2 ** 20).toFixed(1)} MiB saved by resuming, ` +
    `${failed.length} failed`,
);
if (failed.length === 0) rmSync(base, { recursive: true });
process.exitCode =
  failed.length > 0 || (values.story === undefined && !(kills.length >= wanted)) ? 1 : 0;
