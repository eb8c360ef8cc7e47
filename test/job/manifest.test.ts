import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Manifest, manifestLine } from '../../src/job/manifest.ts';
import { namesIn } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

it.each([
  ['a b', 'ff  a b\n'],
  ['a\\b', '\\ff  a\\\\b\n'],
  ['a\nb\r', '\\ff  a\\nb\\r\n'],
])('escapes %j as coreutils do', (path, line) => {
  expect(manifestLine('ff', path)).toBe(line);
});

it('is in order of the inputs, whatever ends first, and has its name at the end', async () => {
  const directory = useTmp();
  const path = join(directory, 'sums');
  const manifest = new Manifest(path, join(directory, 'files'));
  manifest.add(3, 'd', 'sha-256=33');
  manifest.add(1, 'b', 'sha-256=11');
  manifest.pass(0);
  manifest.add(4, 'e', 'sha-256=44');
  expect(namesIn(directory)).toEqual(['sums.part']);
  await manifest.finish();
  expect(readFileSync(path, 'utf8')).toBe('11  files/b\n33  files/d\n44  files/e\n');
  expect(namesIn(directory)).toEqual(['sums']);
});
