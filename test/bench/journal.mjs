/** What a long journal costs: time to read it back, memory a line. */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const self = fileURLToPath(import.meta.url);
const url = (index) => `http://host-${index % 100}.example/some/directory/file-${index}.bin`;
const name = (index) => `file-${index}.bin`;

/** In a process of its own, so that its peak is its own. */
async function measure(path, count) {
  const { openJournal } = await import('../../dist/job/journal.js');
  const { entryText } = await import('../../dist/list/entry.js');
  const { Names, nameFromPath } = await import('../../dist/job/names.js');
  const fd = openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
  const names = new Names();
  const startedMs = performance.now();
  const journal = await openJournal(fd, path, names);
  const readMs = performance.now() - startedMs;
  let wrong = 0;
  for (let index = 0; index < count; index += 1) {
    const { pathname, href } = new URL(url(index));
    const plain = nameFromPath(pathname);
    const known = journal.take(entryText(href, {}), plain);
    const given = known.name ?? names.take(plain);
    wrong += known.serial === index && given === name(index) ? 0 : 1;
  }
  const takeMs = performance.now() - startedMs - readMs;
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  console.log(
    JSON.stringify({ readMs, takeMs, peakBytes, wrong, index: journal.bytes, names: names.bytes }),
  );
}

function write(path, count) {
  const fd = openSync(path, 'w');
  let text = `${JSON.stringify({ job: 1, boot: null, at: '2026-01-01T00:00:00Z' })}\n`;
  for (let index = 0; index < count; index += 1) {
    text += `{"plan":${index},"entry":"${url(index)}","name":"${name(index)}"}\n`;
    // Ends come when they come.
    if (index % 2 === 1)
      text += `{"done":${index},"size":1024}\n{"done":${index - 1},"size":1024}\n`;
    if (text.length > 1 << 20 || index === count - 1) {
      writeSync(fd, text);
      text = '';
    }
  }
  closeSync(fd);
}

function run(path, count) {
  const { stdout, stderr } = spawnSync(process.execPath, [self, path, String(count)]);
  try {
    return JSON.parse(stdout);
  } catch {
    throw new Error(`no measurement: ${stderr}`);
  }
}

/** A journal of `count` entries, two lines each, read back and taken; then as many entries in an empty journal. */
export function measureJournal(count = 10_000_000) {
  const directory = mkdtempSync(join(tmpdir(), 'mcurl-bench-'));
  const runs = {};
  try {
    const few = join(directory, 'few');
    write(few, 100_000);
    const basis = run(few, 100_000).peakBytes;
    const many = join(directory, 'many');
    write(many, count);
    for (const [name, path] of [
      ['resumed', many],
      ['fresh', join(directory, 'fresh')],
    ]) {
      const result = run(path, count);
      if (result.wrong > 0) throw new Error(`${result.wrong} entries got a wrong name or number`);
      const bytesPerLine = (result.peakBytes - basis) / (count - 100_000);
      runs[name] = { ...result, bytesPerLine };
      console.log(
        `\njournal, ${name}, ${count} entries: ${(result.readMs / 1000).toFixed(1)} s to read back, ` +
          `${(result.takeMs / 1000).toFixed(1)} s to take all; ${bytesPerLine.toFixed(1)} bytes a line ` +
          `(index ${(result.index / count).toFixed(1)}, names ${(result.names / count).toFixed(1)}) above ${(basis / 2 ** 20).toFixed(0)} MiB`,
      );
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  const { resumed, fresh } = runs;
  // Of 10 million lines, which are half as many entries.
  const readS = (resumed.readMs / 1000 / (2 * count)) * 1e7;
  return {
    runs,
    reached: { readS, bytesPerLine: Math.max(resumed.bytesPerLine, fresh.bytesPerLine) },
  };
}

if (process.argv[1] === self) await measure(process.argv[2], Number(process.argv[3]));
