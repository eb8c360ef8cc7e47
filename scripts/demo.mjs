/**
 * `npm run demo`: sets everything up, downloads a few hundred files from a loopback origin with the real program, and
 * checks every byte. Its exit code is 0 only when all files are whole.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { sha256, startOrigin } from './origin.mjs';

const KIB = 1024;
const MIB = 1024 * KIB;

/** What the origin serves: its path, its size, and the fault that the query orders. */
const FILES = [
  ...Array.from({ length: 280 }, (_, index) => ({
    path: `/small/${String(index + 1).padStart(3, '0')}.bin`,
    size: (1 + (index % 64)) * KIB,
  })),
  ...Array.from({ length: 20 }, (_, index) => ({
    path: `/large/${String(index + 1).padStart(2, '0')}.iso`,
    size: (4 + index) * MIB,
  })),
  { path: '/slow/trickle.log', size: 120 * KIB, fault: 'piece=2048&trickle=50' },
  { path: '/angry/fails-twice.dat', size: 256 * KIB, fault: 'status=503&times=2' },
];

const root = fileURLToPath(new URL('..', import.meta.url));
const directory = join(root, 'downloads', 'demo');
const list = join(root, 'downloads', 'demo-urls.txt');

async function digest(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** The files that are missing, differ, or should not be there. */
async function findFaults() {
  const faults = [];
  const present = new Set(readdirSync(directory));
  for (const { path, size } of FILES) {
    const name = basename(path);
    if (!present.delete(name)) faults.push(`${name} is missing`);
    else if ((await digest(join(directory, name))) !== sha256(path, size))
      faults.push(`${name} differs`);
  }
  return [...faults, ...[...present].map((name) => `${name} should not be there`)];
}

const setup = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs'), 'build'], {
  stdio: 'inherit',
});
if (setup.status !== 0) process.exit(1);

// Ctrl-C is for mcurl, which shares this terminal; its exit code ends the demo.
process.on('SIGINT', () => {});

const origin = await startOrigin();
rmSync(directory, { recursive: true, force: true });
mkdirSync(directory, { recursive: true });
const urls = FILES.map(({ path, size, fault }) =>
  origin.url(`${path}?size=${size}${fault ? `&${fault}` : ''}`),
);
writeFileSync(list, `${urls.join('\n')}\n`);

const here = (path) => relative(process.cwd(), path) || '.';
console.error(`$ mcurl fetch ${here(list)} -d ${here(directory)}`);
const mcurl = spawn(
  process.execPath,
  [join(root, 'bin/mcurl.js'), 'fetch', list, '-d', directory],
  {
    stdio: 'inherit',
    // The origin is on this machine: no proxy can reach it.
    env: { ...process.env, NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' },
  },
);
const [code, signal] = await once(mcurl, 'exit');
await origin.stop();

if (code !== 0) {
  console.error(`mcurl ended with ${signal ?? `exit code ${code}`}.`);
  process.exitCode = code ?? 1;
} else {
  const faults = await findFaults();
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) {
    process.exitCode = 9;
  } else {
    const bytes = FILES.reduce((sum, { size }) => sum + size, 0);
    console.error(
      `All ${FILES.length} files (${Math.round(bytes / MIB)} MiB) have the SHA-256 they should have. They are in ${directory}`,
    );
  }
}
