/** What a file must be, and what is written down about it: checksums, manifests, limits, names, dates, attributes. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { content, type Origin, sha256, useOrigin } from '../support/origin.ts';
import { jsonRecords, namesIn, runCli, runFetch, startFetch } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

const OLD = 'Wed, 01 Jan 2020 00:00:00 GMT';
const WRONG = `sha-256=${'0'.repeat(64)}`;

let origin: Origin;
let cwd: string;
let out: string;

beforeEach(async () => {
  origin = await useOrigin();
  cwd = useTmp();
  out = join(cwd, 'out');
});

function bytesOf(name: string): Buffer {
  return readFileSync(join(out, name));
}

describe('a checksum', () => {
  const digest = (type: string) => createHash(type).update(content('/a')).digest('hex');

  it.each(['sha-256', 'sha-512', 'sha-1', 'md5'])('%s that holds', async (type) => {
    const checksum = `${type}=${digest(type.replace('sha-', 'sha'))}`;
    const args = ['fetch', origin.url('/a'), '--checksum', checksum.toUpperCase()];
    expect(await runCli(args, { cwd })).toMatchObject({ code: 0 });
    expect(namesIn(cwd)).toEqual(['a']);
  });

  it.each(['', '&size=500000'])(
    'that does not is exit 9; nothing has the name (%s)',
    async (size) => {
      const args = ['fetch', origin.url(`/a?x${size}`), '-o', 'b', '--checksum', WRONG];
      const { code, stderr } = await runCli(args, { cwd });
      expect(code, stderr).toBe(9);
      expect(stderr).toContain(WRONG);
      expect(namesIn(cwd)).toEqual([]);
      expect(origin.requests).toHaveLength(1);
    },
  );

  it('that does not leaves NAME.bad with --keep-bad, once', async () => {
    const args = ['fetch', origin.url('/a'), '--checksum', WRONG, '--keep-bad'];
    expect(await runCli(args, { cwd })).toMatchObject({ code: 9 });
    expect(namesIn(cwd)).toEqual(['a.bad']);
    expect(readFileSync(join(cwd, 'a.bad')).equals(content('/a'))).toBe(true);
  });

  it('is for one URL; a list says it for each', async () => {
    const refused = await runFetch([origin.url('/a')], ['--checksum', WRONG], { cwd });
    expect(refused.code, refused.stderr).toBe(2);
    const lines = [
      origin.url('/a'),
      ` checksum=sha-256=${sha256('/a')}`,
      origin.url('/b'),
      ` checksum=${WRONG}`,
      ' out=c',
    ];
    const { code, stderr, names } = await runFetch(lines, [], { cwd });
    expect(code, stderr).toBe(9);
    expect(stderr).toContain('list.txt:3');
    expect(names).toEqual(['a']);
  });

  it('of the server itself counts too', async () => {
    const good = Buffer.from(sha256('/a'), 'hex').toString('base64');
    const bad = Buffer.alloc(32).toString('base64');
    const line = (name: string, value: string) =>
      origin.url(`/a?header=${encodeURIComponent(`${name}: sha-256=:${value}:`)}`);
    const lines = [line('Repr-Digest', good), line('Content-Digest', bad)];
    const { code, stderr, names } = await runFetch(lines, [], { cwd });
    expect(code, stderr).toBe(9);
    expect(names).toEqual(['a']);
  });

  it('is checked of a file that is there, which stays as it is', async () => {
    mkdirSync(out);
    writeFileSync(join(out, 'a'), 'mine');
    writeFileSync(join(out, 'b'), content('/b'));
    const lines = ['/a', '/b'].flatMap((path) => [
      origin.url(path),
      ` checksum=sha-256=${sha256(path)}`,
    ]);
    const result = await runFetch(lines, ['--json'], { cwd });
    expect(result.code, result.stderr).toBe(9);
    expect(result.stderr).toMatch(/a is there .*--overwrite/);
    const ends = jsonRecords(result).sort((a, b) => a.line - b.line);
    expect(ends).toMatchObject([
      { type: 'fail', error_class: 'integrity', filename_effective: 'out/a' },
      { type: 'skip', reason: 'exists' },
    ]);
    expect(bytesOf('a').toString()).toBe('mine');
    expect(origin.requests).toHaveLength(0);
    const again = await runFetch(lines, ['--overwrite'], { cwd });
    expect(again.code, again.stderr).toBe(0);
    expect(bytesOf('a').equals(content('/a'))).toBe(true);
  });

  it('is checked of a file that the server has not changed', async () => {
    const lines = [origin.url('/a?etag'), ` checksum=sha-256=${sha256('/a')}`];
    const args = ['--journal', 'j', '--if-modified'];
    expect(await runFetch(lines, args, { cwd })).toMatchObject({ code: 0 });
    expect(await runFetch(lines, args, { cwd })).toMatchObject({ code: 0 });
    const fails = [origin.url('/a?etag'), ` checksum=${WRONG}`];
    writeFileSync(
      join(cwd, 'j'),
      readFileSync(join(cwd, 'j'), 'utf8').replace(sha256('/a'), '0'.repeat(64)),
    );
    const { code, stderr } = await runFetch(fails, args, { cwd });
    expect(code, stderr).toBe(9);
    expect(origin.requests.length).toBe(3);
  });

  it('is checked of a file that has the name which the server gives', async () => {
    mkdirSync(out);
    const precious = Buffer.alloc(1024, 'precious');
    writeFileSync(join(out, 'precious'), precious);
    const header = encodeURIComponent('Content-Disposition: attachment; filename=precious');
    const lines = [origin.url(`/a?header=${header}`), ` checksum=sha-256=${sha256('/a')}`];
    const { code, stderr, names } = await runFetch(lines, ['-J'], { cwd });
    expect(code, stderr).toBe(9);
    expect(names).toEqual(['precious']);
    expect(bytesOf('precious').equals(precious)).toBe(true);
  });

  it('that fails on a continued file has it begun anew, once', async () => {
    const size = 1_000_000;
    const url = origin.url(`/a?size=${size}&times=1&stall=600000&etag`);
    const lines = [url, ` checksum=sha-256=${sha256('/a', size)}`];
    const run = startFetch(lines, [], { cwd });
    await vi.waitFor(() => expect(statSync(join(out, 'a.part')).size).toBe(600_000), 10_000);
    run.child.kill('SIGKILL');
    await run.finished;
    writeFileSync(join(out, 'a.part'), Buffer.alloc(600_000));
    const { code, stderr } = await runFetch(lines, [], { cwd });
    expect(code, stderr).toBe(0);
    expect(origin.requests.map(({ headers }) => headers['range'])).toEqual([
      undefined,
      'bytes=600000-',
      undefined,
    ]);
    expect(bytesOf('a').equals(content('/a', size))).toBe(true);
  });
});

describe('mirrors', () => {
  it('are tried in turn, at once', async () => {
    const urls = ['/a?status=404', '/b?cut=100', '/c'].map((path) => origin.url(path));
    const { code, stderr, names } = await runFetch([urls.join('\t')], [], { cwd });
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['a']);
    expect(bytesOf('a').equals(content('/c'))).toBe(true);
    expect(origin.requests.map(({ path }) => path)).toEqual(['/a', '/b', '/c']);
  });

  it.each([
    ['continue what another began when a strong ETag ties them', 'etag', undefined, true],
    ['begin anew when only a date does', `modified=${OLD}`, undefined, false],
    ['continue by a checksum', 'etag=weak', 'checksum', true],
  ])('%s', async (_, query, checksum, continues) => {
    const size = 1_000_000;
    // One file under two ports: the path makes the bytes.
    const other = await useOrigin();
    const first = origin.url(`/a?size=${size}&cut=600000&${query}`);
    const second = other.url(`/a?size=${size}&${query}`);
    const lines = [`${first}\t${second}`];
    if (checksum !== undefined) lines.push(` checksum=sha-256=${sha256('/a', size)}`);
    const { code, stderr } = await runFetch(lines, [], { cwd });
    expect(code, stderr).toBe(0);
    expect(other.requests[0]?.headers['range']).toBe(continues ? 'bytes=600000-' : undefined);
    expect(bytesOf('a').equals(content('/a', size))).toBe(true);
  });

  it.each<[string, string, string, string[], boolean]>([
    [
      'do not continue what another began in an earlier run, by a date',
      '/b',
      `modified=${OLD}`,
      [],
      false,
    ],
    ['nor by --resume-by size', '/b', `modified=${OLD}`, ['--resume-by', 'size'], false],
    ['but by a strong ETag', '/a', `etag&modified=${OLD}`, [], true],
    ['and by a checksum', '/a', `modified=${OLD}`, ['checksum'], true],
  ])('%s', async (_, secondPath, query, how, continues) => {
    const size = 1_000_000;
    const other = await useOrigin();
    const first = origin.url(`/a?size=${size}&times=1&status=503&${query}`);
    const second = other.url(`${secondPath}?size=${size}&stall=600000&${query}`);
    const lines = [`${first}\t${second}`];
    if (how[0] === 'checksum') lines.push(` checksum=sha-256=${sha256('/a', size)}`);
    const args = how[0] === 'checksum' ? [] : how;
    const run = startFetch(lines, args, { cwd });
    await vi.waitFor(() => expect(statSync(join(out, 'a.part')).size).toBe(600_000), 10_000);
    run.child.kill('SIGKILL');
    await run.finished;
    const { code, stderr } = await runFetch(lines, args, { cwd });
    expect(code, stderr).toBe(0);
    expect(origin.requests[1]?.headers['range']).toBe(continues ? 'bytes=600000-' : undefined);
    expect(bytesOf('a').equals(content('/a', size))).toBe(true);
  });
});

describe('an entry that was corrected', () => {
  it('keeps its name, and --only-failed asks for it as it is now', async () => {
    const lines = (checksum: string, mirror = '') => [
      `${origin.url('/a')}${mirror}`,
      ' out=big.iso',
      ` checksum=${checksum}`,
      origin.url('/gone?status=404'),
    ];
    expect(await runFetch(lines(WRONG), [], { cwd })).toMatchObject({ code: 8, names: [] });
    const other = `sha-256=${'1'.repeat(64)}`;
    const mirror = `\t${origin.url('/a?mirror')}`;
    const second = await runFetch(lines(other, mirror), ['--only-failed'], { cwd });
    expect(second.code, second.stderr).toBe(8);
    const third = await runCli(['fetch', '--only-failed', '-d', 'out'], { cwd });
    expect(third.code, third.stderr).toBe(8);
    expect(third.stderr).toContain(other);
    expect(third.stderr).not.toContain(WRONG);
    const right = `sha-256=${sha256('/a')}`;
    expect(await runFetch(lines(right), [], { cwd })).toMatchObject({ names: ['big.iso'] });
    expect(bytesOf('big.iso').equals(content('/a'))).toBe(true);
  });

  it('does not continue what a mirror began that it has no more', async () => {
    const size = 1_000_000;
    const query = `size=${size}&modified=${OLD}`;
    const first = origin.url(`/a?times=1&status=503&${query}`);
    const mirror = origin.url(`/b?stall=600000&${query}`);
    const run = startFetch([`${first}\t${mirror}`], [], { cwd });
    await vi.waitFor(() => expect(statSync(join(out, 'a.part')).size).toBe(600_000), 10_000);
    run.child.kill('SIGKILL');
    await run.finished;
    const { code, stderr, names } = await runFetch([first], [], { cwd });
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['a']);
    expect(bytesOf('a').equals(content('/a', size))).toBe(true);
  });
});

describe('--manifest', () => {
  it('is in list order, has what was there already, and sha256sum -c reads it', async () => {
    mkdirSync(out);
    writeFileSync(join(out, 'there'), 'there');
    const lines = [
      origin.url('/slow?delay=300'),
      origin.url('/there'),
      origin.url('/gone?status=404'),
      'no URL',
      origin.url('/big?size=500000'),
      origin.url('/odd'),
      ' out=with\\backslash',
    ];
    const args = ['--manifest', 'SHA256SUMS'];
    const { code, stderr } = await runFetch(lines, args, { cwd });
    expect(code, stderr).toBe(2);
    const text = readFileSync(join(cwd, 'SHA256SUMS'), 'utf8');
    expect(text).toBe(
      `${sha256('/slow')}  out/slow\n${createHash('sha256').update('there').digest('hex')}  out/there\n` +
        `${sha256('/big', 500_000)}  out/big\n\\${sha256('/odd')}  out/with\\\\backslash\n`,
    );
    const check = spawnSync('sha256sum', ['--strict', '-c', 'SHA256SUMS'], { cwd });
    expect(check.status, `${check.stderr}`).toBe(0);
    expect(namesIn(cwd)).not.toContain('SHA256SUMS.part');
  });

  it('beside the files names them without their directory', async () => {
    const args = ['--manifest', 'out/SHA256SUMS'];
    const { code, stderr } = await runFetch([origin.url('/a')], args, { cwd });
    expect(code, stderr).toBe(0);
    expect(bytesOf('SHA256SUMS').toString()).toBe(`${sha256('/a')}  a\n`);
  });

  it.each(['--manifest', '--failed-out', '--journal'])('%s is no download', async (option) => {
    const args = [option, 'out/mine'];
    const { code, stderr, names } = await runFetch([origin.url('/mine')], args, { cwd });
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['mine', 'mine.2']);
    expect(bytesOf('mine.2').equals(content('/mine'))).toBe(true);
  });

  it('that cannot be written is local trouble, at the start', async () => {
    const args = ['--manifest', 'nowhere/SHA256SUMS'];
    const { code, stderr } = await runFetch([origin.url('/a')], args, { cwd });
    expect(code, stderr).toBe(3);
    expect(stderr).toContain('nowhere/SHA256SUMS');
    expect(origin.requests).toEqual([]);
  });
});

it('--max-filesize refuses what is larger, told or not', async () => {
  const lines = ['/a?size=500', '/b?size=2000', '/c?size=2000&chunked'].map((path) =>
    origin.url(path),
  );
  const { code, stderr, names } = await runFetch(lines, ['--max-filesize', '1k'], { cwd });
  expect(code, stderr).toBe(7);
  expect(stderr).toContain('--max-filesize');
  expect(names).toEqual(['a']);
});

it('-R gives a file the server’s date', async () => {
  const lines = [origin.url(`/a?modified=${OLD}`), origin.url(`/b?size=500000&modified=${OLD}`)];
  expect(await runFetch(lines, ['-R'], { cwd })).toMatchObject({ code: 0 });
  for (const name of ['a', 'b']) {
    expect(statSync(join(out, name)).mtime.toUTCString()).toBe(OLD);
  }
});

describe('--if-modified', () => {
  it('replaces only what the server has in another version, by a journal that stays', async () => {
    const lines = ['/a?etag', `/b?modified=${OLD}`, '/c?etag'].map((path) => origin.url(path));
    const args = ['--journal', 'j', '--if-modified', '--json'];
    expect(await runFetch(lines, ['--journal', 'j'], { cwd })).toMatchObject({ code: 0 });
    const path = origin.change('/c');
    const result = await runFetch(lines, args, { cwd });
    expect(result.code, result.stderr).toBe(0);
    const ends = jsonRecords(result).sort((a, b) => a.line - b.line);
    expect(ends).toMatchObject([
      { type: 'skip', reason: 'not-modified', response_code: 304 },
      { type: 'skip', reason: 'not-modified', response_code: 304 },
      { type: 'done', response_code: 200 },
    ]);
    expect(bytesOf('c').equals(content(path))).toBe(true);
    const third = await runFetch(lines, args, { cwd });
    expect(jsonRecords(third).map(({ type }) => type)).toEqual(['skip', 'skip', 'skip']);
  });

  it('asks by extended attributes when no journal is there', async () => {
    const lines = [origin.url('/a?etag')];
    const first = await runFetch(lines, ['--xattr'], { cwd });
    expect(first.code, first.stderr).toBe(0);
    if (first.stderr.includes('takes no extended attributes')) return;
    const read = (name: string) =>
      spawnSync('python3', ['-c', `import os; print(os.getxattr('out/a', '${name}').decode())`], {
        cwd,
        encoding: 'utf8',
      }).stdout.trim();
    expect(read('user.xdg.origin.url')).toBe(lines[0]);
    const second = await runFetch(lines, ['--if-modified', '--json'], { cwd });
    expect(jsonRecords(second)).toMatchObject([{ type: 'skip', reason: 'not-modified' }]);
    const path = origin.change('/a');
    const third = await runFetch(lines, ['--if-modified', '--xattr'], { cwd });
    expect(third.code, third.stderr).toBe(0);
    expect(bytesOf('a').equals(content(path))).toBe(true);
  });
});

describe('-J', () => {
  const named = (path: string, disposition: string) =>
    origin.url(
      `${path}header=${encodeURIComponent(`Content-Disposition: attachment; ${disposition}`)}`,
    );

  it('takes the server’s name, made safe, else that of the URL; each file has its own', async () => {
    const lines = [
      named('/1?', 'filename="report.pdf"'),
      named('/2?size=500000&', 'filename="report.pdf"'),
      named('/3?', 'filename="../../etc/passwd"'),
      named('/4?', "filename=x; filename*=UTF-8''n%C3%A4me"),
      named('/5?', 'nothing'),
      origin.url('/6'),
    ];
    const { code, stderr, names } = await runFetch(lines, ['-J', '-j', '1'], { cwd });
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['5', '6', 'näme', 'passwd', 'report.2.pdf', 'report.pdf'].sort());
    expect(bytesOf('report.pdf').equals(content('/1'))).toBe(true);
    expect(bytesOf('report.2.pdf').equals(content('/2', 500_000))).toBe(true);
  });

  it.each([
    [1024, { type: 'skip', reason: 'exists', filename_effective: 'out/precious.pdf' }],
    [1023, { type: 'done', filename_effective: 'out/precious.2.pdf' }],
  ])('replaces nothing that is there: with %i bytes', async (bytes, record) => {
    mkdirSync(out);
    const precious = Buffer.alloc(bytes, 'precious');
    writeFileSync(join(out, 'precious.pdf'), precious);
    const lines = [named('/1?', 'filename=precious.pdf')];
    const result = await runFetch(lines, ['-J', '--json'], { cwd });
    expect(result.code, result.stderr).toBe(0);
    expect(jsonRecords(result)).toMatchObject([record]);
    expect(bytesOf('precious.pdf').equals(precious)).toBe(true);
    expect(result.names).toHaveLength(record.type === 'done' ? 2 : 1);
  });

  it('is remembered: the file is not fetched again', async () => {
    const lines = [named('/1?', 'filename=report.pdf'), origin.url('/gone?status=404')];
    await runFetch(lines, ['-J'], { cwd });
    const second = await runFetch(lines, ['-J'], { cwd });
    expect(second.names).toEqual(['report.pdf']);
    expect(origin.requests.filter(({ path }) => path === '/1')).toHaveLength(1);
    expect(existsSync(join(out, '1'))).toBe(false);
  });
});
