import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  constants,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Journal } from '../../src/job/journal.ts';
import type { Entry } from '../../src/list/entry.ts';
import { useTmp } from '../support/tmp.ts';
import { openAt, RUN } from './open-journal.ts';

/** A file that holds these lines, and `text` behind them. */
function journalFile(lines: readonly object[], text = ''): string {
  const path = join(useTmp(), 'journal');
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join('') + text);
  return path;
}

const plan = (serial: number, entry: string, name: string) => ({ plan: serial, entry, name });

describe('an empty journal', () => {
  it('numbers entries as they come, and knows none', async () => {
    const path = join(useTmp(), 'journal');
    const { journal } = await openAt(path);
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

it('is for its user alone once it is known to be one', async () => {
  const path = join(useTmp(), 'journal');
  const modeOf = () => statSync(path).mode & 0o777;
  writeFileSync(path, '{"name":"a package"}\n', { mode: 0o644 });
  await expect(openAt(path)).rejects.toThrow(
    expect.objectContaining({ code: 'ERR_MCURL_JOURNAL' }),
  );
  expect(modeOf()).toBe(0o644);
  writeFileSync(path, '');
  await openAt(path);
  expect(modeOf()).toBe(0o600);
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
    const { journal, names } = await openAt(path);
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
  const first = await openAt(path);
  first.journal.done(0, 7);
  first.journal.named(1, 'é"', true);
  first.journal.done(1, 8, { digest: 'sha-256=00', version: '8\t"x"\tThu' });
  first.journal.fail(2, { kind: 'http', code: 8, message: 'HTTP 500 \u202e\n' });
  await first.journal.sync();
  expect(first.journal.failure).toBeUndefined();
  const { journal, names } = await openAt(path, { keepValidators: true });
  expect(journal.badLines).toBe(0);
  expect(journal.take('http://a/1', '1')).toMatchObject({
    state: 'done',
    name: 'é"',
    isNamed: true,
    doneBytes: 8,
    doneVersion: '8\t"x"\tThu',
  });
  expect(journal.take('http://a/0', '0')).toMatchObject({
    state: 'done',
    name: '0',
    isNamed: false,
    doneBytes: 7,
  });
  expect(journal.take('http://a/3', '3')).toMatchObject({ state: 'open', name: '3' });
  expect(names.take('é"')).toBe('é".2');
});

it('gives what is not done alone, failed or open', async () => {
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
  const { journal } = await openAt(path);
  const failed: Entry[] = [];
  for await (const batch of journal.unfinished()) failed.push(...batch);
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
    { line: 4, text: 'http://a/3', problem: undefined },
  ]);
  expect(journal.take('http://a/0', '0')).toMatchObject({
    serial: 2,
    state: 'failed',
    name: '0.2',
  });
  expect(journal.take(key, 'z')).toMatchObject({ serial: 1, state: 'failed', name: 'z' });
});

describe('an entry whose mirrors or checksum changed', () => {
  const md5 = (digit: string) => `\n checksum=md5=${digit.repeat(32)}`;
  const big = 'http://a/x\n out=big.iso';

  it('is the same entry, under its name', async () => {
    const path = journalFile([
      RUN,
      plan(0, `http://a/x\thttp://b/x\n out=big.iso${md5('0')}`, 'big.iso'),
      plan(1, `${big}${md5('1')}`, 'big.2.iso'),
      plan(2, 'http://a/x', 'x'),
      { fail: 0, kind: 'integrity', code: 9, message: '' },
    ]);
    const { journal, names } = await openAt(path);
    expect(journal.take(`${big}${md5('2')}`, 'big.iso')).toMatchObject({
      serial: 0,
      state: 'failed',
      name: 'big.iso',
      text: `http://a/x\thttp://b/x\n out=big.iso${md5('0')}`,
    });
    // Entries with one key are told apart by their order, as they were written before checksums were no part of it.
    expect(journal.take(big, 'big.iso')).toMatchObject({ serial: 1, name: 'big.2.iso' });
    expect(journal.take(`http://a/x${md5('3')}`, 'x')).toMatchObject({
      serial: 2,
      name: 'x',
      text: 'http://a/x',
    });
    expect(journal.take('http://a/x\n out=y', 'y').state).toBe('new');
    expect(names.take('big.iso')).toBe('big.3.iso');
  });

  it('asks for what its last plan line says', async () => {
    const path = journalFile([
      RUN,
      plan(0, `${big}${md5('0')}`, 'big.iso'),
      { named: 0, name: 'other.iso' },
      plan(1, 'http://a/y', 'y'),
      ...[0, 1].map((serial) => ({ fail: serial, kind: 'http', code: 8, message: '' })),
      plan(0, `${big}${md5('1')}`, 'big.iso'),
      plan(0, `${big}${md5('0')}`, 'big.iso'),
      plan(0, `${big}${md5('2')}`, 'big.iso'),
      plan(0, 'http://a/foreign', 'foreign'),
      plan(1, `http://a/y${md5('0')}`, 'y'),
      plan(1, 'http://a/y', 'y'),
    ]);
    const { journal } = await openAt(path);
    expect(journal.count).toBe(2);
    const failed: Entry[] = [];
    for await (const batch of journal.unfinished()) failed.push(...batch);
    expect(failed.map(({ text, output, checksum }) => ({ text, output, checksum }))).toEqual([
      { text: 'http://a/x', output: 'big.iso', checksum: `md5=${'2'.repeat(32)}` },
      { text: 'http://a/y', output: undefined, checksum: undefined },
    ]);
    expect(journal.take(`${big}${md5('2')}`, 'big.iso')).toMatchObject({
      serial: 0,
      name: 'other.iso',
      isNamed: true,
      text: `${big}${md5('2')}`,
    });
    expect(journal.take('http://a/y', 'y')).toMatchObject({ serial: 1, text: 'http://a/y' });
  });

  it.each([
    ['version', ['http://a/x', `http://a/x${md5('0')}`]],
    ['etag', ['http://a/x\thttp://b/x', 'http://a/x']],
    ['etag', ['http://a/x', `http://a/x\thttp://b/x`, 'http://a/x']],
    ['checksum', [`http://a/x\thttp://b/x${md5('0')}`, 'http://a/x\thttp://b/x']],
  ])('needs its %s to be continued after %j', async (tie, texts) => {
    const path = journalFile([RUN, ...texts.map((text) => plan(0, text, 'x'))]);
    const { journal } = await openAt(path);
    expect(journal.take('http://a/x', 'x')).toMatchObject({ serial: 0, tie });
  });
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
      'what was begun again after that, in place of a file that was done',
      [began(0, 'v'), { done: 0, size: 9 }, began(0, 'w')],
      { state: 'open', version: 'w', doneBytes: 9, doneVersion: undefined },
    ],
    [
      'what failed again after that',
      [
        { done: 0, size: 2 ** 40 },
        { fail: 0, kind: 'http', code: 8, message: '' },
      ],
      { state: 'failed', doneBytes: 2 ** 40 },
    ],
    [
      'a body that waits for its name',
      [began(0, 'v'), { named: 0, name: 'y' }],
      { state: 'open', name: 'y', partName: 'x', version: 'v' },
    ],
  ])('%s', async (_, lines, expected) => {
    const path = journalFile([RUN, plan(0, 'http://a/x', 'x'), ...lines]);
    const { journal } = await openAt(path, { keepValidators: true });
    expect(journal.take('http://a/x', 'x')).toMatchObject({ name: 'x', ...expected });
  });
});

describe('what a crash leaves', () => {
  it('a torn last line is ended before ours', async () => {
    const path = journalFile([RUN, plan(0, 'http://a/x', 'x')], '{"done":0,"si');
    expect((await openAt(path)).journal.badLines).toBe(1);
    appendFileSync(path, `${JSON.stringify({ done: 0, size: 3 })}\n`);
    const { journal } = await openAt(path);
    expect(journal.badLines).toBe(1);
    expect(journal.take('http://a/x', 'x')).toMatchObject({ state: 'done', doneBytes: 3 });
  });

  it('a line that was appended to a torn one counts', async () => {
    const began = JSON.stringify({ began: 0, name: 'x', version: 'v', total: 1 });
    const path = journalFile([RUN, plan(0, 'http://a/x', 'x')], `{"done":0,"si${began}\n`);
    const { journal } = await openAt(path);
    expect(journal.badLines).toBe(1);
    expect(journal.take('http://a/x', 'x')).toMatchObject({ state: 'open', version: 'v' });
  });
});

describe('a long journal', () => {
  it('finds 100,000 equal entries in linear time, in order, in at most 24 bytes each', async () => {
    const count = 100_000;
    const path = journalFile([RUN]);
    const lines: string[] = [];
    for (let serial = 0; serial < count; serial += 1) {
      const name = serial === 0 ? 'x' : `x.${serial + 1}`;
      lines.push(`{"plan":${serial},"entry":"http://a/x","name":"${name}"}\n`);
    }
    appendFileSync(path, lines.join(''));
    const { journal, names } = await openAt(path);
    expect(journal.count).toBe(count);
    // The last segment of 65,536 entries is not full.
    expect(journal.bytes).toBeLessThanOrEqual(24 * 2 * 65_536);
    const wrong: number[] = [];
    for (let serial = 0; serial < count; serial += 1) {
      const known = journal.take('http://a/x', 'x');
      if (known.serial !== serial || known.name !== (serial === 0 ? 'x' : `x.${serial + 1}`)) {
        wrong.push(serial);
      }
    }
    expect(wrong).toEqual([]);
    expect(journal.take('http://a/x', 'x').state).toBe('new');
    expect(names.take('x')).toBe('x.100001');
  });

  it('reads lines of any length, wherever its chunks end', async () => {
    const lengths = [0, 1_000_000, 3_000_000, 48_000, 2_097_000, 5, 1_048_576];
    const plans = lengths.map((length, serial) =>
      plan(serial, `http://a/${'x'.repeat(length)}?/`, `${serial}`),
    );
    const path = journalFile([RUN, ...plans]);
    const { journal } = await openAt(path);
    for (const { plan: serial, entry } of plans) {
      expect(journal.take(entry, 'unlike')).toMatchObject({
        serial,
        state: 'open',
        name: `${serial}`,
      });
    }
    expect(journal.badLines).toBe(0);
  });

  it('passes over a line without an end', async () => {
    const path = journalFile([RUN, plan(0, 'http://a/x', 'x')], 'x'.repeat(20_000_000));
    appendFileSync(path, `\n${JSON.stringify({ done: 0, size: 3 })}\n`);
    const { journal } = await openAt(path);
    expect(journal.badLines).toBe(1);
    expect(journal.take('http://a/x', 'x')).toMatchObject({ state: 'done', doneBytes: 3 });
  });
});

describe('what is no journal', () => {
  it.each([
    'http://a/\n',
    '{}',
    '[',
    '{"jobs":1}\n',
    ' ',
    '{\n  "name": "x",\n  "job": 1\n}\n',
    '{"job":"build","steps":[]}\n',
    '{"job":\n1}',
    '{\n\n}',
    '\0\0\0\0\0\0\0\0\0\0\x01',
    '\0\0\0\0\nx',
  ])('%j is refused and left alone', async (text) => {
    const path = join(useTmp(), 'list.txt');
    writeFileSync(path, text);
    await expect(openAt(path)).rejects.toMatchObject({
      code: 'ERR_MCURL_JOURNAL',
      message: expect.stringContaining('list.txt is no journal'),
    });
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('is a device', async () => {
    await expect(openAt('/dev/null')).rejects.toMatchObject({ code: 'ERR_MCURL_JOURNAL' });
  });

  it.each(['{', '{"jo', '{"job":', '{"job":1', '\0\0\0\0\0\0\0\0\0\0', '{\n{"job'])(
    'but %j is one that a crash left',
    async (text) => {
      const path = journalFile([], text);
      const badLines = text.split('\n').length;
      expect((await openAt(path)).journal.badLines).toBe(badLines);
      expect((await openAt(path)).journal.badLines).toBe(badLines);
    },
  );
});

it('stops reading when aborted', async () => {
  const path = journalFile([RUN]);
  await expect(openAt(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    name: 'AbortError',
  });
});

it('keeps the cause when ends cannot be written, and resolves all the same', async () => {
  const path = journalFile([RUN]);
  const fd = openSync(path, constants.O_RDONLY);
  onTestFinished(() => closeSync(fd));
  // A journal that opens can be appended to: the disk fills later.
  const journal = new Journal(fd, undefined);
  journal.done(0, 1);
  await journal.sync();
  await journal.flush();
  expect(journal.failure).toMatchObject({ code: 'EBADF' });
});

it('throws when only a part of a named line could be written', () => {
  const path = join(useTmp(), 'pipe');
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(fd));
  const journal = new Journal(fd, undefined);
  journal.named(0, 'x', false);
  // More than a pipe holds: the system takes a part, then nothing.
  expect(() => journal.named(0, 'x'.repeat(4 * 1024 * 1024), false)).toThrow('EAGAIN');
});

it('serves all who wait for the disk', async () => {
  const path = journalFile([RUN]);
  const { journal } = await openAt(path);
  const synced: number[] = [];
  const waiting = Array.from({ length: 100 }, async (_, serial) => {
    journal.done(serial, 1);
    await journal.sync();
    expect(readFileSync(path, 'utf8')).toContain(`{"done":${serial},`);
    synced.push(serial);
  });
  await Promise.all(waiting);
  expect(synced).toHaveLength(100);
  expect(journal.failure).toBeUndefined();
});
