/**
 * `npm run bench -- [work…] [--rounds=N] [--workers=N] [--jobs=N] [--tools=a,b]`: mcurl against curl -Z, wget2 and
 * aria2c on the same work, in turn. Prints medians and their ratio to curl's; writes every run to results/.
 * Without a work it measures all of them (see works.mjs), `help` (start-up) and `js` (JavaScript's share).
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureJournal } from './journal.mjs';
import { startNginx } from './nginx.mjs';
import { startSlowOrigin } from './slow-origin.mjs';
import { TOOLS } from './tools.mjs';
import { WORKS } from './works.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const mcurl = fileURLToPath(new URL('../../bin/mcurl.js', import.meta.url));
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    workers: { type: 'string', default: '2' },
    jobs: { type: 'string', default: '64' },
    tools: { type: 'string', default: Object.keys(TOOLS).join(',') },
  },
});
const EXTRAS = { help: measureStart, js: measureJavaScript, journal: measureLongJournal };
const names =
  positionals.length > 0 ? positionals : [...Object.keys(WORKS), ...Object.keys(EXTRAS)];
const wantedTools = options.tools.split(',');
const unknown = [
  ...names.filter((name) => !(name in WORKS) && !(name in EXTRAS)),
  ...wantedTools.filter((name) => !(name in TOOLS)),
];
if (unknown.length > 0) {
  console.error(`No such work or tool: ${unknown.join(', ')}.`);
  console.error(`Works: ${Object.keys(WORKS).join(' ')} ${Object.keys(EXTRAS).join(' ')}`);
  process.exit(2);
}
// A rival this slow is measured once and not again.
const ONCE_ABOVE_S = 20;
// Contents are compared of so many files of each run, evenly spread; names and sizes of all.
const COMPARED_FILES = 2000;

const directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'mcurl-bench-'));
const corpus = join(directory, 'corpus');
mkdirSync(corpus);
const rubbish = () => rmSync(directory, { recursive: true, force: true });
process.on('exit', rubbish);
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** Bytes of the file number `index`: all differ, and all pieces of a large one differ. */
function fillPiece(piece, index, offset) {
  piece.fill(`${index}:${offset}\n`);
}

function writeFile(file, index, bytes) {
  const piece = Buffer.alloc(Math.min(bytes, 1024 * 1024));
  const fd = openSync(file, 'w');
  for (let offset = 0; offset < bytes; offset += piece.length) {
    fillPiece(piece, index, offset);
    writeSync(fd, piece, 0, Math.min(piece.length, bytes - offset));
  }
  closeSync(fd);
}

function isWhole(file, index, bytes) {
  const piece = Buffer.alloc(Math.min(bytes, 1024 * 1024));
  const expected = Buffer.alloc(piece.length);
  const fd = openSync(file, 'r');
  try {
    for (let offset = 0; offset < bytes; offset += piece.length) {
      const length = Math.min(piece.length, bytes - offset);
      fillPiece(expected, index, offset);
      if (readSync(fd, piece, 0, length, offset) !== length) return false;
      if (piece.compare(expected, 0, length, 0, length) !== 0) return false;
    }
    return true;
  } finally {
    closeSync(fd);
  }
}

const nameOf = (index) => `${index}.bin`;

/** Folder of the corpus with at least `files` files of `bytes` bytes; made once for each size. */
function makeCorpus(files, bytes) {
  const folder = `${bytes}`;
  mkdirSync(join(corpus, folder), { recursive: true });
  for (let index = readdirSync(join(corpus, folder)).length; index < files; index += 1) {
    writeFile(join(corpus, folder, nameOf(index)), index, bytes);
  }
  return folder;
}

/** What is wrong with a run's files, or undefined. */
function findFault(output, work) {
  const found = readdirSync(output);
  if (found.length !== work.files) return `${found.length} files instead of ${work.files}`;
  const step = Math.max(1, Math.floor(work.files / COMPARED_FILES));
  for (let index = 0; index < work.files; index += 1) {
    const file = join(output, nameOf(index));
    if (statSync(file, { throwIfNoEntry: false })?.size !== work.bytes)
      return `${file} has not its size`;
    const isCompared = index % step === 0 && work.delayMs === undefined;
    if (isCompared && !isWhole(file, work.virtual ? 0 : index, work.bytes))
      return `${file} differs`;
  }
  return undefined;
}

async function measure(command) {
  const result = join(directory, 'measured');
  const child = spawn('python3', [join(here, 'measure.py'), result, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: Object.fromEntries(
      Object.entries({ ...process.env, HOME: directory }).filter(
        ([name]) => !/_proxy$/i.test(name),
      ),
    ),
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece) => {
    text += piece;
  });
  await once(child, 'close');
  return { ...JSON.parse(text), stderr: readFileSync(`${result}.stderr`, 'utf8').slice(-2000) };
}

const seconds = (value) => value.toFixed(value < 10 ? 3 : 1);
const megabytes = (bytes) => (bytes / 1e6).toFixed(0);

function printTable(title, rows) {
  console.log(`\n${title}`);
  const table = [['', 'wall s', 'CPU s', 'peak MB', 'wall/curl', 'CPU/curl', 'runs'], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table) {
    console.log(
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]),
        )
        .join('  '),
    );
  }
}

function measureLongJournal() {
  const result = measureJournal();
  printGoals({ readS: 30, bytesPerLine: 48 }, result.reached);
  return result;
}

function printGoals(goals, reached) {
  for (const [goal, wanted] of Object.entries(goals ?? {})) {
    const got = reached[goal];
    if (got === undefined) continue;
    const isMet = goal === 'inFlight' ? got >= wanted : got <= wanted;
    const show = (value) =>
      goal === 'peakBytes' ? `${megabytes(value)} MB` : Number(value.toFixed(3));
    console.log(
      `  goal ${goal} ${show(wanted)}: ${isMet ? 'reached' : 'NOT reached'} (${show(got)})`,
    );
  }
}

async function measureWork(name, work, nginx) {
  const rounds = Math.min(work.rounds ?? Number.POSITIVE_INFINITY, Number(options.rounds));
  const jobs = work.jobs ?? Number(options.jobs);
  const slow =
    work.delayMs === undefined ? undefined : await startSlowOrigin(work.delayMs, work.bytes);
  let folder = 'virtual';
  if (!slow && work.virtual) {
    const one = join(corpus, 'one.bin');
    if (!existsSync(one)) linkSync(join(corpus, makeCorpus(1, work.bytes), nameOf(0)), one);
  } else if (!slow) {
    folder = makeCorpus(work.files, work.bytes);
  }
  const base = slow?.base ?? nginx.bases[work.protocol];
  const urls = join(directory, 'urls.txt');
  const list = Array.from(
    { length: work.files },
    (_, index) => `${base}/${folder}/${nameOf(index)}\n`,
  );
  writeFileSync(urls, list.join(''));

  const tools = work.tools.filter(
    (tool) => wantedTools.includes(tool) && TOOLS[tool].isPresent(work),
  );
  const runs = Object.fromEntries(tools.map((tool) => [tool, []]));
  for (let round = 0; round < rounds; round += 1) {
    // Each round begins with another tool, so that none always follows the same one.
    const turn = tools.map((_, index) => tools[(index + round) % tools.length]);
    for (const tool of turn) {
      if (tool !== 'mcurl' && tool !== 'curl' && runs[tool][0]?.wallS > ONCE_ABOVE_S) continue;
      const output = join(directory, 'output');
      mkdirSync(output);
      const task = { ...work, urls, output, jobs, certFile: nginx.certFile, scratch: directory };
      const run = await measure(TOOLS[tool].command(task));
      const fault =
        run.exitCode === 0 ? findFault(output, work) : `exit code ${run.exitCode}: ${run.stderr}`;
      if (fault) console.log(`${name}: ${tool} FAILED: ${fault}`);
      runs[tool].push({ ...run, stderr: undefined, fault });
      rmSync(output, { recursive: true });
      process.stderr.write('.');
    }
  }
  process.stderr.write('\n');
  slow?.stop();

  const medians = {};
  for (const [tool, all] of Object.entries(runs)) {
    const good = all.filter((run) => run.fault === undefined);
    if (good.length === 0) continue;
    medians[tool] = {
      wallS: median(good.map((run) => run.wallS)),
      cpuS: median(good.map((run) => run.cpuS)),
      peakBytes: median(good.map((run) => run.peakBytes)),
      mainThreadS: median(good.map((run) => run.mainThreadS)),
    };
  }
  const { curl } = medians;
  const ratio = (value, reference) => (curl ? (value / reference).toFixed(2) : '-');
  printTable(
    `${name}: ${work.files.toLocaleString('en')} x ${work.bytes.toLocaleString('en')} bytes, ${work.protocol}, ${jobs} at once`,
    Object.entries(runs).map(([tool, all]) => {
      const m = medians[tool];
      if (!m) return [tool, ...Array(5).fill('failed'), `${all.length}`];
      return [
        tool,
        seconds(m.wallS),
        seconds(m.cpuS),
        megabytes(m.peakBytes),
        ratio(m.wallS, curl?.wallS),
        ratio(m.cpuS, curl?.cpuS),
        `${all.length}`,
      ];
    }),
  );
  const reached = {
    peakBytes: medians.mcurl?.peakBytes,
    inFlight: slow?.peak(),
    wallRatio: medians.mcurl && curl ? medians.mcurl.wallS / curl.wallS : undefined,
    cpuRatio: medians.mcurl && curl ? medians.mcurl.cpuS / curl.cpuS : undefined,
  };
  printGoals(work.goals, reached);
  return { work, runs, medians, reached };
}

/** `mcurl --help` against an empty module. */
async function measureStart() {
  const empty = join(directory, 'empty.mjs');
  writeFileSync(empty, '');
  const commands = { empty: [empty], help: [mcurl, '--help'] };
  const runs = { empty: [], help: [] };
  for (let round = 0; round < 40; round += 1) {
    for (const [name, args] of Object.entries(commands)) {
      const start = performance.now();
      const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
      runs[name].push((performance.now() - start) / 1000);
      if (status !== 0) throw new Error(`${name} ended with exit code ${status}`);
    }
  }
  const reached = { startRatio: median(runs.help) / median(runs.empty) };
  console.log(
    `\nhelp: an empty module ${seconds(median(runs.empty))} s, mcurl --help ${seconds(median(runs.help))} s (medians of 40)`,
  );
  printGoals({ startRatio: 1.25 }, reached);
  return { runs, reached };
}

/** Microseconds of the JavaScript thread a transfer: start-up falls out of the difference of two lengths. */
async function measureJavaScript(nginx) {
  const work = { ...WORKS['small-20k'], tools: ['mcurl'], goals: {} };
  const short = await measureWork('js, short', work, nginx);
  const long = await measureWork('js, long', { ...work, files: 100_000 }, nginx);
  if (!short.medians.mcurl || !long.medians.mcurl) return { short, long };
  const us =
    ((long.medians.mcurl.mainThreadS - short.medians.mcurl.mainThreadS) * 1e6) /
    (100_000 - work.files);
  console.log(`\njs: ${us.toFixed(2)} us of the JavaScript thread a transfer`);
  const reached = { jsUs: us };
  printGoals({ jsUs: 5 }, reached);
  return { short, long, reached };
}

const versions = Object.fromEntries(
  Object.entries(TOOLS)
    .filter(([name, tool]) => wantedTools.includes(name) && tool.isPresent({ protocol: 'http' }))
    .map(([name, tool]) => [name, tool.version()]),
);
const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  kernel: release(),
  node: process.version,
};
console.log(
  `${machine.cores} cores (${machine.cpu}), Linux ${machine.kernel}, Node ${machine.node}`,
);
for (const version of Object.values(versions)) console.log(version);

const nginx = await startNginx(directory, corpus, Number(options.workers));
const results = {};
try {
  for (const name of names) {
    results[name] =
      name in EXTRAS ? await EXTRAS[name](nginx) : await measureWork(name, WORKS[name], nginx);
  }
  const perFile = (name) => {
    const wallS = results[name]?.medians?.mcurl?.wallS;
    return wallS === undefined ? undefined : (wallS / WORKS[name].files) * 1e6;
  };
  if (perFile('list-1m') !== undefined && perFile('list-100k') !== undefined) {
    console.log(
      `\nlist-1m: ${perFile('list-1m').toFixed(1)} us a file; list-100k: ${perFile('list-100k').toFixed(1)} us a file`,
    );
  }
} finally {
  await nginx.stop();
}
const folder = join(here, 'results');
mkdirSync(folder, { recursive: true });
const file = join(folder, `${new Date().toISOString().replaceAll(':', '-')}.json`);
writeFileSync(file, `${JSON.stringify({ machine, versions, options, results }, null, 2)}\n`);
console.log(`\nEvery run is in ${file}`);
