/** Redirects: followed as a browser would, without carrying secrets or being led astray. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { content, useOrigin } from '../support/origin.ts';
import { jsonRecords, runFetch } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

const to = (url: string) => `to=${encodeURIComponent(url)}`;

describe('followed', () => {
  it.each([301, 302, 303, 307, 308])(
    '%i, and the file is named after the first URL',
    async (status) => {
      const origin = await useOrigin();
      const result = await runFetch(
        [origin.url(`/a?${to('/elsewhere/b?size=5000')}&status=${status}`)],
        ['--json'],
      );
      expect(result.code, result.stderr).toBe(0);
      expect(result.names).toEqual(['a']);
      expect(readFileSync(join(result.out, 'a')).equals(content('/elsewhere/b', 5000))).toBe(true);
      expect(jsonRecords(result)).toMatchObject([
        { url_effective: origin.url('/elsewhere/b?size=5000'), num_redirects: 1, http_code: 200 },
      ]);
    },
  );

  it.each([
    ['relative', '../b'],
    ['with the same scheme', '//127.0.0.1:PORT/b'],
    ['with a blank and a fragment', '/b ?x=1#part'],
  ])('%s', async (_, location) => {
    const origin = await useOrigin();
    const where = location.replace('PORT', String(origin.port));
    const { code, stderr } = await runFetch([origin.url(`/x/a?${to(where)}`)]);
    expect(code, stderr).toBe(0);
    expect(origin.requests).toHaveLength(2);
    expect(origin.requests[1]?.url).not.toContain('#');
  });

  it('to another origin, from http to https, through many hops', async () => {
    const certificates = makeCertificates(useTmp());
    const origin = await useOrigin();
    const secure = await useOrigin({ tls: certificates.server });
    const { code, stderr, out } = await runFetch(
      [origin.url(`/a?${to(secure.url('/b'))}`), origin.url('/c?hops=15')],
      ['--cacert', certificates.caFile],
    );
    expect(code, stderr).toBe(0);
    expect(readFileSync(join(out, 'a')).equals(content('/b'))).toBe(true);
    expect(readFileSync(join(out, 'c')).equals(content('/c'))).toBe(true);
  });

  it('by many targets at once, with one connection a host', async () => {
    const [a, b] = [await useOrigin(), await useOrigin()];
    const lines = Array.from({ length: 60 }, (_, index) =>
      a.url(`/f${index}?${to(b.url(`/g${index}?${to(a.url(`/h${index}`))}`))}`),
    );
    const { code, stderr, out, names } = await runFetch(lines, ['--max-per-host', '1', '-j', '8']);
    expect(code, stderr).toBe(0);
    for (const name of names) {
      expect(readFileSync(join(out, name)).equals(content(name.replace('f', '/h')))).toBe(true);
    }
    expect(a.peak.requests).toBe(1);
    expect(b.peak.requests).toBe(1);
  });
});

describe('refused, with exit code 7 and no file', () => {
  it.each([
    ['a circle', '/circle'],
    ['thirty hops', '/a?hops=30'],
    ['a file', `/a?${to('file:///etc/passwd')}`],
    ['ftp', `/a?${to('ftp://127.0.0.1/x')}`],
    ['gopher', `/a?${to('gopher://127.0.0.1/x')}`],
    ['dict', `/a?${to('dict://127.0.0.1/x')}`],
    ['a URL that is none', `/a?${to('http://[')}`],
  ])('%s', async (_, path) => {
    const circle = 'HTTP/1.1 302 Found\r\nLocation: /circle\r\nContent-Length: 0\r\n\r\n';
    const origin = await useOrigin({ answers: { '/circle': circle } });
    const { code, stderr, names } = await runFetch([origin.url(path)]);
    expect(code, stderr).toBe(7);
    expect(names).toEqual([]);
    expect(origin.requests.length).toBeLessThanOrEqual(25);
  });

  it('from https to http', async () => {
    const certificates = makeCertificates(useTmp());
    const origin = await useOrigin();
    const secure = await useOrigin({ tls: certificates.server });
    const { code, stderr, names } = await runFetch(
      [secure.url(`/a?${to(origin.url('/b'))}`)],
      ['--cacert', certificates.caFile],
    );
    expect(code, stderr).toBe(7);
    expect(names).toEqual([]);
    expect(origin.requests).toEqual([]);
  });
});

describe('secrets', () => {
  const SECRETS = [
    ['-H', 'X-Api-Key: secret'],
    ['-H', 'Authorization: Bearer secret'],
    ['-H', 'Accept: image/png'],
    ['-H', 'Accept-Language: eo'],
    ['-A', 'agent'],
    ['-b', 'session=secret'],
  ].flat();

  it('stay with the first origin; Accept, Accept-Language and User-Agent go along', async () => {
    const [first, second] = [await useOrigin(), await useOrigin()];
    const { code, stderr } = await runFetch([first.url(`/a?${to(second.url('/b'))}`)], SECRETS);
    expect(code, stderr).toBe(0);
    expect(first.requests[0]?.headers).toMatchObject({
      'x-api-key': 'secret',
      authorization: 'Bearer secret',
      cookie: 'session=secret',
    });
    const { headerLines = [], headers } = second.requests[0] ?? {};
    expect(headerLines.join('\n')).not.toContain('secret');
    expect(headers).toMatchObject({
      accept: 'image/png',
      'accept-language': 'eo',
      'user-agent': 'agent',
    });
  });

  it('do not come back on a later hop to the first origin', async () => {
    const [first, second] = [await useOrigin(), await useOrigin()];
    const back = second.url(`/b?${to(first.url('/c'))}`);
    const { code, stderr } = await runFetch([first.url(`/a?${to(back)}`)], ['-u', 'me:secret']);
    expect(code, stderr).toBe(0);
    expect(second.requests[0]?.headers['authorization']).toBeUndefined();
  });

  it.each([
    ['-u', ['-u', 'me:secret'], ''],
    ['the URL', [], 'me:secret@'],
  ])('of %s stay with the first origin', async (_, args, userinfo) => {
    const [first, second] = [await useOrigin(), await useOrigin()];
    const url = first.url(`/a?${to(second.url('/b'))}`).replace('//', `//${userinfo}`);
    const { code, stderr, stdout } = await runFetch([url], [...args, '--json']);
    expect(code, stderr).toBe(0);
    expect(first.requests[0]?.headers['authorization']).toBe(
      `Basic ${Buffer.from('me:secret').toString('base64')}`,
    );
    expect(second.requests[0]?.headers['authorization']).toBeUndefined();
    expect(second.requests[0]?.headers['referer']).toBeUndefined();
    expect(stdout + stderr).not.toContain('secret');
  });

  it('of netrc go to their own machine only', async () => {
    const cwd = useTmp();
    writeFileSync(join(cwd, '.netrc'), 'machine a.localhost login me password secret\n', {
      mode: 0o600,
    });
    const origin = await useOrigin();
    const away = origin.url('/b', 'b.localhost');
    const { code, stderr } = await runFetch([origin.url(`/a?${to(away)}`, 'a.localhost')], ['-n'], {
      cwd,
    });
    expect(code, stderr).toBe(0);
    expect(origin.requests.map(({ headers }) => headers['authorization'] !== undefined)).toEqual([
      true,
      false,
    ]);
  });

  it('go along on the same origin, and everywhere with --location-trusted', async () => {
    const [first, second] = [await useOrigin(), await useOrigin()];
    const same = await runFetch([first.url(`/a?${to('/b')}`)], [...SECRETS, '-u', 'me:secret']);
    expect(same.code, same.stderr).toBe(0);
    expect(first.requests[1]?.headers).toMatchObject({
      'x-api-key': 'secret',
      cookie: 'session=secret',
    });
    const args = ['-H', 'X-Api-Key: secret', '-u', 'me:secret', '--location-trusted'];
    const trusted = await runFetch([first.url(`/a?${to(second.url('/b'))}`)], args);
    expect(trusted.code, trusted.stderr).toBe(0);
    expect(second.requests[0]?.headers).toMatchObject({
      'x-api-key': 'secret',
      authorization: `Basic ${Buffer.from('me:secret').toString('base64')}`,
    });
  });
});

describe('cookies', () => {
  const setCookie = (value: string) => `header=${encodeURIComponent(`Set-Cookie: ${value}`)}`;

  it('that a hop sets travel over the hops by domain', async () => {
    const origin = await useOrigin();
    const home = origin.url('/home', 'a.localhost');
    const away = origin.url(`/away?${to(home)}`, 'b.localhost');
    const login = origin.url(`/login?${setCookie('token=t1; Path=/')}&${to(away)}`, 'a.localhost');
    const { code, stderr } = await runFetch([login]);
    expect(code, stderr).toBe(0);
    expect(origin.requests.map(({ path, headers }) => [path, headers['cookie']])).toEqual([
      ['/login', undefined],
      ['/away', undefined],
      ['/home', 'token=t1'],
    ]);
  });

  it('live and die with their target', async () => {
    const origin = await useOrigin();
    const lines = [
      origin.url(`/a?${setCookie('token=t1; Path=/')}`),
      origin.url('/b'),
      origin.url('/c'),
    ];
    const { code, stderr } = await runFetch(lines, ['-j', '1']);
    expect(code, stderr).toBe(0);
    expect(origin.requests.map(({ headers }) => headers['cookie'])).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('of a file are sent where they belong', async () => {
    const cwd = useTmp();
    const origin = await useOrigin();
    const line = ['a.localhost', 'FALSE', '/', 'FALSE', '0', 'kept', 'yes'].join('\t');
    writeFileSync(join(cwd, 'cookies.txt'), `# Netscape HTTP Cookie File\n${line}\n`);
    const lines = [
      origin.url(`/a?${to(origin.url('/c', 'a.localhost'))}`, 'a.localhost'),
      origin.url('/b', 'b.localhost'),
    ];
    const { code, stderr } = await runFetch(lines, ['-b', 'cookies.txt'], { cwd });
    expect(code, stderr).toBe(0);
    const sent = Object.fromEntries(
      origin.requests.map(({ path, headers }) => [path, headers['cookie']]),
    );
    expect(sent).toEqual({ '/a': 'kept=yes', '/b': undefined, '/c': 'kept=yes' });
  });
});
