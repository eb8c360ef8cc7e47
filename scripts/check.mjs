/**
 * `npm run check`: everything that must hold before a change is handed in; CI runs this and nothing else. It goes on
 * after a failure, so that one run tells all, and closes with a line of counts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, 'node_modules/.cache');
const count = { passed: 0, failed: 0, skipped: 0 };
const failures = [];

function run(command, args, env = {}) {
  const started = performance.now();
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error) console.error(`${command} does not start: ${error.message}`);
  console.error(`(${Math.round((performance.now() - started) / 1000)} s)`);
  return status === 0;
}

function record(name, isPassed) {
  count[isPassed ? 'passed' : 'failed'] += 1;
  if (!isPassed) failures.push(name);
}

/** A step that counts as one test. */
function step(name, command, args) {
  console.error(`\n== ${name}`);
  record(name, run(command, args));
}

const node = (name, ...args) => step(name, process.execPath, args);

/** Runs vitest on `nodeBinary` and adds up its tests. */
function vitest(name, args, nodeBinary = process.execPath) {
  console.error(`\n== ${name}`);
  const report = join(cache, 'vitest.json');
  rmSync(report, { force: true });
  const isPassed = run(
    nodeBinary,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      ...args,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    { PATH: `${dirname(nodeBinary)}${delimiter}${process.env.PATH}` },
  );
  if (!existsSync(report)) {
    record(name, false);
    return;
  }
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(
    readFileSync(report, 'utf8'),
  );
  count.passed += numPassedTests;
  count.failed += numFailedTests;
  count.skipped += numPendingTests;
  if (numFailedTests > 0) failures.push(name);
  // A file that does not load, or an error outside any test.
  else if (!isPassed) record(name, false);
}

/** The binary of another Node, from the npm package that holds it; undefined when it cannot be had. */
function fetchNode(major) {
  const name = `node-${process.platform}-${process.arch}`;
  const prefix = join(cache, `node-${major}`);
  const binary = join(prefix, 'node_modules', name, 'bin/node');
  if (existsSync(binary)) return binary;
  mkdirSync(prefix, { recursive: true });
  const args = [
    'install',
    '--prefix',
    prefix,
    '--no-save',
    '--no-audit',
    '--no-fund',
    `${name}@${major}`,
  ];
  const npm = process.env.npm_execpath;
  const isFetched = npm ? run(process.execPath, [npm, ...args]) : run('npm', args);
  return isFetched && existsSync(binary) ? binary : undefined;
}

function nativeSources() {
  return ['native/core', 'native/addon', 'test/native'].flatMap((directory) =>
    readdirSync(join(root, directory))
      .filter((name) => /\.(h|cc)$/.test(name))
      .map((name) => join(directory, name)),
  );
}

if (!run(process.execPath, ['scripts/setup.mjs', 'check'])) process.exit(1);
mkdirSync(cache, { recursive: true });

node('biome', 'node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings');
node('tsc on src', 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', '--noEmit');
node('tsc on test', 'node_modules/typescript/bin/tsc', '-p', 'test/tsconfig.json');
node('typedoc', 'node_modules/typedoc/bin/typedoc', '--emit', 'none');
step('clang-format', 'clang-format', ['--dry-run', '-Werror', ...nativeSources()]);
vitest('npm test', ['--project=test']);
step('core_test under ASan and UBSan', 'npm', ['run', '--silent', 'test:asan']);
step('core_test under TSan', 'npm', ['run', '--silent', 'test:tsan']);
vitest('stress', ['--project=stress']);
node('crash', 'test/crash/run.mjs', '--runs=40');
for (const major of [22, 24]) {
  const binary = fetchNode(major);
  if (binary)
    vitest(
      `end to end on Node ${major}`,
      ['--project=test', 'test/e2e', 'test/native/multi'],
      binary,
    );
  else record(`end to end on Node ${major}`, false);
}

console.error(failures.length > 0 ? `\nFailed: ${failures.join(', ')}` : '\nAll is well.');
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed > 0 ? 1 : 0;
