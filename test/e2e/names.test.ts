/** Which file a line becomes: safe, its own, the same on every run. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { content, useOrigin } from '../support/origin.ts';
import { namesIn, runCli, runFetch } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

describe('a name', () => {
  it('is the last part of the URL path, percent-decoded; the query is no part of it', async () => {
    const origin = await useOrigin();
    const { code, stderr, names } = await runFetch([
      origin.url('/x/a%20b.txt?size=3#part'),
      origin.url('/%C3%A9t%C3%A9'),
      origin.url('/'),
      origin.url('/dir/'),
    ]);
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['a b.txt', 'index.2.html', 'index.html', 'été']);
  });

  it('comes from the URL in the list, not from where a redirect leads nor from a header', async () => {
    const origin = await useOrigin();
    const disposition = encodeURIComponent('Content-Disposition: attachment; filename=.bashrc');
    const { code, stderr, names } = await runFetch([
      origin.url('/wanted?to=/.profile'),
      origin.url(`/other?header=${disposition}`),
    ]);
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['other', 'wanted']);
  });

  const HOSTILE = [
    '/..%2f..%2f..%2ftmp%2fmcurl-outside',
    '/%2e%2e',
    '/x/%2E%2E%5C%2E%2E%5Cwindows',
    '/a%00b',
    '/%1b%5d0;owned%07',
    '/%e2%80%aegnp.exe',
    '/%c2%9b31m',
    '/CON',
    '/aux.txt',
    '/.bashrc',
    '/-rf',
    '/trailing.%20.',
    '/%ff%fe',
    '/c:%5cx',
    `/${'long'.repeat(100)}.tar.gz`,
    `/${'%F0%9F%90%9F'.repeat(100)}`,
    `/${'%F0%9F%90%9F'.repeat(100)}`,
  ];

  it('is safe whatever the URL says, and every line has its own file', async () => {
    const origin = await useOrigin();
    const cwd = useTmp();
    const { code, stderr, stdout, out, names } = await runFetch(
      HOSTILE.map((path) => origin.url(path)),
      ['--json'],
      { cwd },
    );
    expect(code, stderr).toBe(0);
    expect(namesIn(cwd)).toEqual(['list.txt', 'out']);
    expect(names).toHaveLength(HOSTILE.length);
    for (const name of readdirSync(out, { encoding: 'buffer' })) {
      expect(name.length).toBeLessThanOrEqual(255);
      expect(name.equals(Buffer.from(name.toString()))).toBe(true);
    }
    for (const name of names) {
      expect(name).not.toMatch(/[\p{Cc}\p{Bidi_Control}\\:]|^[.-]|[. ]$|^(con|aux)(\.|$)/iu);
    }
    for (const line of stdout.trimEnd().split('\n')) {
      const { filename_effective: file, url } = JSON.parse(line);
      const body = readFileSync(join(cwd, file));
      expect(body.equals(content(new URL(url).pathname))).toBe(true);
    }
  });

  it('is given once: the second line with it gets a number, by list order', async () => {
    const origin = await useOrigin();
    const paths = ['/1/f.tar', '/2/f.tar', '/3/F.TAR', '/4/f.2.tar', '/5/f.tar'];
    const { code, stderr, out, names } = await runFetch(paths.map((path) => origin.url(path)));
    expect(code, stderr).toBe(0);
    expect(names).toHaveLength(paths.length);
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(paths.length);
    expect(readFileSync(join(out, 'f.tar')).equals(content('/1/f.tar'))).toBe(true);
    expect(readFileSync(join(out, 'f.2.tar')).equals(content('/2/f.tar'))).toBe(true);
  });

  it('counts as taken when it differs in normalisation only, and never ends in .part', async () => {
    const origin = await useOrigin();
    const { code, stderr, names } = await runFetch([
      origin.url('/1/%C3%A9'),
      origin.url('/2/e%CC%81'),
      origin.url('/3/big?size=1000000'),
      origin.url('/4/big.part?size=1000000'),
    ]);
    expect(code, stderr).toBe(0);
    expect(new Set(names.map((name) => name.normalize('NFC'))).size).toBe(4);
    expect(names).not.toContain('big.part');
  });

  it('is the same on every run: what is there is skipped without a request', async () => {
    const origin = await useOrigin();
    const cwd = useTmp();
    const lines = ['/1/f', '/2/f', '/', '/CON', '/3/F'].map((path) => origin.url(path));
    const first = await runFetch(lines, [], { cwd });
    const asked = origin.requests.length;
    const second = await runFetch(lines, [], { cwd });
    expect(second.code, second.stderr).toBe(0);
    expect(second.names).toEqual(first.names);
    expect(origin.requests.length).toBe(asked);
  });

  it('is told beforehand by --dry-run, which fetches nothing', async () => {
    const origin = await useOrigin();
    const cwd = useTmp();
    const lines = [origin.url('/1/f'), origin.url('/2/f')];
    const dry = await runFetch(lines, ['--dry-run'], { cwd });
    expect(dry.code, dry.stderr).toBe(0);
    expect(origin.requests).toEqual([]);
    expect(dry.names).toEqual([]);
    const { names } = await runFetch(lines, [], { cwd });
    for (const name of names) expect(dry.stdout).toContain(`out/${name}`);
  });
});

describe('-o', () => {
  it('names the file of the one URL', async () => {
    const origin = await useOrigin();
    const { code, stderr, cwd } = await runCli([
      'fetch',
      origin.url('/a'),
      '-d',
      'out',
      '-o',
      'b.iso',
    ]);
    expect(code, stderr).toBe(0);
    expect(namesIn(join(cwd, 'out'))).toEqual(['b.iso']);
  });

  it('is an error with two URLs, and for stdout', async () => {
    const origin = await useOrigin();
    const two = await runCli(['fetch', origin.url('/a'), origin.url('/b'), '-o', 'c']);
    expect(two.code, two.stderr).toBe(2);
    const toStdout = await runCli(['fetch', origin.url('/a'), '-o', '-']);
    expect(toStdout.code, toStdout.stderr).toBe(2);
    expect(toStdout.stdout).toBe('');
    expect(origin.requests).toEqual([]);
  });
});
