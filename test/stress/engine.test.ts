/**
 * The engine under everything at once, drawn by lot: limits, faults, pauses, stops. MCURL_SEED repeats a run's draws;
 * a failure names its seed.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFailed, test } from 'vitest';
import { type EngineOptions, REASON, RECORD, RECORD_SIZE } from '../../src/native/binding.ts';
import { Engine } from '../../src/native/engine.ts';
import { lottery } from '../support/lottery.mjs';
import { content, useOrigin } from '../support/origin.ts';
import { useTmp } from '../support/tmp.ts';

const DURATION_MS = 15_000;
const TARGETS = 400;

/** What an origin is asked for, and the reasons that may come of it. */
const FAULTS: readonly (readonly [string, ...number[]])[] = [
  ['', REASON.done],
  ['chunked', REASON.done],
  ['stale', REASON.done],
  ['hops=2', REASON.done],
  ['hops=30', REASON.redirect],
  ['status=404', REASON.http],
  ['status=503&retry-after=1', REASON.http],
  ['cut=head', REASON.transfer],
  ['cut=500', REASON.transfer],
  ['reset=head', REASON.transfer],
  ['reset=500', REASON.transfer],
  ['bad-chunk=500&chunked', REASON.transfer],
];

test('limits, faults, pauses and stops at random', async () => {
  const seed = Number(process.env['MCURL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  onTestFailed(() => console.error(`MCURL_SEED=${seed}`));
  const draw = lottery(seed);
  const origins = [
    await useOrigin(),
    await useOrigin({ requestsPerConnection: 5 }),
    await useOrigin({ address: '127.0.0.2' }),
  ];
  const startedAt = performance.now();
  let transfers = 0;
  let stops = 0;
  for (let round = 0; performance.now() - startedAt < DURATION_MS; round += 1) {
    const jobs = 1 + draw(64);
    const options: EngineOptions = {
      directory: useTmp(),
      jobs,
      maxPerHost: 1 + draw(jobs),
      loops: 1 + draw(4),
      overwrite: draw(2) === 0,
      keepDetails: draw(2) === 0,
      request: {},
    };
    const targets = Array.from({ length: TARGETS }, (_, id) => {
      const path = `/${round}-${id}`;
      const bytes = 1000 + (draw(10) === 0 ? 300_000 : draw(3000));
      const [fault, ...reasons] = FAULTS[draw(FAULTS.length)] ?? [''];
      const url = origins[draw(origins.length)]?.url(`${path}?size=${bytes}&${fault}`) ?? '';
      return { id, path, bytes, reasons, url, name: `${id}`, timeoutMs: 0, isRetry: false };
    });

    let wake = () => {};
    const engine = new Engine(options, () => wake());
    const ended = new Map<number, number>();
    const buffer = new Float64Array(RECORD_SIZE * 32);
    const read = () => {
      for (let count = engine.infoRead(buffer); count > 0; count = engine.infoRead(buffer)) {
        for (let at = 0; at < count * RECORD_SIZE; at += RECORD_SIZE) {
          const id = buffer[at + RECORD.id] ?? -1;
          expect(ended.has(id), `target ${id} ended twice`).toBe(false);
          ended.set(id, buffer[at + RECORD.reason] ?? -1);
        }
      }
    };
    const stopAfter = round % 3 === 1 ? draw(TARGETS) : TARGETS;
    let isStopped = false;
    let added = 0;
    while (ended.size < TARGETS && !isStopped) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const count = 1 + draw(TARGETS);
      engine.add(targets.slice(added, added + count));
      added += count;
      if (draw(10) === 0) engine.pauseHost(origins[0]?.url('/') ?? '', 1 + draw(200));
      read();
      if (ended.size >= stopAfter) {
        engine.stop();
        isStopped = true;
      } else if (ended.size < TARGETS && added >= TARGETS) {
        const isWoken = await Promise.race([
          woken.then(() => true),
          sleep(20_000, false, { ref: false }),
        ]);
        expect(isWoken, `round ${round}: no wake, ${ended.size} of ${TARGETS} ended`).toBe(true);
      }
    }
    if (isStopped) {
      stops += 1;
      // What still runs becomes records; the last wake comes when all loops have ended, but nobody says which.
      const sample = new Float64Array(4);
      do {
        await sleep(1);
        engine.sample(sample);
      } while ((sample[1] ?? 0) + (sample[3] ?? 0) > 0);
      read();
    } else {
      expect(ended.size).toBe(TARGETS);
    }
    await engine.close();
    transfers += ended.size;

    for (const [id, reason] of ended) {
      const { path, bytes, reasons, name } = targets[id] ?? { path: '', bytes: 0, reasons: [] };
      const file = join(options.directory, name ?? '');
      const what = `round ${round}, target ${id}`;
      expect([...reasons, ...(isStopped ? [REASON.stopped] : [])], what).toContain(reason);
      expect(existsSync(file), what).toBe(reason === REASON.done);
      if (reason === REASON.done) {
        expect(readFileSync(file).equals(content(path, bytes)), what).toBe(true);
      }
    }
  }
  for (const { peak } of origins) expect(peak.requests).toBeLessThanOrEqual(64);
  expect(transfers).toBeGreaterThan(1000);
  expect(stops).toBeGreaterThan(0);
});
