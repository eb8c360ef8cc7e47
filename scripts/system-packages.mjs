/**
 * What mcurl needs of the system, how to see that it is there, and what its package is called.
 * Plain JavaScript without dependencies: it runs before `npm install`.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Package managers, best first; `install` gets the packages appended. `refresh` brings the lists up to date. */
export const MANAGERS = [
  {
    command: 'apt-get',
    refresh: 'apt-get update -q',
    install: 'apt-get install -q -y --no-install-recommends',
    needsRoot: true,
  },
  { command: 'dnf', install: 'dnf install -q -y', needsRoot: true },
  { command: 'apk', install: 'apk add --no-progress', needsRoot: true },
  { command: 'pacman', install: 'pacman -Sy --needed --noconfirm', needsRoot: true },
  { command: 'brew', install: 'brew install -q', needsRoot: false },
];

/** Full path of a program on PATH, or undefined. */
export function findProgram(name, path = process.env.PATH ?? '') {
  // Debian keeps nginx in a directory that is not on everybody's PATH.
  for (const directory of [...path.split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const file = join(directory, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

function output(command, ...args) {
  const run = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  return run.status === 0 ? run.stdout.trim() : '';
}

/** True when dotted version `have` is `want` or newer. */
export function isVersionAtLeast(have, want) {
  const parts = have.split('.').map((part) => Number.parseInt(part, 10));
  for (const [index, wanted] of want.split('.').map(Number).entries()) {
    const part = parts[index] ?? 0;
    if (Number.isNaN(part) || part < wanted) return false;
    if (part > wanted) return true;
  }
  return true;
}

/** The compiler to build with: `CXX`, or the first that knows C++20. */
export function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++', 'c++'];
  return candidates.find((candidate) => {
    const [program, ...args] = candidate.split(' ');
    if (!findProgram(program)) return false;
    const isClang = output(program, ...args, '--version').includes('clang');
    return isVersionAtLeast(output(program, ...args, '-dumpversion'), isClang ? '13' : '11');
  });
}

function pkgConfigVersion(library) {
  return findProgram('pkg-config') ? output('pkg-config', '--modversion', library) : '';
}

const program = (name) => () => findProgram(name) !== undefined;

/**
 * Everything needed, in levels that include the ones before: `build` (the program), `core` (its core_test),
 * `test` (all tests), `check` (lint).
 * `packages` has one name, or several, for each manager; an empty one says the system brings it.
 */
export const NEEDS = [
  {
    level: 'build',
    what: 'a C++20 compiler (g++ 11 or clang 13, or newer)',
    isPresent: () => findCompiler() !== undefined,
    packages: {
      'apt-get': 'g++',
      dnf: 'gcc-c++',
      apk: 'g++ linux-headers',
      pacman: 'gcc',
      brew: 'llvm',
    },
  },
  {
    level: 'build',
    what: 'make',
    isPresent: program('make'),
    packages: { 'apt-get': 'make', dnf: 'make', apk: 'make', pacman: 'make', brew: 'make' },
  },
  {
    level: 'build',
    what: 'Python 3',
    isPresent: program('python3'),
    packages: {
      'apt-get': 'python3',
      dnf: 'python3',
      apk: 'python3',
      pacman: 'python',
      brew: 'python',
    },
  },
  {
    level: 'build',
    what: 'pkg-config',
    isPresent: program('pkg-config'),
    packages: {
      'apt-get': 'pkg-config',
      dnf: 'pkgconf-pkg-config',
      apk: 'pkgconf',
      pacman: 'pkgconf',
      brew: 'pkgconf',
    },
  },
  {
    level: 'build',
    what: 'the headers of libcurl 7.87 or newer',
    isPresent: () => isVersionAtLeast(pkgConfigVersion('libcurl'), '7.87'),
    packages: {
      'apt-get': 'libcurl4-openssl-dev',
      dnf: 'libcurl-devel',
      apk: 'curl-dev',
      pacman: 'curl',
      brew: 'curl',
    },
  },
  {
    level: 'build',
    what: 'the headers of OpenSSL',
    isPresent: () => isVersionAtLeast(pkgConfigVersion('libcrypto'), '1.1.1'),
    packages: {
      'apt-get': 'libssl-dev',
      dnf: 'openssl-devel',
      apk: 'openssl-dev',
      pacman: 'openssl',
      brew: 'openssl',
    },
  },
  {
    level: 'core',
    what: 'the headers of libuv',
    isPresent: () => pkgConfigVersion('libuv') !== '',
    packages: {
      'apt-get': 'libuv1-dev',
      dnf: 'libuv-devel',
      apk: 'libuv-dev',
      pacman: 'libuv',
      brew: 'libuv',
    },
  },
  ...['nginx', 'curl', 'openssl', 'tmux', 'strace'].map((name) => ({
    level: 'test',
    what: name,
    isPresent: program(name),
    packages: { 'apt-get': name, dnf: name, apk: name, pacman: name, brew: name },
  })),
  {
    level: 'test',
    what: 'ip (iproute2)',
    isPresent: program('ip'),
    packages: {
      'apt-get': 'iproute2',
      dnf: 'iproute',
      apk: 'iproute2',
      pacman: 'iproute2',
      brew: 'iproute2mac',
    },
  },
  {
    level: 'check',
    what: 'clang-format',
    isPresent: program('clang-format'),
    packages: {
      'apt-get': 'clang-format',
      dnf: 'clang-tools-extra',
      apk: 'clang-extra-tools',
      pacman: 'clang',
      brew: 'clang-format',
    },
  },
];

const LEVELS = ['build', 'core', 'test', 'check'];

/** The needs of `level` that this system does not meet. */
export function missingNeeds(level) {
  const depth = LEVELS.indexOf(level);
  if (depth < 0) throw new TypeError(`level is one of ${LEVELS.join(', ')}, not '${level}'`);
  return NEEDS.filter((need) => LEVELS.indexOf(need.level) <= depth && !need.isPresent());
}

/** This system's package manager, or undefined. */
export function findManager() {
  return MANAGERS.find(({ command }) => findProgram(command));
}

/** What to type to install `needs`, or undefined without a known package manager. */
export function installCommand(needs, manager = findManager()) {
  if (!manager) return undefined;
  const packages = needs.map((need) => need.packages[manager.command]).join(' ');
  const sudo = manager.needsRoot && process.getuid?.() !== 0 ? 'sudo ' : '';
  return `${sudo}${manager.install} ${packages}`;
}

/** One sentence: what is missing and what to type. */
export function missingSentence(needs) {
  const list = new Intl.ListFormat('en', { type: 'conjunction' }).format(
    needs.map((need) => need.what),
  );
  const command = installCommand(needs);
  const advice = command ? `type '${command}'` : "install that with your system's package manager";
  return `mcurl needs ${list}: ${advice}.`;
}
