import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { WholeFile } from '../../src/job/whole-file.ts';
import { namesIn } from '../support/run-cli.ts';
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

it('replaces what a link leads to, not the link', async () => {
  const directory = useTmp();
  mkdirSync(join(directory, 'elsewhere'));
  writeFileSync(join(directory, 'elsewhere', 'sums'), 'old');
  symlinkSync('elsewhere/sums', join(directory, 'link'));
  const file = new WholeFile(join(directory, 'link'));
  file.write('new');
  await file.finish();
  expect(lstatSync(join(directory, 'link')).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(directory, 'elsewhere', 'sums'), 'utf8')).toBe('new');
  expect(namesIn(directory)).toEqual(['elsewhere', 'link']);
});

it('writes into a pipe, as into any device, and leaves it what it is', async () => {
  const directory = useTmp();
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(reader));
  const file = new WholeFile(path);
  file.write('new');
  await file.finish();
  expect(file.failure).toBeUndefined();
  expect(readFileSync(reader, 'utf8')).toBe('new');
  expect(lstatSync(path).isFIFO()).toBe(true);
  expect(namesIn(directory)).toEqual(['pipe']);
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
