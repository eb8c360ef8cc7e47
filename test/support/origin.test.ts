/** What the origin promises, as curl sees it. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { makeCertificates } from './certificates.ts';
import { content, sha256, useOrigin } from './origin.ts';
import { useTmp } from './tmp.ts';

interface CurlResult {
  /** curl's exit code. */
  readonly code: number;
  readonly body: Buffer;
}

function curl(...args: string[]): Promise<CurlResult> {
  const settings = {
    encoding: 'buffer',
    maxBuffer: 100e6,
    env: { PATH: process.env['PATH'] },
  } as const;
  return new Promise((resolve) => {
    execFile('curl', ['-sS', '--max-time', '10', ...args], settings, (error, body) =>
      resolve({ code: error === null ? 0 : Number(error.code), body }),
    );
  });
}

describe('content', () => {
  it('is told by path and size, and a shorter one is its beginning', () => {
    expect(content('/a', 100).equals(content('/a', 200).subarray(0, 100))).toBe(true);
    expect(content('/a', 100).equals(content('/b', 100))).toBe(false);
    expect(sha256('/a', 200_000)).toBe(
      createHash('sha256').update(content('/a', 200_000)).digest('hex'),
    );
  });
});

describe('whole bodies', () => {
  it.each(['size=200000', 'size=200000&chunked', 'size=200000&eof', 'size=200000&gzip=always'])(
    'arrive with %s',
    async (query) => {
      const origin = await useOrigin();
      const { code, body } = await curl('--compressed', origin.url(`/a?${query}`));
      expect(code).toBe(0);
      expect(body.equals(content('/a', 200_000))).toBe(true);
    },
  );

  it('arrive after redirects, after a failure, after a delay, after release', async () => {
    const origin = await useOrigin();
    expect((await curl('-L', origin.url('/a?hops=3'))).body.equals(content('/a'))).toBe(true);
    expect(origin.requests.length).toBe(4);
    expect((await curl('-f', origin.url('/b?status=503&times=1'))).code).toBe(22);
    expect((await curl('-f', origin.url('/b?status=503&times=1'))).code).toBe(0);
    const held = curl(origin.url('/c?hold&delay=1'));
    expect((await origin.arrived('/c'))[0]?.endedAtMs).toBeUndefined();
    origin.release();
    expect((await held).body.equals(content('/c'))).toBe(true);
  });
});

describe('faults, by the exit code that curl gives them', () => {
  it.each([
    ['cut=100', 18],
    ['chunked&cut=100', 18],
    ['cut=head', 52],
    ['reset=100', 56],
    ['reset=head', 56],
    ['bad-chunk=100', 56],
    ['endless=head', 56],
    ['to=file:///etc/passwd', 1],
  ])('%s', async (query, code) => {
    const origin = await useOrigin();
    expect((await curl('-L', origin.url(`/a?${query}`))).code).toBe(code);
  });

  it.each(['stall=100', 'stall=head', 'endless=body'])('%s never ends', async (query) => {
    const origin = await useOrigin();
    expect(
      (await curl('--max-time', '0.5', '--limit-rate', '1M', origin.url(`/a?${query}`))).code,
    ).toBe(28);
  });
});

describe('the record of requests', () => {
  it('tells connections, and `stale` ends one that is used again', async () => {
    const origin = await useOrigin();
    await curl(origin.url('/a'), origin.url('/b'));
    expect(origin.requests.map(({ path, connection }) => [path, connection])).toEqual([
      ['/a', 1],
      ['/b', 1],
    ]);
    await curl(origin.url('/c?stale'), origin.url('/d?stale'));
    expect(origin.requests.slice(2).map(({ path, connection }) => [path, connection])).toEqual([
      ['/c', 2],
      ['/d', 2],
      ['/d', 3],
    ]);
    expect(origin.peak.requests).toBe(1);
  });

  it('holds whole URLs and tunnels when a client takes it for a proxy', async () => {
    const origin = await useOrigin();
    await curl('-x', origin.url(''), 'http://example.test/a');
    await curl('-p', '-x', origin.url(''), `http://example.test:${origin.port}/a`);
    expect(origin.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET http://example.test/a',
      `CONNECT example.test:${origin.port}`,
      'GET /a',
    ]);
  });
});

describe('TLS', () => {
  it('shows its certificate and asks for one when told whom to trust', async () => {
    const { server, client, ca, caFile } = makeCertificates(useTmp());
    const origin = await useOrigin({ tls: server });
    expect((await curl(origin.url('/a'))).code).toBe(60);
    expect((await curl('--cacert', caFile, origin.url('/a'))).body.equals(content('/a'))).toBe(
      true,
    );

    const strict = await useOrigin({ tls: { ...server, ca } });
    expect((await curl('-k', strict.url('/a'))).code).not.toBe(0);
    await curl('-k', '--cert', client.certFile, '--key', client.keyFile, strict.url('/a'));
    expect(strict.requests.map(({ clientName }) => clientName)).toEqual(['some-client']);
  });
});
