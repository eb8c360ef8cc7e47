/** `--no-private`: nothing inside is reached, by whatever name. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { content, useOrigin } from '../support/origin.ts';
import { HAS_NETWORKS, useOwnNetwork } from '../support/own-network.ts';
import { jsonRecords, runFetch } from '../support/run-cli.ts';

describe('a loopback address is refused, not tried again, and never connected to', () => {
  it.each([
    ['by number', '127.0.0.1', '127.0.0.1'],
    ['by another number', '2130706433', '127.0.0.1'],
    ['by name', 'localhost', '(loopback)'],
    ['in IPv6’s clothes', '[::ffff:127.0.0.1]', '::ffff:127.0.0.1'],
    ['as the address of nothing', '0.0.0.0', '0.0.0.0 (unspecified)'],
  ])('%s', async (_, host, told) => {
    const origin = await useOrigin();
    const result = await runFetch([`http://${host}:${origin.port}/a`], ['--no-private', '--json']);
    expect(result.code, result.stderr).toBe(7);
    expect(result.names).toEqual([]);
    expect(result.stderr).toContain('--no-private refuses ');
    expect(result.stderr).toContain(told);
    expect(result.stderr).not.toContain('connect');
    expect(jsonRecords(result)).toMatchObject([
      { type: 'fail', error_class: 'address', exitcode: 42, num_retries: 0, num_connects: 0 },
    ]);
    expect(origin.peak.connections).toBe(0);
  });

  it.each([
    ['of --resolve', ['--resolve', 'a.test:80:127.0.0.1']],
    ['of --connect-to', ['--connect-to', '::127.0.0.1:PORT']],
    ['of a proxy', ['-x', 'http://127.0.0.1:PORT']],
    ['of a SOCKS proxy', ['-x', 'socks5h://127.0.0.1:PORT']],
    ['that is a local socket', ['-x', 'socks5h://localhost/run/mcurl.test']],
  ])('%s', async (_, args) => {
    const origin = await useOrigin();
    const words = args.map((word) => word.replace('PORT', String(origin.port)));
    const { code, stderr } = await runFetch(['http://a.test/a'], ['--no-private', ...words]);
    expect(code, stderr).toBe(7);
    expect(stderr).toMatch(/--no-private refuses (127\.0\.0\.1 \(loopback\)|a local socket)/);
    expect(origin.peak.connections).toBe(0);
  });

  it('for all of a long list', async () => {
    const origin = await useOrigin();
    const lines = Array.from({ length: 2000 }, (_, index) => origin.url(`/${index}`));
    const result = await runFetch(lines, ['--no-private', '--json']);
    expect(result.code, result.stderr).toBe(7);
    expect(jsonRecords(result)).toHaveLength(2000);
    expect(origin.peak.connections).toBe(0);
  });
});

describe.skipIf(!HAS_NETWORKS)('a public address', () => {
  const PUBLIC = '198.41.0.4';
  const PRIVATE = '10.1.2.3';
  const to = (url: string) => `to=${encodeURIComponent(url)}`;

  it.each([
    ['is fetched from', `http://${PUBLIC}:8080/a`],
    ['is taken of a name that has a private one, too', 'http://a.test:8080/a'],
    ['is taken of mirrors', `http://${PRIVATE}:8080/b\thttp://${PUBLIC}:8080/a`],
    ['may redirect to another', `http://${PUBLIC}:8080/x?${to('http://198.41.0.5:8080/a')}`],
  ])('%s', async (_, line) => {
    const network = await useOwnNetwork(PRIVATE, PUBLIC, '198.41.0.5');
    const resolve = ['--resolve', `a.test:8080:${PRIVATE},${PUBLIC}`];
    const { code, stderr, out, names } = await runFetch([line], ['--no-private', ...resolve], {
      before: network.before,
    });
    expect(code, stderr).toBe(0);
    expect(readFileSync(join(out, names[0] ?? '')).equals(content('/a'))).toBe(true);
    expect((await network.requests()).filter((from) => from.startsWith(PRIVATE))).toEqual([]);
  });

  it.each([
    ['by number', `http://${PRIVATE}:8080/secret`],
    ['by name', 'http://inside.test:8080/secret'],
    ['to itself, under another name', 'http://localhost:8080/secret'],
  ])('may not redirect inside %s', async (_, url) => {
    const network = await useOwnNetwork('127.0.0.1', PRIVATE, PUBLIC);
    const resolve = ['--resolve', `inside.test:8080:${PRIVATE}`];
    const first = `http://${PUBLIC}:8080/a?${to(url)}`;
    const { before } = network;
    const refused = await runFetch([first], ['--no-private', ...resolve, '--json'], { before });
    expect(refused.code, refused.stderr).toBe(7);
    expect(refused.names).toEqual([]);
    expect(refused.stderr).toContain('--no-private refuses ');
    expect(jsonRecords(refused)).toMatchObject([
      { error_class: 'address', url_effective: url, num_redirects: 1, num_retries: 0 },
    ]);
    expect(await network.requests()).toEqual([`${PUBLIC}/a`]);
    // Without the option it is reached, so the network is not what kept it away.
    const followed = await runFetch([first], resolve, { before });
    expect(followed.code, followed.stderr).toBe(0);
    expect(await network.requests()).toContainEqual(
      expect.stringMatching(/^(10|127)\..*\/secret$/),
    );
  });
});
