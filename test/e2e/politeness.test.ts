/** One slow or angry host never holds up the others, and no host is asked more than it bears. */
import { describe, expect, it } from 'vitest';
import { type Origin, useOrigin } from '../support/origin.ts';
import { runFetch, startFetch } from '../support/run-cli.ts';

function urls(origin: Origin, count: number, query: string): string[] {
  return Array.from({ length: count }, (_, index) =>
    origin.url(`/f${origin.port}-${index}?${query}`),
  );
}

/** Resolves when `count` requests are in answer at the origin. */
async function inAnswer(origin: Origin, count: number): Promise<void> {
  await expect.poll(() => origin.now.requests, { timeout: 10_000 }).toBe(count);
}

describe('--max-per-host', () => {
  it.each([
    [1, 2],
    [3, 2],
    [4, 4],
    [16, 1],
  ])('%i is reached and never passed, with %i loops', async (cap, loops) => {
    const origin = await useOrigin();
    const lines = urls(origin, 200, 'hold');
    const run = startFetch(lines, ['--max-per-host', String(cap), '--loops', String(loops)]);
    await run.until(inAnswer(origin, cap));
    origin.release();
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(0);
    expect(origin.peak.requests).toBe(cap);
    expect(origin.peak.connections).toBe(cap);
  });

  it('is 16 unless told', async () => {
    const origin = await useOrigin();
    const run = startFetch(urls(origin, 100, 'hold'));
    await run.until(inAnswer(origin, 16));
    origin.release();
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(0);
    expect(origin.peak.connections).toBe(16);
  });

  it('holds when connections break and transfers are tried again', async () => {
    const origin = await useOrigin({ requestsPerConnection: 2 });
    const lines = [...urls(origin, 60, 'cut=10&times=1'), ...urls(origin, 1, 'delay=20')];
    const { code, stderr } = await runFetch(lines, ['--max-per-host', '3', '--loops', '2']);
    expect(code, stderr).toBe(0);
    expect(origin.peak.requests).toBeLessThanOrEqual(3);
  });
});

describe('-j', () => {
  it('is reached and never passed, over all hosts', async () => {
    const origins = [await useOrigin(), await useOrigin(), await useOrigin()];
    const total = () => origins.reduce((sum, origin) => sum + origin.now.requests, 0);
    const lines = origins.flatMap((origin) => urls(origin, 50, 'hold'));
    const run = startFetch(lines, ['-j', '10', '--max-per-host', '5', '--loops', '2']);
    await expect.poll(total, { timeout: 10_000 }).toBe(10);
    for (const origin of origins) expect(origin.peak.requests).toBeLessThanOrEqual(5);
    for (const origin of origins) origin.release();
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(0);
  });
});

describe('a host that never answers', () => {
  it.each([1, 2])(
    'does not stop the others, first in the list or not (%i loops)',
    async (loops) => {
      const [dead, alive] = [await useOrigin(), await useOrigin()];
      const lines = [...urls(dead, 300, 'hold&size=1'), ...urls(alive, 300, 'size=1')];
      const run = startFetch(lines, ['-j', '16', '--max-per-host', '8', '--loops', String(loops)]);
      await expect
        .poll(() => alive.requests.filter(({ endedAtMs }) => endedAtMs !== undefined).length, {
          timeout: 20_000,
        })
        .toBe(300);
      expect(dead.requests.length).toBeLessThanOrEqual(8);
      dead.release();
      const { code, stderr } = await run.finished;
      expect(code, stderr).toBe(0);
    },
  );
});

describe('connections', () => {
  it('are reused as long as they can be', async () => {
    const origin = await useOrigin();
    const { code, stderr } = await runFetch(urls(origin, 500, 'size=10'), ['--max-per-host', '2']);
    expect(code, stderr).toBe(0);
    expect(Math.max(...origin.requests.map(({ connection }) => connection))).toBeLessThanOrEqual(2);
  });
});

describe('order', () => {
  it('within a host is that of the list', async () => {
    const origin = await useOrigin();
    const { code, stderr } = await runFetch(urls(origin, 100, 'size=10'), ['--max-per-host', '1']);
    expect(code, stderr).toBe(0);
    expect(origin.requests.map(({ path }) => path)).toEqual(
      Array.from({ length: 100 }, (_, index) => `/f${origin.port}-${index}`),
    );
  });
});
