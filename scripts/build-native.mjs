/**
 * Builds a target of native/binding.gyp: `node scripts/build-native.mjs [--sanitize=LIST] [target]`.
 * Without arguments it builds the addon, `mcurl`. A sanitized build has objects of its own beside the plain ones.
 * Quick when nothing changed. Fails with one sentence when the system lacks something.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCompiler, missingNeeds, missingSentence } from './system-packages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const native = join(root, 'native');
const build = join(native, 'build');
const stampFile = join(build, 'configured.json');

/** Ends with one sentence. */
function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

/** Node's own headers where they lie beside it, so that node-gyp need not fetch them. */
function findNodeHeaders() {
  const prefix = resolve(dirname(process.execPath), '..');
  return existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined;
}

function run(command, args, env, advice) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error) fail(`${command} does not start: ${error.message}.`);
  if (status !== 0) fail(advice);
}

const args = process.argv.slice(2);
const sanitize = args.find((arg) => arg.startsWith('--sanitize='))?.slice('--sanitize='.length);
const target = args.find((arg) => !arg.startsWith('--')) ?? 'mcurl';

const missing = missingNeeds(target === 'mcurl' ? 'build' : 'core');
if (missing.length > 0) fail(missingSentence(missing));

const nodeGyp = join(root, 'node_modules/node-gyp/bin/node-gyp.js');
if (!existsSync(nodeGyp)) fail("mcurl needs its npm packages: type 'npm ci'.");

const compiler = findCompiler();
const env = { ...process.env };
if (compiler !== 'g++') {
  env.CXX = compiler;
  env.CC ??= compiler.replace('++', compiler.includes('clang') ? '' : 'cc');
}
// Settings of this kind win over npm's own and over node-gyp's arguments.
env.npm_package_config_node_gyp_loglevel = 'error';
const nodeHeaders = findNodeHeaders();
if (nodeHeaders) env.npm_package_config_node_gyp_nodedir = nodeHeaders;

// What a configured build depends on; gyp's Makefile itself sees to everything else.
const stamp = JSON.stringify({
  node: process.versions.node.split('.')[0],
  nodeHeaders,
  compiler,
  libcurl: pkgConfig('libcurl'),
  libuv: pkgConfig('libuv'),
  gyp: readFileSync(join(native, 'binding.gyp'), 'utf8'),
  // binding.gyp lists the tests by a wildcard.
  tests: existsSync(join(root, 'test/native')) ? readdirSync(join(root, 'test/native')) : [],
});

function pkgConfig(library) {
  const flags = spawnSync('pkg-config', ['--modversion', '--cflags', '--libs', library], {
    encoding: 'utf8',
  });
  return flags.stdout;
}

function isConfigured() {
  try {
    return existsSync(join(build, 'Makefile')) && readFileSync(stampFile, 'utf8') === stamp;
  } catch {
    return false;
  }
}

if (!isConfigured()) {
  run(
    process.execPath,
    [nodeGyp, 'configure', '-C', 'native'],
    env,
    'The native build could not be configured; the reason stands above.',
  );
  mkdirSync(build, { recursive: true });
  writeFileSync(stampFile, stamp);
}

const make = [
  '--silent',
  '-C',
  build,
  `--jobs=${availableParallelism()}`,
  'BUILDTYPE=Release',
  target,
];
if (sanitize) {
  const flags = `-fsanitize=${sanitize} -fno-sanitize-recover=all -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS -g -O1`;
  make.push(
    `builddir=${join(build, sanitize.replaceAll(',', '-'))}`,
    `CFLAGS=${flags}`,
    `CXXFLAGS=${flags}`,
    `LDFLAGS=-fsanitize=${sanitize}`,
  );
}
run(
  'make',
  make,
  env,
  `The native target ${target} does not compile; the compiler's words stand above.`,
);
