/** What is tried again, how often and when; and what must not be. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { content, type Origin, useOrigin } from '../support/origin.ts';
import { jsonRecords, runFetch, startFetch } from '../support/run-cli.ts';

function timesAsked(origin: Origin, path: string): number {
  return origin.requests.filter((request) => request.path === path).length;
}

describe('tried again by default', () => {
  const STATUSES = [408, 425, 429, 500, 502, 503, 504, 522, 524];
  const FAULTS = [
    'reset=head',
    'cut=500',
    'cut=head',
    'bad-chunk=100',
    'chunked&cut=10',
    'stall=10',
  ];

  it('every passing error and every broken transfer, until it is whole', async () => {
    const origin = await useOrigin();
    const paths = [
      ...STATUSES.map((status) => `/s${status}?times=1&status=${status}`),
      ...FAULTS.map((fault, index) => `/f${index}?times=1&${fault}`),
    ];
    const { code, stderr, out, names } = await runFetch(
      paths.map((path) => origin.url(path)),
      ['-y', '1'],
    );
    expect(code, stderr).toBe(0);
    expect(names).toHaveLength(STATUSES.length + FAULTS.length);
    for (const name of names) {
      expect(readFileSync(join(out, name)).equals(content(`/${name}`)), name).toBe(true);
      expect(timesAsked(origin, `/${name}`), name).toBe(2);
    }
  });

  it('a server that is not there yet', async () => {
    const port = await freePort();
    const run = startFetch([`http://127.0.0.1:${port}/a`], ['-v', '--retry', '20']);
    await run.said(/refused/i);
    const origin = await useOrigin({ port });
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(0);
    expect(timesAsked(origin, '/a')).toBe(1);
  });

  it.each([400, 401, 403, 404, 405, 410, 451, 501, 505])('but not %i', async (status) => {
    const origin = await useOrigin();
    const { code } = await runFetch([origin.url(`/a?status=${status}`)]);
    expect(code).not.toBe(0);
    expect(timesAsked(origin, '/a')).toBe(1);
  });
});

describe('--retry', () => {
  it('counts the attempts after the first', async () => {
    const origin = await useOrigin();
    const result = await runFetch([origin.url('/a?status=503')], ['--retry', '2', '--json']);
    expect(result.code, result.stderr).toBe(8);
    expect(timesAsked(origin, '/a')).toBe(3);
    expect(jsonRecords(result)).toMatchObject([{ type: 'fail', num_retries: 2, http_code: 503 }]);
  });

  it('0 turns them off', async () => {
    // An origin each: on a connection that served another before, a reset is tried once more for free.
    const [origin, other] = [await useOrigin(), await useOrigin()];
    await runFetch([origin.url('/a?status=503'), other.url('/b?reset=head')], ['--retry', '0']);
    expect([timesAsked(origin, '/a'), timesAsked(other, '/b')]).toEqual([1, 1]);
  });

  it('counts anew after a mebibyte of progress', async () => {
    const origin = await useOrigin();
    const url = origin.url('/a?size=2000000&cut=1500000&times=3');
    const { code, stderr, out } = await runFetch([url], ['--retry', '1']);
    expect(code, stderr).toBe(0);
    expect(timesAsked(origin, '/a')).toBe(4);
    expect(readFileSync(join(out, 'a')).equals(content('/a', 2_000_000))).toBe(true);
  });

  it('refuses what is no number', async () => {
    const { code, stderr } = await runFetch(['http://127.0.0.1/'], ['--retry', 'often']);
    expect(code, stderr).toBe(2);
    expect(stderr).toContain('often');
  });
});

describe('--retry-on', () => {
  it('replaces the default', async () => {
    const [origin, other] = [await useOrigin(), await useOrigin()];
    const lines = ['/a?status=404', '/b?status=503'].map((path) => origin.url(path));
    lines.push(other.url('/c?reset=head'));
    const { code, stderr } = await runFetch(lines, ['--retry', '1', '--retry-on', '404']);
    expect(code, stderr).toBe(4);
    expect(['/a', '/b'].map((path) => timesAsked(origin, path))).toEqual([2, 1]);
    expect(timesAsked(other, '/c')).toBe(1);
  });

  it('takes a whole class of codes, and kinds of broken transfers', async () => {
    const origin = await useOrigin();
    const lines = ['/a?status=404', '/b?status=507', '/c?cut=10', '/d?stall=10'].map((path) =>
      origin.url(path),
    );
    const args = ['--retry', '1', '-y', '1', '--retry-on', '5xx,truncated'];
    await runFetch(lines, args);
    expect(['/a', '/b', '/c', '/d'].map((path) => timesAsked(origin, path))).toEqual([1, 2, 2, 1]);
  });

  it('refuses other words', async () => {
    const { code, stderr } = await runFetch(['http://127.0.0.1/'], ['--retry-on', 'sunday']);
    expect(code, stderr).toBe(2);
    expect(stderr).toContain('sunday');
  });
});

describe('Retry-After', () => {
  it.each(['2', 'date+3'])('(%s) pauses the whole host and no other', async (value) => {
    const origin = await useOrigin();
    const other = await useOrigin();
    const lines = [
      origin.url(`/a?status=429&times=1&retry-after=${encodeURIComponent(value)}`),
      ...Array.from({ length: 60 }, (_, index) => origin.url(`/f${index}?delay=20`)),
      other.url('/b'),
    ];
    const { code, stderr, names } = await runFetch(lines, ['--max-per-host', '1']);
    expect(code, stderr).toBe(0);
    expect(names).toHaveLength(lines.length);
    const [first, ...later] = origin.requests;
    const afterMs = later.map(({ arrivedAtMs }) => arrivedAtMs - (first?.endedAtMs ?? 0));
    // What was under way, or about to begin while the answer was read, may still end.
    expect(afterMs.filter((ms) => ms > 100 && ms < 1900)).toEqual([]);
    expect(afterMs.filter((ms) => ms >= 1900).length).toBeGreaterThan(50);
    expect(other.requests[0]?.arrivedAtMs).toBeLessThan((first?.endedAtMs ?? 0) + 1900);
  });

  it.each([
    ['seconds', '86400'],
    ['a date', 'date+86400'],
    ['a number beyond all bounds', '9999999999'],
  ])('beyond the budget (%s) fails now and says so', async (_, value) => {
    const origin = await useOrigin();
    const url = origin.url(`/a?status=503&retry-after=${encodeURIComponent(value)}`);
    const { code, stderr } = await runFetch([url]);
    expect(code, stderr).toBe(8);
    expect(stderr).toMatch(/retry-after/i);
    expect(timesAsked(origin, '/a')).toBe(1);
  });

  it.each(['soon', '-5', 'Thu, 01 Jan 1970 00:00:00 GMT'])(
    'that is no time ahead (%s) is ignored',
    async (value) => {
      const origin = await useOrigin();
      const url = origin.url(`/a?status=503&times=1&retry-after=${encodeURIComponent(value)}`);
      const { code, stderr } = await runFetch([url]);
      expect(code, stderr).toBe(0);
      expect(timesAsked(origin, '/a')).toBe(2);
    },
  );
});

describe('a sleeping retry', () => {
  it('that is the last of the job neither ends nor hangs it', async () => {
    const origin = await useOrigin();
    const url = origin.url('/a?status=503&times=2&retry-after=1');
    const { code, stderr, names } = await runFetch([url]);
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['a']);
  });

  it('holds no connection slot', async () => {
    const slow = await useOrigin();
    const other = await useOrigin();
    const lines = [
      slow.url('/a?status=503&times=1&retry-after=2'),
      ...['/b', '/c', '/d'].map((path) => other.url(path)),
    ];
    const { code, stderr } = await runFetch(lines, ['-j', '1']);
    expect(code, stderr).toBe(0);
    const secondAsked = slow.requests[1]?.arrivedAtMs ?? 0;
    expect(other.requests).toHaveLength(3);
    for (const { endedAtMs } of other.requests) expect(endedAtMs).toBeLessThan(secondAsked);
  });

  it('ends at once when the user stops the job', async () => {
    const origin = await useOrigin();
    const url = origin.url('/a?status=503&retry-after=300');
    const run = startFetch([url], ['--log-level', 'debug']);
    await run.said(/503/);
    run.child.kill('SIGINT');
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(130);
  });
});

describe('-m', () => {
  it('covers the retries of a target', async () => {
    const origin = await useOrigin();
    const startedMs = performance.now();
    const { code, stderr } = await runFetch(
      [origin.url('/a?status=503&retry-after=1')],
      ['-m', '3', '--retry', '100'],
    );
    expect(code, stderr).not.toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(8000);
    expect(timesAsked(origin, '/a')).toBeGreaterThan(1);
    expect(timesAsked(origin, '/a')).toBeLessThan(5);
  });
});
