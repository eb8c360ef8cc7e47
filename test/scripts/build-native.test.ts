import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findProgram } from '../../scripts/system-packages.mjs';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mcurl-build-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** Runs the build with a PATH that holds only `programs`. */
function build(programs: readonly string[], env: Readonly<Record<string, string>> = {}) {
  for (const name of programs) symlinkSync(findProgram(name) ?? '', join(directory, name));
  const run = spawnSync(process.execPath, ['scripts/build-native.mjs'], {
    encoding: 'utf8',
    env: { PATH: directory, ...env },
  });
  return { status: run.status, lines: run.stderr.trim().split('\n'), stdout: run.stdout };
}

const ALL = ['g++', 'make', 'python3', 'pkg-config'];

test.each([
  ['g++', /^mcurl needs a C\+\+20 compiler \(.+\): .+\.$/],
  ['make', /^mcurl needs make: .+\.$/],
  ['python3', /^mcurl needs Python 3: .+\.$/],
  ['pkg-config', /^mcurl needs pkg-config and the headers of libcurl 7\.87 or newer: .+\.$/],
])('without %s it ends with one sentence', (name, sentence) => {
  const { status, lines, stdout } = build(ALL.filter((other) => other !== name));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(sentence);
  expect(stdout).toBe('');
  expect(status).toBe(1);
});

test('without the headers of libcurl it ends with one sentence', () => {
  const { status, lines } = build(ALL, { PKG_CONFIG_LIBDIR: directory });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^mcurl needs the headers of libcurl 7\.87 or newer: .+\.$/);
  expect(status).toBe(1);
});

test('when nothing changed it compiles nothing', () => {
  const again = () =>
    spawnSync(process.execPath, ['scripts/build-native.mjs'], { encoding: 'utf8' });
  expect(again().status).toBe(0);
  const { status, stdout, stderr } = again();
  expect({ status, output: stdout + stderr }).toEqual({ status: 0, output: '' });
}, 300_000);
