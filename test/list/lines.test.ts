import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import type { Entry } from '../../src/list/entry.ts';
import { checkList, LineSplitter, readList, textProblem } from '../../src/list/lines.ts';
import { useTmp } from '../support/tmp.ts';

/** Entries of `list`, handed over `chunkBytes` at a time. */
function split(list: string | Buffer, chunkBytes: number): Entry[] {
  const bytes = Buffer.from(list as string);
  const splitter = new LineSplitter();
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    entries.push(...splitter.push(bytes.subarray(at, at + chunkBytes)));
  }
  return [...entries, ...splitter.end()];
}

async function readAll(path: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const batch of readList(path, new AbortController().signal)) {
    entries.push(...batch);
  }
  return entries;
}

const good = (line: number, text: string): Entry => ({ line, text, problem: undefined });

describe.each([1, 2, 3, 7, 1 << 20])('lines that come %i bytes at a time', (chunkBytes) => {
  it.each<[string, string | Buffer, Entry[]]>([
    ['nothing', '', []],
    ['one line', 'http://a/\n', [good(1, 'http://a/')]],
    ['no newline at the end', 'http://a/\nhttp://b/', [good(1, 'http://a/'), good(2, 'http://b/')]],
    ['CRLF', 'http://a/\r\nhttp://b/\r\n', [good(1, 'http://a/'), good(2, 'http://b/')]],
    ['a byte order mark', '\ufeffhttp://a/\n', [good(1, 'http://a/')]],
    ['a byte order mark alone', '\ufeff', []],
    ['a byte order mark before a comment', '\ufeff# x\nhttp://a/\n', [good(2, 'http://a/')]],
    ['blank lines and comments', '\n \t\n# x\n  # y\nhttp://a/#z\n', [good(5, 'http://a/#z')]],
    ['surrounding blanks', ' \thttp://a/ b \t\v\f\r\n', [good(1, 'http://a/ b')]],
    [
      'characters of several bytes',
      'http://a/é🐟\nhttp://b/ü',
      [good(1, 'http://a/é🐟'), good(2, 'http://b/ü')],
    ],
  ])('%s', (_, list, expected) => {
    expect(split(list, chunkBytes)).toEqual(expected);
  });

  it.each<[string, string | Buffer, RegExp]>([
    ['NUL', 'http://a/\0b', /0x00.*%00/],
    ['a control character in a mirror', 'http://a/\thttp://\0', /0x00/],
    ['a carriage return within', 'http://a/\rb', /0x0d/],
    ['DEL', 'http://a/\x7f', /0x7f/],
    ['a C1 control', 'http://a/\x9b', /0x9b/],
    ['Latin-1', Buffer.from('http://a/\xe9', 'latin1'), /UTF-8/],
  ])('bad: %s; the next line is not', (_, list, problem) => {
    const bytes = Buffer.concat([Buffer.from(list as string), Buffer.from('\nhttp://b/\n')]);
    expect(split(bytes, chunkBytes)).toMatchObject([
      {
        line: 1,
        text: expect.stringMatching(/^http:\/\/a\//),
        problem: expect.stringMatching(problem),
      },
      good(2, 'http://b/'),
    ]);
  });
});

const SHA = `sha-256=${'0123456789abcdef'.repeat(4)}`;

describe.each([1, 2, 7, 1 << 20])(
  'entries with options that come %i bytes at a time',
  (chunkBytes) => {
    it.each<[string, string, Entry[]]>([
      [
        'mirrors',
        'http://a/ \t http://b/\t\r\nhttp://c/\t\n',
        [{ ...good(1, 'http://a/'), mirrors: ['http://b/'] }, good(2, 'http://c/')],
      ],
      [
        'out= and checksum=, with blanks, comments and blank lines between',
        `http://a/\n\n  out = a name.bin \r\n# x\n  # y\n\tchecksum=${SHA}\nhttp://b/\n`,
        [{ ...good(1, 'http://a/'), output: 'a name.bin', checksum: SHA }, good(7, 'http://b/')],
      ],
      [
        'the last of several',
        'http://a/\thttp://b/\n out=x\n out=y=z',
        [{ ...good(1, 'http://a/'), mirrors: ['http://b/'], output: 'y=z' }],
      ],
      [
        'an indented URL is an entry',
        'http://a/\n  http://b/?x=y\n out=z\n  c.example/?x=y\n',
        [
          good(1, 'http://a/'),
          { ...good(2, 'http://b/?x=y'), output: 'z' },
          good(4, 'c.example/?x=y'),
        ],
      ],
      ['what looks like one but is not indented is an entry', 'out=x\n', [good(1, 'out=x')]],
    ])('%s', (_, list, expected) => {
      expect(split(list, chunkBytes)).toEqual(expected);
    });

    it.each<[string, string, RegExp]>([
      ['a path in out=', ' out=a/b', /^out=a\/b: .*without a path/],
      ['an empty out=', ' out=', /^out=: expected a file name/],
      ['a name of files not yet whole', ' out=x.part', /\.part/],
      ['a type of checksum', ' checksum=crc32=01234567', /checksum=crc32.*TYPE=HEX/],
      ['a checksum too short', ' checksum=md5=01', /TYPE=HEX/],
      ["another of aria2's options", ' dir=/tmp', /dir= is not known here: .*out=NAME/],
      ['a control character', ' out=a\0b', /0x00/],
      ['a hidden file', ' out=.bashrc', /^out=\.bashrc: .*hidden.*-o/],
      ['a bad option before a good one', ' gid=1\n out=x', /gid=/],
      ['a good option before a bad one', ' out=x\n gid=1', /gid=/],
    ])('bad: %s; the next entry is not', (_, options, problem) => {
      const [first, ...rest] = split(`http://a/\n${options}\nhttp://b/\n`, chunkBytes);
      expect(first).toMatchObject({
        line: 1,
        text: 'http://a/',
        problem: expect.stringMatching(problem),
      });
      expect(rest).toMatchObject([{ text: 'http://b/', problem: undefined }]);
    });

    it('an option without an entry is a bad one itself', () => {
      expect(split(' out=x\n checksum=y\nhttp://a/\n', chunkBytes)).toEqual([
        { line: 1, text: 'out=x', problem: expect.stringContaining('belongs to no entry') },
        good(3, 'http://a/'),
      ]);
    });
  },
);

describe('a pause of who writes', () => {
  it('lets the last entry go: an option that comes later has none', () => {
    const splitter = new LineSplitter();
    expect(splitter.push(Buffer.from('http://a/\nhttp://b/\n'))).toEqual([good(1, 'http://a/')]);
    expect(splitter.pause()).toEqual([good(2, 'http://b/')]);
    expect(splitter.pause()).toEqual([]);
    expect(splitter.push(Buffer.from(' out=x\n'))).toEqual([]);
    expect(splitter.end()).toMatchObject([{ problem: expect.stringContaining('no entry') }]);
  });

  it('lets none go in the middle of a line', () => {
    const splitter = new LineSplitter();
    splitter.push(Buffer.from('http://a/\n o'));
    expect(splitter.pause()).toEqual([]);
    splitter.push(Buffer.from('ut=x\n'));
    expect(splitter.pause()).toEqual([{ ...good(1, 'http://a/'), output: 'x' }]);
  });
});

describe.each([4096, 1 << 20])('over-long lines that come %i bytes at a time', (chunkBytes) => {
  it.each([65_537, 65_536 * 3, 65_536 * 3 + 1, 1_000_000])(
    '%i characters are too many',
    (length) => {
      const long = `http://a/${'x'.repeat(length - 9)}`;
      const [first, ...rest] = split(`${long}\nhttp://b/\n`, chunkBytes);
      expect(first).toMatchObject({ line: 1, problem: expect.stringContaining('64 KiB') });
      expect(first?.text.length).toBeLessThan(200);
      expect(rest).toEqual([good(2, 'http://b/')]);
    },
  );

  it('65,536 characters are not, of however many bytes', () => {
    const text = `http://a/${'é'.repeat(65_536 - 9)}`;
    expect(split(`${text}\n`, chunkBytes)).toEqual([good(1, text)]);
  });

  it('comments may be as long as they like, and so may blanks', () => {
    const list = `#${'x'.repeat(1_000_000)}\n${' '.repeat(1_000_000)}http://a/\n`;
    expect(split(list, chunkBytes)).toEqual([good(2, 'http://a/')]);
  });
});

it('keeps no more of a line without an end than it needs', () => {
  const splitter = new LineSplitter();
  const chunk = Buffer.alloc(1 << 20, 'x');
  const entries = Array.from({ length: 50 }, () => splitter.push(chunk)).flat();
  expect([...entries, ...splitter.end()]).toHaveLength(1);
});

it('judges an argument as it judges a line', () => {
  expect(textProblem('http://a/')).toBeUndefined();
  expect(textProblem('http://a/\nb')).toMatch(/0x0a/);
  expect(textProblem('x'.repeat(65_537))).toMatch(/64 KiB/);
});

describe('readList', () => {
  const list = Array.from({ length: 20_000 }, (_, index) => `http://a/${index}\n`).join('');
  const expected = Array.from({ length: 20_000 }, (_, index) =>
    good(index + 1, `http://a/${index}`),
  );

  it('reads a file in many batches', async () => {
    const path = join(useTmp(), 'list');
    writeFileSync(path, list);
    const sizes: number[] = [];
    const entries: Entry[] = [];
    for await (const batch of readList(path, new AbortController().signal)) {
      sizes.push(batch.length);
      entries.push(...batch);
    }
    expect(entries).toEqual(expected);
    expect(Math.max(...sizes)).toBeLessThan(8000);
  });

  it('reads gzip of several members, by content', async () => {
    const path = join(useTmp(), 'list.txt');
    writeFileSync(path, Buffer.concat([gzipSync(list.slice(0, 1000)), gzipSync(list.slice(1000))]));
    expect(await readAll(path)).toEqual(expected);
  });

  it('reads an empty file, and one of one byte', async () => {
    const directory = useTmp();
    writeFileSync(join(directory, 'empty'), '');
    writeFileSync(join(directory, 'one'), 'x');
    expect(await readAll(join(directory, 'empty'))).toEqual([]);
    expect(await readAll(join(directory, 'one'))).toEqual([good(1, 'x')]);
  });

  it('tells where gzip broke, after what it gave', async () => {
    const path = join(useTmp(), 'list.gz');
    const whole = gzipSync(list);
    writeFileSync(path, whole.subarray(0, whole.length - 20));
    const entries = await readAll(path);
    expect(entries.length).toBeGreaterThan(10_000);
    expect(entries.slice(0, -2)).toEqual(expected.slice(0, entries.length - 2));
    // Its options may be missing.
    expect(entries.at(-2)).toMatchObject({ problem: expect.stringContaining('breaks off') });
    expect(entries.at(-1)).toEqual({
      line: entries.length,
      text: path,
      problem: expect.stringContaining('unexpected end of file'),
    });
  });

  it('says what to do about UTF-16', async () => {
    const path = join(useTmp(), 'list');
    writeFileSync(path, Buffer.from('\ufeffhttp://a/\r\n', 'utf16le'));
    expect(await readAll(path)).toMatchObject([{ problem: expect.stringContaining('UTF-8') }]);
  });

  it.each([
    ['plain', (bytes: Buffer) => bytes],
    ['gzip', gzipSync],
  ])('says once of binary bytes that they are no list (%s)', async (_, written) => {
    const path = join(useTmp(), 'photo.bin');
    const bytes = Buffer.from('http://a/\n\n\0\n'.repeat(20_000));
    writeFileSync(path, written(bytes));
    expect(await readAll(path)).toEqual([
      {
        line: 1,
        text: path,
        problem: 'this is no list of URLs: it has NUL bytes; save a list as UTF-8',
      },
    ]);
  });

  it('takes a NUL byte far inside for the trouble of its line', async () => {
    const path = join(useTmp(), 'list');
    writeFileSync(path, `${'http://a/\n'.repeat(20_000)}http://\0/\nhttp://b/\n`);
    const entries = await readAll(path);
    expect(entries).toHaveLength(20_002);
    expect(entries.filter(({ problem }) => problem !== undefined)).toMatchObject([
      { line: 20_001, problem: expect.stringContaining('0x00') },
    ]);
  });

  it('ends with an AbortError', async () => {
    const path = join(useTmp(), 'list');
    writeFileSync(path, list);
    const abort = new AbortController();
    const batches = readList(path, abort.signal);
    await batches.next();
    abort.abort();
    await expect(async () => {
      for await (const _ of batches);
    }).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  });
});

describe('checkList', () => {
  it('takes a file and stdin', () => {
    const path = join(useTmp(), 'list');
    writeFileSync(path, '');
    checkList(path);
    checkList('-');
  });

  it.each([
    ['missing', 'example.com', /no list file .*example\.com.*https:\/\//],
    ['below a file', 'file/list', /no list file/],
    ['a directory', 'directory', /is a directory/],
  ])('refuses one that is %s, and says what to type', (_, name, message) => {
    const directory = useTmp();
    writeFileSync(join(directory, 'file'), '');
    mkdirSync(join(directory, 'directory'));
    expect(() => checkList(join(directory, name))).toThrow(UsageError);
    expect(() => checkList(join(directory, name))).toThrow(message);
  });
});
