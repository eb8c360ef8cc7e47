import {
  appendFileSync,
  closeSync,
  constants,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Journal, type JournalOptions, openJournal } from '../../src/job/journal.ts';
import { Names } from '../../src/job/names.ts';
import type { Entry } from '../../src/list/entry.ts';
import { useTmp } from '../support/tmp.ts';

const BOOT = 'boot-1';

/** A file that holds these lines, and `text` behind them. */
function journalFile(lines: readonly object[], text = ''): string {
  const path = join(useTmp(), 'journal');
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join('') + text);
  return path;
}

async function open(
  path: string,
  options: JournalOptions = {},
): Promise<{ journal: Journal; names: Names }> {
  const fd = openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT);
  onTestFinished(() => closeSync(fd));
  const names = new Names();
  return { journal: await openJournal(fd, path, names, { boot: BOOT, ...options }), names };
}

function reopen(
  path: string,
  options?: JournalOptions,
): Promise<{ journal: Journal; names: Names }> {
  return open(path, options);
}

const RUN = { job: 1, boot: BOOT, at: '2026-01-01T00:00:00.000Z' };
const plan = (serial: number, entry: string, name: string) => ({ plan: serial, entry, name });

describe('an empty journal', () => {
  it('numbers entries as they come, and knows none', async () => {
    const path = join(useTmp(), 'journal');
    const { journal } = await open(path);
    expect(journal.take('http://a/x', 'x')).toMatchObject({
      serial: 0,
      state: 'new',
      name: undefined,
    });
    expect(journal.take('http://a/x', 'x')).toMatchObject({ serial: 1, state: 'new' });
    expect(journal.bytes).toBeLessThan(100);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ ...RUN, at: expect.any(String) });
  });
});

describe('a journal of an earlier run', () => {
  it('gives each entry its serial, state, name and size back, in any order', async () => {
    const path = journalFile([
      RUN,
      plan(0, 'http://a/x', 'x'),
      plan(1, 'http://a/y?1', 'y'),
      plan(2, 'http://b/y', 'y.2'),
      plan(3, 'http://c/%20é/', 'index.html'),
      { done: 0, size: 5 },
      { done: 2, size: 2 ** 40 },
      { fail: 1, kind: 'http', code: 8, message: 'HTTP 404' },
    ]);
    const { journal, names } = await open(path);
    expect(journal.count).toBe(4);
    expect(journal.take('http://b/y', 'y')).toMatchObject({
      serial: 2,
      state: 'done',
      name: 'y.2',
      doneBytes: 2 ** 40,
    });
    expect(journal.take('http://new/', 'index.html')).toMatchObject({ serial: 4, state: 'new' });
    expect(journal.take('http://a/y?1', 'y')).toMatchObject({
      serial: 1,
      state: 'failed',
      name: 'y',
    });
    expect(journal.take('http://a/x', 'x')).toMatchObject({
      serial: 0,
      state: 'done',
      doneBytes: 5,
    });
    expect(journal.take('http://c/%20é/', 'index.html')).toMatchObject({
      serial: 3,
      state: 'open',
      name: 'index.html',
      doneBytes: undefined,
      version: undefined,
    });
    expect(journal.take('http://a/x', 'x')).toMatchObject({ serial: 5, state: 'new' });
    expect(names.take('y')).toBe('y.3');
    expect(journal.badLines).toBe(0);
  });
});

it('writes ends that the next run reads', async () => {
  const path = journalFile([RUN, ...[0, 1, 2, 3].map((at) => plan(at, `http://a/${at}`, `${at}`))]);
  const first = await open(path);
  first.journal.done(0, 7);
  first.journal.done(1, 8, { name: 'é"', digest: 'sha-256=00', version: '8\t"x"\tThu' });
  first.journal.fail(2, { kind: 'http', code: 8, message: 'HTTP 500 \u202e\n' });
  await first.journal.sync();
  expect(first.journal.failure).toBeUndefined();
  const { journal, names } = await reopen(path, { keepValidators: true });
  expect(journal.badLines).toBe(0);
  expect(journal.take('http://a/1', '1')).toMatchObject({
    state: 'done',
    name: 'é"',
    doneBytes: 8,
    doneVersion: '8\t"x"\tThu',
  });
  expect(journal.take('http://a/0', '0')).toMatchObject({ state: 'done', name: '0', doneBytes: 7 });
  expect(journal.take('http://a/3', '3')).toMatchObject({ state: 'open', name: '3' });
  expect(names.take('é"')).toBe('é".2');
});

it('gives the failed entries alone', async () => {
  const key = 'http://a/1\thttp://b/1\n out=z\n checksum=md5=d41d8cd98f00b204e9800998ecf8427e';
  const path = journalFile([
    RUN,
    plan(0, 'http://a/0', '0'),
    plan(1, key, 'z'),
    plan(2, 'http://a/0', '0.2'),
    plan(3, 'http://a/3', '3'),
    { done: 0, size: 1 },
    ...[1, 2].map((serial) => ({ fail: serial, kind: 'http', code: 8, message: '' })),
  ]);
  const { journal } = await open(path);
  const failed: Entry[] = [];
  for await (const batch of journal.failedEntries()) failed.push(...batch);
  expect(failed).toEqual([
    {
      line: 2,
      text: 'http://a/1',
      problem: undefined,
      mirrors: ['http://b/1'],
      output: 'z',
      checksum: 'md5=d41d8cd98f00b204e9800998ecf8427e',
    },
    { line: 3, text: 'http://a/0', problem: undefined },
  ]);
  expect(journal.take('http://a/0', '0')).toMatchObject({
    serial: 2,
    state: 'failed',
    name: '0.2',
  });
  expect(journal.take(key, 'z')).toMatchObject({ serial: 1, state: 'failed', name: 'z' });
});

describe('trusted bytes', () => {
  const began = (serial: number, version: string) => ({
    began: serial,
    name: 'x',
    version,
    total: 9,
  });
  it.each<[string, object[], object]>([
    ['all, since the machine runs', [began(0, 'v')], { version: 'v', trustedBytes: undefined }],
    [
      'the durable ones, since it was started again',
      [{ ...RUN, boot: 'other' }, began(0, 'v'), { durable: 0, size: 4 }, { durable: 0, size: 6 }],
      { version: 'v', trustedBytes: 6 },
    ],
    [
      'none of another version',
      [{ ...RUN, boot: 'other' }, began(0, 'v'), { durable: 0, size: 4 }, began(0, 'w')],
      { version: 'w', trustedBytes: 0 },
    ],
    ['none when nothing tells', [{ ...RUN, boot: null }, began(0, 'v')], { trustedBytes: 0 }],
    ['nothing of what is done', [began(0, 'v'), { done: 0, size: 9 }], { version: undefined }],
    [
      'what was begun again after that',
      [began(0, 'v'), { done: 0, size: 9 }, began(0, 'w')],
      { state: 'open', version: 'w', doneBytes: undefined },
    ],
  ])('%s', async (_, lines, expected) => {
    const path = journalFile([RUN, plan(0, 'http://a/x', 'x'), ...lines]);
    const { journal } = await open(path);
    expect(journal.take('http://a/x', 'x')).toMatchObject({ name: 'x', ...expected });
  });
});

describe('what a crash leaves', () => {
  it('a torn last line is ended before ours', async () => {
    const path = journalFile([RUN, plan(0, 'http://a/x', 'x')], '{"done":0,"si');
    expect((await open(path)).journal.badLines).toBe(1);
    appendFileSync(path, `${JSON.stringify({ done: 0, size: 3 })}\n`);
    const { journal } = await open(path);
    expect(journal.badLines).toBe(1);
    expect(journal.take('http://a/x', 'x')).toMatchObject({ state: 'done', doneBytes: 3 });
  });

  it('a line that was appended to a torn one counts', async () => {
    const began = JSON.stringify({ began: 0, name: 'x', version: 'v', total: 1 });
    const path = journalFile([RUN, plan(0, 'http://a/x', 'x')], `{"done":0,"si${began}\n`);
    const { journal } = await open(path);
    expect(journal.badLines).toBe(1);
    expect(journal.take('http://a/x', 'x')).toMatchObject({ state: 'open', version: 'v' });
  });
});
