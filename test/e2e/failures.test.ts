/** Every fault a server can have fails its own target, with the right exit code, and leaves no final name. */

import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { content, useOrigin } from '../support/origin.ts';
import { jsonRecords, runFetch } from '../support/run-cli.ts';

/** Fetches `url` between two good targets; the good ones must arrive. */
async function fetchBetween(url: string, args: readonly string[] = []) {
  const good = await useOrigin();
  const lines = [good.url('/first'), url, good.url('/last')];
  const result = await runFetch(lines, ['--retry', '0', ...args]);
  for (const path of ['/first', '/last']) {
    expect(readFileSync(join(result.out, path)).equals(content(path)), result.stderr).toBe(true);
  }
  return { ...result, names: result.names.filter((name) => name !== 'first' && name !== 'last') };
}

describe('a connection fault', () => {
  it.each([
    ['a body shorter than its length', 'cut=500', 4],
    ['a large body shorter than its length', 'size=1000000&cut=900000', 4],
    ['chunks that end early', 'chunked&cut=500', 4],
    ['chunks that end early in a large body', 'chunked&size=1000000&cut=900000', 4],
    ['a broken chunk', 'bad-chunk=500', 4],
    ['no answer at all', 'cut=head', 4],
    ['a reset before the answer', 'reset=head', 4],
    ['a reset in the body', 'size=1000000&reset=500000', 4],
    ['a reset in a body of unknown length', 'eof&size=1000000&reset=500000', 4],
  ])('%s', async (_, query, exitCode) => {
    const origin = await useOrigin();
    const { code, stderr, names } = await fetchBetween(origin.url(`/bad?${query}`));
    expect(code, stderr).toBe(exitCode);
    expect(stderr).toMatch(/list\.txt:2: .*\/bad/);
    expect(names).not.toContain('bad');
    expect(origin.requests).toHaveLength(1);
  });

  it('a port where nobody listens', async () => {
    const { code, stderr } = await fetchBetween(`http://127.0.0.1:${await freePort()}/bad`);
    expect(code, stderr).toBe(4);
    expect(stderr).toMatch(/list\.txt:2: .*\/bad/);
  });

  it('a host without address', async () => {
    // Longer than any label of a name may be, so that no name server is asked.
    const { code, stderr } = await fetchBetween(`http://${'a'.repeat(64)}.test/bad`);
    expect(code, stderr).toBe(4);
  });
});

describe('a server that takes its time', () => {
  it.each([
    ['never answers', 'stall=head', ['-y', '2']],
    ['stops in the body', 'stall=500', ['-y', '2']],
    ['sends less than the limit', 'size=100000&trickle=100&piece=10', ['-y', '2', '-Y', '1000']],
    ['never answers, by -m', 'stall=head', ['-m', '2']],
    ['never ends, by -m', 'endless=body&trickle=10', ['-m', '2']],
    ['never ends its headers', 'endless=head', []],
  ])('%s', async (_, query, args) => {
    const origin = await useOrigin();
    const { code, stderr, names } = await fetchBetween(origin.url(`/bad?${query}`), args);
    expect([4, 7], stderr).toContain(code);
    expect(names).not.toContain('bad');
  });

  it('never finishes its TLS handshake: --connect-timeout', async () => {
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    onTestFinished(() => {
      mute.close();
    });
    const { port } = mute.address() as { port: number };
    const { code, stderr } = await fetchBetween(`https://127.0.0.1:${port}/bad`, [
      '--connect-timeout',
      '1',
    ]);
    expect(code, stderr).toBe(4);
  });

  it('is not called stalled while it sends enough, nor with -y 0', async () => {
    const origin = await useOrigin();
    const slow = '/slow?size=3000&trickle=150&piece=200';
    const { code, stderr, out } = await runFetch([origin.url(slow)], ['-y', '1', '-Y', '100']);
    expect(code, stderr).toBe(0);
    expect(readFileSync(join(out, 'slow')).equals(content('/slow', 3000))).toBe(true);
    const patient = await runFetch([origin.url('/b?delay=1500')], ['-y', '0']);
    expect(patient.code, patient.stderr).toBe(0);
  });
});

describe('an answer that is an error', () => {
  it.each([
    [400, 8],
    [401, 6],
    [403, 8],
    [404, 8],
    [407, 6],
    [410, 8],
    [500, 8],
    [501, 8],
    [503, 8],
    [599, 8],
  ])('%i', async (status, exitCode) => {
    const origin = await useOrigin();
    const { code, stderr, names } = await fetchBetween(origin.url(`/bad?status=${status}`));
    expect(code, stderr).toBe(exitCode);
    expect(stderr).toMatch(new RegExp(`list\\.txt:2: .*${status}`));
    expect(names).toEqual([]);
  });
});

describe('an answer that is none', () => {
  it.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
    ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: 6badness\r\n\r\nhello!'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -6\r\n\r\nhello!'],
    [
      'a header without a colon',
      'HTTP/1.1 200 OK\r\nhello world\r\nContent-Length: 5\r\n\r\nhello',
    ],
    [
      'a chunk size beyond all numbers',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\nhello\r\n0\r\n\r\n',
    ],
    [
      'a negative chunk size',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n',
    ],
  ])('%s', async (_, answer) => {
    const origin = await useOrigin({ answers: { '/bad': answer } });
    const { code, stderr, names } = await fetchBetween(origin.url('/bad'));
    expect([4, 7], stderr).toContain(code);
    expect(names).not.toContain('bad');
  });

  it('a header of 100 kB is taken, ten times that is not', async () => {
    const header = (size: number) =>
      `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(size)}\r\nContent-Length: 5\r\n\r\nhello`;
    const origin = await useOrigin({
      answers: { '/good': header(90_000), '/bad': header(1_000_000) },
    });
    const { code, stderr, names } = await fetchBetween(origin.url('/bad'));
    expect([4, 7], stderr).toContain(code);
    expect(names).toEqual([]);
    const good = await runFetch([origin.url('/good')]);
    expect(good.code, good.stderr).toBe(0);
  });

  it('control characters of a server never reach the terminal, the log or a record', async () => {
    const evil = '\x1b]0;owned\x07\x9b31m';
    const answer = `HTTP/1.1 500 ${evil}\r\nContent-Type: ${evil}\r\nContent-Length: 0\r\n\r\n`;
    const origin = await useOrigin({
      answers: { '/bad': answer, '/worse': `HTTP/9 ${evil}\r\n\r\n` },
    });
    const args = ['--json', '--retry', '0', '-v', '--log-level', 'trace'];
    const { code, stdout, stderr } = await runFetch(
      [origin.url('/bad'), origin.url('/worse')],
      args,
    );
    expect(code, stderr).toBeGreaterThanOrEqual(4);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(stdout + stderr).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
  });
});

describe('answers that look odd and are whole', () => {
  it.each([
    ['empty', 'size=0', Buffer.alloc(0)],
    ['chunked', 'chunked&size=300000', content('/odd', 300_000)],
    ['gzip that nobody asked for, kept as it came', 'gzip=always', gzipSync(content('/odd'))],
  ])('%s', async (_, query, body) => {
    const origin = await useOrigin();
    const { code, stderr, out } = await runFetch([origin.url(`/odd?${query}`)]);
    expect(code, stderr).toBe(0);
    expect(readFileSync(join(out, 'odd')).equals(body)).toBe(true);
  });

  it('an interim answer comes first', async () => {
    const answer =
      'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
    const origin = await useOrigin({ answers: { '/odd': answer } });
    const { code, stderr, out } = await runFetch([origin.url('/odd')]);
    expect(code, stderr).toBe(0);
    expect(readFileSync(join(out, 'odd'), 'utf8')).toBe('hello');
  });

  it.each([
    ['small', 1000],
    ['large', 1_000_000],
  ])(
    'a %s body whose length nothing tells is published, and counted as unverified',
    async (_, size) => {
      const origin = await useOrigin();
      const lines = [origin.url(`/odd?eof&size=${size}`), origin.url('/even')];
      const { code, stdout, stderr, out } = await runFetch(lines, ['--json']);
      expect(code, stderr).toBe(0);
      expect(readFileSync(join(out, 'odd')).equals(content('/odd', size))).toBe(true);
      expect(stderr).toMatch(/1 [^\n]*unverified|unverified[^\n]* 1\b/);
      expect(stdout.match(/"unverified":true/g)).toHaveLength(1);
    },
  );

  it('a kept connection that dies as it is used again costs no retry', async () => {
    const origin = await useOrigin();
    const lines = Array.from({ length: 20 }, (_, index) => origin.url(`/f${index}?stale`));
    const { code, stderr, names } = await runFetch(lines, ['--retry', '0', '--max-per-host', '1']);
    expect(code, stderr).toBe(0);
    expect(names).toHaveLength(20);
    expect(origin.requests.some(({ requestOnConnection }) => requestOnConnection > 1)).toBe(true);
  });

  it('connections that end, unannounced, after a few answers', async () => {
    const origin = await useOrigin({ requestsPerConnection: 3 });
    const lines = Array.from({ length: 100 }, (_, index) => origin.url(`/f${index}`));
    const { code, stderr, out, names } = await runFetch(lines, ['--retry', '0']);
    expect(code, stderr).toBe(0);
    expect(names).toHaveLength(100);
    for (const name of names) {
      expect(readFileSync(join(out, name)).equals(content(`/${name}`))).toBe(true);
    }
  });
});

describe('too few file descriptors', () => {
  it('are told by targets that get none, and do not end the job', async () => {
    const origin = await useOrigin();
    const lines = Array.from({ length: 200 }, (_, index) => origin.url(`/f${index}?delay=300`));
    const args = ['-j', '200', '--max-per-host', '200', '--retry', '0', '--json'];
    const result = await runFetch(lines, args, { before: 'ulimit -n 80' });
    const failed = jsonRecords(result).filter(({ type }) => type === 'fail');
    expect(result.code, result.stderr).toBe(failed.length > 0 ? 3 : 0);
    for (const { errormsg } of failed) expect(errormsg).toMatch(/too many open files/i);
    expect(result.names).toHaveLength(lines.length - failed.length);
    expect(result.names.length).toBeGreaterThan(40);
  });
});

describe('many failures', () => {
  it('are grouped by kind and host in the summary, with one example each', async () => {
    const origin = await useOrigin();
    const dead = `http://127.0.0.1:${await freePort()}`;
    const lines = [
      ...Array.from({ length: 30 }, (_, index) => origin.url(`/m${index}?status=404`)),
      ...Array.from({ length: 10 }, (_, index) => `${dead}/d${index}`),
      origin.url('/good'),
    ];
    const { code, stderr, out } = await runFetch(lines, ['--retry', '0', '-s', '-S']);
    expect(code, stderr).toBe(4);
    expect(existsSync(join(out, 'good'))).toBe(true);
    const summary = await runFetch(lines, ['--retry', '0']);
    const last = summary.stderr.trimEnd().split('\n').slice(-12).join('\n');
    expect(last).toMatch(
      new RegExp(`30 .*127\\.0\\.0\\.1:${origin.port}|127\\.0\\.0\\.1:${origin.port}.*\\b30\\b`),
    );
    expect(last).toMatch(/\b10\b/);
  });
});
