/**
 * All of the set-up: `node scripts/setup.mjs [build|core|test|check]`. Installs the system packages that are missing
 * (or says what to type), then the npm packages, then builds. Does nothing, quickly, when nothing is missing.
 * Plain JavaScript without dependencies: it runs before `npm install`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  findManager,
  findProgram,
  installCommand,
  missingNeeds,
  missingSentence,
} from './system-packages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const level = process.argv[2] ?? 'build';

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

function run(command, args, env = process.env) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error) fail(`${command} does not start: ${error.message}.`);
  return status === 0;
}

function runOrEnd(command, args) {
  if (!run(command, args)) process.exit(1);
}

/** True when packages may be installed without a person typing a password. */
function mayInstall(manager) {
  if (!manager.needsRoot || process.getuid?.() === 0) return true;
  return (
    findProgram('sudo') !== undefined &&
    spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0
  );
}

function installSystemPackages() {
  const missing = missingNeeds(level);
  if (missing.length === 0) return;
  const manager = findManager();
  if (!manager || !mayInstall(manager)) fail(missingSentence(missing));
  const command = installCommand(missing, manager);
  console.error(`Installing ${missing.map((need) => need.what).join(', ')}: ${command}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const sudo = command.startsWith('sudo ') ? 'sudo ' : '';
  if (manager.refresh) run('sh', ['-c', `${sudo}${manager.refresh} >/dev/null`], env);
  run('sh', ['-c', `${command} >/dev/null`], env);
  const stillMissing = missingNeeds(level);
  if (stillMissing.length > 0) fail(missingSentence(stillMissing));
}

/** True when node_modules holds every package of the lock, at its version. */
function areNpmPackagesPresent() {
  const installedFile = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  return Object.entries(locked).every(
    ([path, { version, optional }]) =>
      path === '' || (installed[path] ? installed[path].version === version : optional === true),
  );
}

function installNpmPackages() {
  if (areNpmPackagesPresent()) return;
  console.error('Installing the npm packages');
  // No install script of a dependency runs: nothing here may depend on one.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  const npm = process.env.npm_execpath;
  if (npm) runOrEnd(process.execPath, [npm, ...args]);
  else runOrEnd('npm', args);
}

/** Newest modification below `path`, in milliseconds; 0 when there is none. */
function newestMs(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

function buildTypeScript() {
  const main = join(root, 'dist/main.js');
  const sources = ['src', 'tsconfig.json', 'node_modules/.package-lock.json'];
  if (
    existsSync(main) &&
    sources.every((path) => newestMs(join(root, path)) < statSync(main).mtimeMs)
  )
    return;
  // With an error nothing may be emitted, or the next set-up would take it for built.
  runOrEnd(process.execPath, [
    'node_modules/typescript/bin/tsc',
    '-p',
    'tsconfig.json',
    '--noEmitOnError',
  ]);
}

installSystemPackages();
installNpmPackages();
runOrEnd(process.execPath, ['scripts/build-native.mjs']);
buildTypeScript();
