/** Where entries come from, and what a list may look like. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { useOrigin } from '../support/origin.ts';
import { jsonRecords, namesIn, runCli, runFetch } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

/** Runs `mcurl fetch ARGS -d out` in a directory that holds `list` as list.txt. */
async function fetchRawList(list: string | Buffer, args = ['list.txt'], stdin?: string | Buffer) {
  const cwd = useTmp();
  writeFileSync(join(cwd, 'list.txt'), list);
  const options = stdin === undefined ? { cwd } : { cwd, stdin };
  const result = await runCli(['fetch', ...args, '-d', 'out'], options);
  return { ...result, names: namesIn(join(cwd, 'out')) };
}

describe('a list file', () => {
  it('has one URL a line, comments and blank lines', async () => {
    const origin = await useOrigin();
    const list = `# first\n${origin.url('/a')}\n\n   \n  # second\n  ${origin.url('/b')}\t\n${origin.url('/c')}`;
    const { code, stderr, names } = await fetchRawList(list);
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['a', 'b', 'c']);
  });

  it('may have a byte order mark and CRLF', async () => {
    const origin = await useOrigin();
    const { code, stderr, names } = await fetchRawList(
      `\ufeff${origin.url('/a')}\r\n\r\n# c\r\n${origin.url('/b')}\r\n`,
    );
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['a', 'b']);
    expect(origin.requests.map(({ url }) => url).sort()).toEqual(['/a', '/b']);
  });

  it('may be gzip by content, whatever its name, in several members', async () => {
    const origin = await useOrigin();
    const members = ['/a', '/b'].map((path) => gzipSync(`${origin.url(path)}\n`));
    const { code, stderr, names } = await fetchRawList(Buffer.concat(members));
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['a', 'b']);
  });

  it('may be empty', async () => {
    const { code, stderr } = await fetchRawList('\n# nothing\n');
    expect(code, stderr).toBe(0);
  });

  it('that is cut off inside gzip is told, and what it gave is fetched', async () => {
    const origin = await useOrigin();
    const whole = gzipSync(`${origin.url('/a')}\n`.repeat(10));
    const { code, stderr } = await fetchRawList(whole.subarray(0, whole.length - 6));
    expect(code, stderr).not.toBe(0);
    expect(stderr).toContain('list.txt');
  });

  it('that is missing is told before anything starts', async () => {
    const { code, stderr } = await fetchRawList('', ['nowhere.txt']);
    expect(code, stderr).toBe(2);
    expect(stderr).toContain('nowhere.txt');
  });
});

describe('sources', () => {
  it('stdin is `-`', async () => {
    const origin = await useOrigin();
    const { code, stderr, names } = await fetchRawList('', ['-'], `${origin.url('/a')}\n`);
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['a']);
  });

  it('stdin may be gzip too', async () => {
    const origin = await useOrigin();
    const { names } = await fetchRawList('', ['-'], gzipSync(`${origin.url('/a')}\n`));
    expect(names).toEqual(['a']);
  });

  it('an argument with a scheme is a URL, anything else and -i a list, all of them in order', async () => {
    const origin = await useOrigin();
    const { code, stdout, stderr } = await fetchRawList(`${origin.url('/x/f')}\n`, [
      origin.url('/w/f'),
      'list.txt',
      '-i',
      'list.txt',
      '--dry-run',
      '--json',
    ]);
    expect(code, stderr).toBe(0);
    expect(stdout.match(/\/[wx]\/f/g)).toHaveLength(3);
  });
});

describe('a bad line', () => {
  it.each([
    ['no scheme', 'example.com/a'],
    ['no host', 'http:///'],
    ['a scheme that is not asked for', 'ftp://127.0.0.1/a'],
    ['a file', 'file:///etc/passwd'],
    ['a control character', 'http://127.0.0.1/\u0001'],
    ['a host that is none', 'http://a b/'],
    ['far too many bytes', `http://127.0.0.1/${'x'.repeat(100_000)}`],
  ])(
    '(%s) is told with file and line; the rest goes on; the exit code says so',
    async (_, line) => {
      const origin = await useOrigin();
      const { code, stderr, names } = await runFetch([origin.url('/a'), line, origin.url('/b')]);
      expect(code, stderr).toBe(2);
      expect(stderr).toContain('list.txt:2:');
      expect(names).toEqual(['a', 'b']);
    },
  );

  it('is escaped before a terminal sees it', async () => {
    const { stderr } = await runFetch(['http://a\u001b]0;owned\u0007/']);
    expect(stderr).not.toContain('\u001b');
    expect(stderr).not.toContain('\u0007');
  });

  it('is a record as well', async () => {
    const origin = await useOrigin();
    const result = await runFetch(['nonsense', origin.url('/a')], ['--json']);
    const records = jsonRecords(result).sort((a, b) => a.line - b.line);
    expect(records).toMatchObject([
      { type: 'fail', line: 1, error_class: 'list' },
      { type: 'done', line: 2 },
    ]);
  });
});
