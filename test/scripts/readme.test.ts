/** The README's examples, run as printed by a shell in which `mcurl` reaches an origin of ours for every URL. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { HELP } from '../../src/cli/help.ts';
import { EXIT } from '../../src/errors.ts';
import { LineSplitter } from '../../src/list/lines.ts';
import { makeCertificates } from '../support/certificates.ts';
import { useConsumer } from '../support/consumer.ts';
import { content, useOrigin } from '../support/origin.ts';
import { namesIn } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const PROGRAM = fileURLToPath(new URL('../../bin/mcurl.js', import.meta.url));

/** Text between the heading and the next one. */
function section(heading: string): string {
  return README.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
}

const examples = (/```sh\n(.+?)```/s.exec(section('Ten examples'))?.[1] ?? '')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

const LISTED = ['/pub/one.txt', '/pub/two.txt', '/other/two.txt'];
const LISTED_NAMES = ['one.txt', 'two.2.txt', 'two.txt'];
const IMAGES = Array.from({ length: 100 }, (_, i) => `${String(i + 1).padStart(3, '0')}.jpg`);

/** What each example leaves behind: in which directory which names, of which path each (default: by name). */
const EXPECTED: Record<string, { directory?: string; names: string[]; path?: string }> = {
  'mcurl fetch urls.txt': { names: LISTED_NAMES },
  'mcurl fetch urls.txt -d files': { directory: 'files', names: LISTED_NAMES },
  'mcurl fetch https://example.com/a.iso': { names: ['a.iso', 'b.iso'] },
  'mcurl fetch https://example.com/download': { names: ['manual.pdf'], path: '/download' },
  'mcurl fetch urls.txt.gz': { names: LISTED_NAMES },
  seq: { directory: 'images', names: IMAGES },
  'mcurl fetch urls.txt --dry-run': { names: [] },
  'mcurl fetch urls.txt --json': { names: LISTED_NAMES },
  'mcurl fetch -L -O': { names: ['photo.webp'] },
  'mcurl fetch urls.txt --retry': { names: LISTED_NAMES },
  'mcurl fetch -s': { names: LISTED_NAMES },
};

/** The entry of EXPECTED with the longest beginning of `example`. */
function expectedOf(example: string) {
  const key = Object.keys(EXPECTED)
    .filter(
      (beginning) =>
        example === beginning ||
        example.startsWith(`${beginning} `) ||
        example.startsWith(`${beginning}?`),
    )
    .sort((a, b) => b.length - a.length)[0];
  return key === undefined ? undefined : EXPECTED[key];
}

describe('every example', () => {
  test('there are ten, one of them in two ways', () => {
    expect(examples).toHaveLength(Object.keys(EXPECTED).length);
  });

  test.each(examples)('%s', async (example) => {
    const expected = expectedOf(example);
    if (expected === undefined) throw new Error('say in this test what the example does');
    const cwd = useTmp();
    const scratch = useTmp();
    const certificates = makeCertificates(scratch);
    const origin = await useOrigin({ tls: certificates.server });
    const list = LISTED.map((path) => `https://example.com${path}\n`).join('');
    writeFileSync(join(cwd, 'urls.txt'), `# three files\n${list}`);
    writeFileSync(join(cwd, 'urls.txt.gz'), gzipSync(list));
    mkdirSync(join(scratch, 'bin'));
    writeFileSync(
      join(scratch, 'bin', 'mcurl'),
      `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@" -k --connect-to ::127.0.0.1:${origin.port}\n`,
      { mode: 0o755 },
    );

    const shell = spawn('sh', ['-c', example], {
      cwd,
      env: { HOME: scratch, PATH: `${join(scratch, 'bin')}${delimiter}${process.env['PATH']}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    shell.stdout.on('data', (piece) => {
      stdout += piece;
    });
    shell.stderr.on('data', (piece) => {
      stderr += piece;
    });
    const [code] = await once(shell, 'close');

    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.not.stringMatching(/[1-9]\d* failed/),
    });
    const directory = join(cwd, expected.directory ?? '.');
    const names = namesIn(directory).filter((name) => !/^urls|^outcomes/.test(name));
    expect(names).toEqual(expected.names.filter((name) => name !== expected.directory));
    const paths = new Map(origin.requests.map(({ path }) => [path.split('/').at(-1), path]));
    paths.set('two.txt', '/pub/two.txt').set('two.2.txt', '/other/two.txt');
    for (const name of expected.names) {
      const path = expected.path ?? paths.get(name) ?? '';
      expect(readFileSync(join(directory, name)).equals(content(path)), name).toBe(true);
    }
    if (example.includes('--dry-run'))
      expect(stdout.trimEnd().split('\n')).toHaveLength(LISTED.length);
    if (example.includes('--json')) {
      const records = readFileSync(join(cwd, 'outcomes.ndjson'), 'utf8').trimEnd().split('\n');
      expect(records.map((line) => JSON.parse(line).type)).toEqual(['done', 'done', 'done']);
    }
    if (example.includes('-A ')) {
      expect(origin.requests[0]?.headers).toMatchObject({
        'user-agent': 'Mozilla/5.0',
        accept: 'image/webp',
        cookie: 'session=42',
      });
    }
  });
});

test('the multi-socket program runs as printed', async () => {
  const program = /```js\n(.+?)```/s.exec(section('The multi-socket interface'))?.[1] ?? '';
  expect(program.trimEnd().split('\n').length).toBeLessThanOrEqual(36);
  const origin = await useOrigin();
  const here = program.replaceAll('https://example.com', origin.url(''));
  const { code, stdout, stderr } = await useConsumer({ 'program.js': here }).run('program.js');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.trimEnd().split('\n').sort()).toEqual(
    ['/one', '/three', '/two'].map((path) => `${origin.url(path)} 200`),
  );
});

test('the list with options is one', () => {
  const list = /```\n(.+<TAB>.+?)```/s.exec(section('Options'))?.[1]?.replace('<TAB>', '\t') ?? '';
  const splitter = new LineSplitter();
  expect([...splitter.push(Buffer.from(list)), ...splitter.end()]).toEqual([
    {
      line: 1,
      problem: undefined,
      text: 'https://a.example/x.iso',
      mirrors: ['https://b.example/x.iso'],
      output: 'big.iso',
      checksum: expect.stringMatching(/^sha-256=/),
    },
  ]);
});

test('every option that it explains is one', () => {
  const text = section('Options').split('**Not for mcurl.**')[0] + section('Run it again');
  const options = new Set(
    [...text.matchAll(/`(-[A-Za-z]|--[a-z][a-z0-9-]*)[ `]/g)].map(([, o]) => o),
  );
  expect(options.size).toBeGreaterThan(30);
  const isOption = (option = '') => new RegExp(`(^|[ ,])${option}\\b`, 'm').test(HELP);
  // -w is curl's.
  expect([...options].filter((option) => !isOption(option))).toEqual(['-w']);
});

test('the exit codes are those of the program', () => {
  const documented = [...section('Exit codes').matchAll(/^\| (\d) \|/gm)].map(([, code]) =>
    Number(code),
  );
  expect(documented).toEqual(Object.values(EXIT));
});

test('every script that it names exists', () => {
  const { scripts } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  const named = [
    ...README.matchAll(/`npm (?:run )?([a-z:]+)/g),
    ...README.matchAll(/`(test:[a-z]+)`/g),
  ];
  const names = new Set(
    named.map(([, name]) => name).filter((name) => name !== 'ci' && name !== 'link'),
  );
  expect(names.size).toBeGreaterThan(5);
  for (const name of names) expect(scripts).toHaveProperty([String(name)]);
});
