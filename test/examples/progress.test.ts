import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useConsumer } from '../support/consumer.ts';
import { content, useOrigin } from '../support/origin.ts';
import { namesIn } from '../support/run-cli.ts';

const text = readFileSync(new URL('../../examples/progress.ts', import.meta.url), 'utf8');

test('downloads with a bar, names what failed, and leaves with its exit code', async () => {
  const origin = await useOrigin();
  const consumer = useConsumer({ 'progress.ts': text }, ['cli-progress', '@types/cli-progress']);
  expect(consumer.typeErrors()).toBe('');
  const urls = ['/a', '/b', '/gone?status=404'].map((path) => origin.url(path));
  const { code, stderr } = await consumer.run('progress.ts', ...urls);
  expect(code, stderr).toBe(8);
  expect(stderr).toMatch(/3 of 3 files, 0 in flight, \d+\.\d MiB/);
  expect(stderr).toMatch(/gone\?status=404: .*404/);
  const downloads = join(consumer.directory, 'downloads');
  expect(namesIn(downloads)).toEqual(['a', 'b']);
  expect(readFileSync(join(downloads, 'a')).equals(content('/a'))).toBe(true);
}, 120_000);
