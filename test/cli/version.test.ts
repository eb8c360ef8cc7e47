import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { mcurlVersion } from '../../src/cli/version.ts';

it('is that of the package', () => {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { version: string };
  expect(mcurlVersion()).toBe(lock.version);
  expect(mcurlVersion()).toMatch(/^\d+\.\d+\.\d+/);
});
