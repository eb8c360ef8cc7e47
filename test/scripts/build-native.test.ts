import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { findProgram } from '../../scripts/system-packages.mjs';
import { useTmp } from '../support/tmp.ts';
import { useSmallHouse } from './small-house.ts';

/** Runs the build with a PATH that holds only `programs`. */
function build(programs: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const directory = useTmp();
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
  [
    'pkg-config',
    /^mcurl needs pkg-config, the headers of libcurl 7\.87 or newer, and the headers of OpenSSL: .+\.$/,
  ],
])('without %s it ends with one sentence', (name, sentence) => {
  const { status, lines, stdout } = build(ALL.filter((other) => other !== name));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(sentence);
  expect(stdout).toBe('');
  expect(status).toBe(1);
});

test('without the headers of the libraries it ends with one sentence', () => {
  const { status, lines } = build(ALL, { PKG_CONFIG_LIBDIR: useTmp() });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(
    /^mcurl needs the headers of libcurl 7\.87 or newer and the headers of OpenSSL: .+\.$/,
  );
  expect(status).toBe(1);
});

test('what changed is compiled, what did not is not', () => {
  const house = useSmallHouse();
  const again = () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/build-native.mjs'], {
      cwd: house,
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    return { compiled: stdout.match(/main\.o/g)?.length ?? 0, output: stdout + stderr };
  };
  expect(again().compiled).toBe(1);
  expect(again().output).toBe('');
  writeFileSync(join(house, 'native/main.cc'), 'int answer() { return 43; }\n');
  expect(again().compiled).toBe(1);
  const gyp = join(house, 'native/binding.gyp');
  writeFileSync(gyp, readFileSync(gyp, 'utf8').replace("'main.cc'", "'main.cc', 'more.cc'"));
  writeFileSync(join(house, 'native/more.cc'), 'int more() { return 1; }\n');
  expect(again().output).toContain('more.o');
  expect(again().output).toBe('');
});

test('what npm packs, which is without tests, can be built whole', () => {
  const house = useTmp();
  const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] };
  for (const path of ['package.json', ...files.filter((name) => name !== 'dist')]) {
    cpSync(path, join(house, path), { recursive: true });
  }
  symlinkSync(resolve('node_modules'), join(house, 'node_modules'));
  const say = (command: string, ...args: string[]) => {
    // make says what it would do.
    const env = { ...process.env, MAKEFLAGS: '-n' };
    const { status, stdout, stderr } = spawnSync(command, args, {
      cwd: house,
      env,
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    return stdout;
  };
  expect(say(process.execPath, 'scripts/build-native.mjs')).toContain('addon.o');
  const all = say('make', '-C', 'native/build', 'all');
  expect(all).toContain('addon.o');
  expect(all).not.toContain('core_test');
});

test('what does not compile ends it with a sentence after the compiler', () => {
  const house = useSmallHouse();
  writeFileSync(join(house, 'native/main.cc'), 'int answer() { return nothing; }\n');
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build-native.mjs'], {
    cwd: house,
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toContain('nothing');
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^The native target mcurl does not compile/);
});
