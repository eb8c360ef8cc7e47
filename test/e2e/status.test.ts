/** `mcurl status`: the journal of a job that runs, that left failures, and that is over. */
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { useOrigin } from '../support/origin.ts';
import { jsonRecords, runCli, startFetch } from '../support/run-cli.ts';

it('tells how a job stands while it runs, after it failed, and when it is over', async () => {
  const origin = await useOrigin();
  const lines = [origin.url('/a'), origin.url('/b?status=404&times=1'), origin.url('/c?hold')];
  const run = startFetch(lines);
  const { cwd } = run;
  const status = (...args: string[]) => runCli(['status', 'out', ...args], { cwd });
  await vi.waitFor(
    async () => {
      const { code, stdout } = await status();
      expect(stdout).toContain(
        'out/.mcurl-journal: 3 entries: 1 done (1.00 KiB), 1 failed, 1 open',
      );
      expect(code).toBe(8);
    },
    { timeout: 20_000, interval: 50 },
  );
  origin.release();
  expect((await run.finished).code).toBe(8);

  const after = await status('--json');
  expect(after.stderr).toBe('');
  expect(jsonRecords(after)).toMatchObject([
    {
      type: 'status',
      journal: join('out', '.mcurl-journal'),
      ...{ done: 2, failed: 1, open: 0, bad_lines: 0, exit_code: 8 },
      hosts: [{ host: new URL(origin.url('/')).origin, done: 2, failed: 1 }],
      failures: [{ error_class: 'http', count: 1, exit_code: 8 }],
    },
  ]);

  const again = startFetch(lines, ['--journal', 'journal'], { cwd });
  await again.finished;
  expect((await runCli(['status', 'journal'], { cwd })).code).toBe(0);
  expect((await runCli(['status', 'list.txt'], { cwd })).stderr).toContain(
    'is no journal of mcurl',
  );
});
