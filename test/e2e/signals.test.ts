/** Being told to stop, being killed, being left without listeners: nothing half-done gets a name. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { content, type Origin, useOrigin } from '../support/origin.ts';
import { type FetchRun, namesIn, runFetch, startCli, startFetch } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

/** Two files that end, one that stops in its body, one that never gets an answer. */
function mixedLines(origin: Origin): string[] {
  const times = 'times=1';
  return [
    origin.url('/a'),
    origin.url('/b'),
    origin.url(`/c?size=1000000&stall=500000&${times}`),
    origin.url(`/d?stall=head&${times}`),
  ];
}

function expectWhole(out: string, origin: Origin): void {
  for (const [name, size] of [['a'], ['b'], ['c', 1_000_000], ['d']] as const) {
    expect(readFileSync(join(out, name)).equals(content(`/${name}`, size)), name).toBe(true);
  }
  expect(namesIn(out)).toEqual(['a', 'b', 'c', 'd']);
  expect(origin.requests.filter(({ path }) => path === '/a')).toHaveLength(1);
}

/** What ends by itself is there, and the rest is under way. */
async function underWay(origin: Origin, run: FetchRun): Promise<void> {
  const everything = Promise.all([
    origin.arrived('/c'),
    origin.arrived('/d'),
    expect
      .poll(() => namesIn(run.out), { timeout: 20_000 })
      .toEqual(expect.arrayContaining(['a', 'b'])),
  ]);
  await run.until(everything);
}

describe('one signal', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)(
    '%s stops, says how to continue, exits %i; the same command then ends the job',
    async (signal, exitCode) => {
      const origin = await useOrigin();
      const cwd = useTmp();
      const run = startFetch(mixedLines(origin), [], { cwd });
      await underWay(origin, run);
      const startedMs = performance.now();
      run.child.kill(signal);
      const { code, stderr } = await run.finished;
      expect(code, stderr).toBe(exitCode);
      expect(performance.now() - startedMs).toBeLessThan(6000);
      expect(stderr).toMatch(/same command again/);
      expect(namesIn(run.out).filter((name) => !name.endsWith('.part'))).toEqual(['a', 'b']);

      const again = await runFetch(mixedLines(origin), [], { cwd });
      expect(again.code, again.stderr).toBe(0);
      expectWhole(again.out, origin);
    },
  );

  it('leaves targets that never began, and tells nothing of them', async () => {
    const origin = await useOrigin();
    const lines = Array.from({ length: 100 }, (_, index) => origin.url(`/f${index}?stall=head`));
    const run = startFetch(lines, ['-j', '2', '--max-per-host', '2', '--json']);
    await run.until(Promise.all([origin.arrived('/f0'), origin.arrived('/f1')]));
    run.child.kill('SIGINT');
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(130);
    expect(origin.requests).toHaveLength(2);
  });
});

describe('two signals', () => {
  it('leave at once', async () => {
    const origin = await useOrigin();
    const run = startFetch(mixedLines(origin));
    await underWay(origin, run);
    run.child.kill('SIGINT');
    run.child.kill('SIGTERM');
    const { code, signal } = await run.finished;
    expect([130, 143], String(signal)).toContain(code);
    expect(namesIn(run.out).filter((name) => !name.endsWith('.part'))).toEqual(['a', 'b']);
  });
});

describe('SIGKILL', () => {
  it('at any moment leaves nothing half-done under a final name', async () => {
    const origin = await useOrigin();
    const cwd = useTmp();
    const run = startFetch(mixedLines(origin), [], { cwd });
    await underWay(origin, run);
    run.child.kill('SIGKILL');
    await run.finished;
    expect(namesIn(run.out).filter((name) => !name.endsWith('.part'))).toEqual(['a', 'b']);
    const again = await runFetch(mixedLines(origin), [], { cwd });
    expect(again.code, again.stderr).toBe(0);
    expectWhole(again.out, origin);
  });
});

describe('SIGHUP that was ignored at the start', () => {
  it('stays ignored, as under nohup', async () => {
    const origin = await useOrigin();
    // The body takes its time, so that a signal that is not ignored ends the job before.
    const url = origin.url('/a?size=2000&trickle=100&piece=200');
    const run = startCli(['fetch', url], { before: 'trap "" HUP' });
    await run.until(origin.arrived('/a'));
    run.child.kill('SIGHUP');
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(0);
  });
});

describe('a closed output', () => {
  it.each([
    ['stdout', ['--json']],
    ['stderr', []],
    ['stderr', ['-v', '--log-level', 'trace']],
  ] as const)('(%s, %j) ends no download', async (stream, args) => {
    const origin = await useOrigin();
    const lines = Array.from({ length: 50 }, (_, index) => origin.url(`/f${index}?hold`));
    const run = startFetch(lines, args);
    run.child[stream]?.destroy();
    await run.until(origin.arrived('/f0'));
    origin.release();
    const { code } = await run.finished;
    expect(code).toBe(0);
    expect(namesIn(run.out)).toHaveLength(50);
  });

  it.each(['exec >&-', 'exec 2>&-', 'exec <&- >&- 2>&-'])(
    '(%s from the start) ends no download, and no file gets its output',
    async (before) => {
      const origin = await useOrigin();
      const paths = ['/a', '/b?size=1000000', '/c?status=404'];
      const lines = paths.map((path) => origin.url(path));
      const { code, out, names } = await runFetch(lines, ['--json'], { before });
      expect(code).toBe(8);
      expect(names).toEqual(['a', 'b']);
      expect(readFileSync(join(out, 'a')).equals(content('/a'))).toBe(true);
      expect(readFileSync(join(out, 'b')).equals(content('/b', 1_000_000))).toBe(true);
    },
  );

  it('a reader of stdout that never reads blocks no signal', async () => {
    const origin = await useOrigin();
    const lines = Array.from({ length: 3000 }, (_, index) => origin.url(`/f${index}?size=1`));
    const run = startFetch([...lines, origin.url('/last?stall=head')], ['--json']);
    run.child.stdout?.pause();
    await run.until(origin.arrived('/last'));
    run.child.kill('SIGINT');
    const [code] = await once(run.child, 'exit');
    expect(code).toBe(130);
  });
});
