import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { WholeFile } from '../../src/job/whole-file.ts';
import { useTmp } from '../support/tmp.ts';

it('replaces the old one only when it is whole', async () => {
  const path = join(useTmp(), 'list');
  writeFileSync(path, 'old');
  const file = new WholeFile(path, 0o600);
  file.write('new\n');
  expect(readFileSync(path, 'utf8')).toBe('old');
  await file.finish();
  expect(readFileSync(path, 'utf8')).toBe('new\n');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(file.failure).toBeUndefined();
});

it('tells why it has no name', async () => {
  const path = join(useTmp(), 'list');
  const file = new WholeFile(path);
  mkdirSync(path);
  await file.finish();
  expect(file.failure?.message).toContain('list');
  const attempt = () => new WholeFile(join(path, 'no', 'such'));
  expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_MCURL_FILE' }));
});
