/** Ended at random moments, again and again: what has a name is whole, and the last run completes the rest. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { content } from '../support/origin.ts';
import { namesIn, startFetch } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

const FILES = Array.from({ length: 600 }, (_, index) => ({
  name: `${index}.bin`,
  // Mostly small, every tenth up to 4 MiB, so that both ways of publishing are ended.
  bytes: index % 10 === 0 ? (1 + (index % 64)) * 64 * 1024 : 1 + ((index * 997) % 20_000),
}));
const BYTES = new Map(FILES.map(({ name, bytes }) => [name, bytes]));

let nginx: Nginx;

beforeAll(async () => {
  nginx = await startNginx();
  for (const { name, bytes } of FILES) writeFileSync(join(nginx.root, name), content(name, bytes));
});

afterAll(() => nginx.stop());

/** Names in `out` that are not of a whole file; `.part` files are nobody's. */
function notWhole(out: string): string[] {
  return namesIn(out).filter(
    (name) =>
      !name.endsWith('.part') &&
      !readFileSync(join(out, name)).equals(content(name, BYTES.get(name) ?? 0)),
  );
}

test.each(['SIGKILL', 'SIGTERM'] as const)('%s at random moments', async (signal) => {
  const cwd = useTmp();
  const urls = FILES.map(({ name }) => `${nginx.http}/${name}`);
  let wasEnded = 0;
  for (let round = 0; round < 40; round += 1) {
    const { child, out, finished } = startFetch(urls, ['-j', '8', '--loops', '2'], { cwd });
    // The moment is the point: there is no event to wait for.
    const timer = new AbortController();
    const delayMs = 50 + Math.random() * 350;
    const moment = sleep(delayMs, undefined, { signal: timer.signal }).catch(() => {});
    await Promise.race([moment, finished]);
    timer.abort();
    child.kill(signal);
    const result = await finished;
    expect(notWhole(out), `round ${round}, ended after ${delayMs} ms`).toEqual([]);
    if (result.code === 0) break;
    wasEnded += 1;
    if (signal === 'SIGKILL') expect(result.signal).toBe(signal);
    // Before its handlers stand, the signal itself ends the program: the same to a shell.
    else expect(result.signal ?? result.code).toBe(result.signal === null ? 143 : signal);
  }
  expect(wasEnded).toBeGreaterThan(0);
  const { out, finished } = startFetch(urls, [], { cwd });
  expect(await finished).toMatchObject({ code: 0 });
  expect(namesIn(out)).toEqual([...BYTES.keys()].sort());
  expect(notWhole(out)).toEqual([]);
});
