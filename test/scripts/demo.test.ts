import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('the demo fetches all its files, each one whole', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/demo.mjs'], {
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  expect(stderr).toMatch(/^mcurl: 302 files, 279 MiB in .+; 2 retries$/m);
  expect(stderr).toMatch(/^All 302 files \(279 MiB\) have the SHA-256 they should have\./m);
  expect(stderr).not.toContain('\x1b');
}, 60_000);
