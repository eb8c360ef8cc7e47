import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { countEntries } from '../../src/list/count.ts';
import { readList } from '../../src/list/lines.ts';
import { useTmp } from '../support/tmp.ts';

const { signal } = new AbortController();

async function countRead(path: string): Promise<number> {
  let count = 0;
  for await (const entries of readList(path, signal)) {
    count += entries.length;
  }
  return count;
}

it.each([
  ['nothing', ''],
  ['a byte order mark', '\ufeffhttp://a/\n'],
  ['a byte order mark before a comment', '\ufeff# x\nhttp://a/'],
  ['blanks, comments and bad lines', '\n \t\r\n #x\n#\nexample\n\x01\n\r\n http://a/ # \n#'],
  ['options without an entry', ' out=x\n out=y\n\tz=\n'],
  [
    'options, and what looks like them',
    'http://a/\n out=x\n\tchecksum = y\n #=\n 1=\n a\n a\r\n a b=\n -=\n http://b/?x=\nc=\n d  =\n  e',
  ],
  ['over-long lines', `${'x'.repeat(500_000)}\n${' '.repeat(500_000)}x\n#${'x'.repeat(500_000)}\n`],
])('agrees with the reader: %s', async (_, list) => {
  const path = join(useTmp(), 'list');
  writeFileSync(path, list);
  expect(await countEntries(path, signal)).toBe(await countRead(path));
});

it('agrees with the reader on a list of several chunks, wherever they are cut', async () => {
  const path = join(useTmp(), 'list');
  const lines = [
    'http://a/é\n',
    '\n',
    '  # x\n',
    ' \t http://b/\r\n',
    '#\n',
    'y\n',
    '   \n',
    '\tout = z\n',
    ' word\n',
  ];
  let list = '';
  for (let index = 0; list.length < 3_000_000; index += 1) {
    list += lines[(index * index + index) % lines.length] as string;
  }
  writeFileSync(path, list);
  const count = await countEntries(path, signal);
  expect(count).toBe(await countRead(path));
  expect(count).toBeGreaterThan(100_000);
});

it('cannot tell of stdin, gzip, a device, a missing file', async () => {
  const directory = useTmp();
  writeFileSync(join(directory, 'gzip'), gzipSync('http://a/\n'));
  for (const path of ['-', join(directory, 'gzip'), '/dev/null', join(directory, 'missing')]) {
    expect(await countEntries(path, signal)).toBeUndefined();
  }
});

it('stops when aborted', async () => {
  const path = join(useTmp(), 'list');
  writeFileSync(path, 'http://a/\n');
  expect(await countEntries(path, AbortSignal.abort())).toBeUndefined();
});
