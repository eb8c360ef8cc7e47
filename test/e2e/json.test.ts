/** `--json`: curl's names and units, one record an outcome, nothing else on stdout. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { useOrigin } from '../support/origin.ts';
import { jsonRecords, runCli, runFetch } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

/** `curl -w '%{json}'` of a URL. */
async function curlRecord(url: string, ...args: string[]): Promise<Record<string, unknown>> {
  const options = ['-sS', '-L', '-w', '%{json}', '-o', '/dev/null', ...args, url];
  const env = { PATH: process.env['PATH'] };
  const failed = (error: { stdout?: string }) => ({ stdout: error.stdout ?? '' });
  const { stdout } = await promisify(execFile)('curl', options, { env }).catch(failed);
  return JSON.parse(stdout);
}

const SAME = [
  'url',
  'url_effective',
  'urlnum',
  'http_code',
  'response_code',
  'exitcode',
  'size_download',
  'num_redirects',
  'num_connects',
  'http_version',
  'remote_ip',
  'remote_port',
  'method',
  'content_type',
];

const TIMES = [
  'time_namelookup',
  'time_connect',
  'time_appconnect',
  'time_pretransfer',
  'time_starttransfer',
  'time_redirect',
  'time_total',
];

describe('a record', () => {
  const typed = `header=${encodeURIComponent('Content-Type: text/x-odd; charset=utf-8')}`;

  it.each([
    ['a whole file', `/a?size=12345&${typed}`],
    ['a redirect', `/a?to=${encodeURIComponent('/b?size=9')}`],
    ['an empty file', '/a?size=0'],
    ['chunks', '/a?chunked&size=70000'],
    ['a delay', '/a?delay=120&trickle=30&piece=256'],
  ])('agrees with curl -w about %s', async (_, path) => {
    const origin = await useOrigin();
    const url = origin.url(path);
    const [record] = jsonRecords(await runFetch([url], ['--json']));
    const theirs = await curlRecord(url);
    for (const name of SAME) expect([name, record?.[name]]).toEqual([name, theirs[name]]);
    expect(String(record?.['scheme']).toLowerCase()).toBe(String(theirs['scheme']).toLowerCase());
    for (const name of TIMES) {
      const [ours, other] = [Number(record?.[name]), Number(theirs[name])];
      expect(record?.[name], name).toBeTypeOf('number');
      // Seconds with microseconds, in the same order of magnitude: a millisecond or a second would stand out.
      expect(Math.abs(ours - other), `${name}: ${ours}, curl ${other}`).toBeLessThan(0.5);
    }
    expect(record).toMatchObject({
      type: 'done',
      line: 1,
      filename_effective: 'out/a',
      num_retries: 0,
      errormsg: null,
    });
  });

  it('has times that grow in curl’s order, from queue to total', async () => {
    const { server, caFile } = makeCertificates(useTmp());
    const origin = await useOrigin({ tls: server });
    const url = origin.url('/a?delay=200');
    const [record] = jsonRecords(await runFetch([url], ['--json', '--cacert', caFile]));
    const theirs = await curlRecord(url, '--cacert', caFile);
    const order = TIMES.filter((name) => name !== 'time_redirect').map((name) =>
      Number(record?.[name]),
    );
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(Number(record?.['time_appconnect'])).toBeGreaterThan(Number(record?.['time_connect']));
    expect(Number(record?.['time_starttransfer'])).toBeGreaterThan(0.2);
    expect(theirs['http_code']).toBe(record?.['http_code']);
  });

  it.each([
    [
      'an error of the server',
      '/a?status=404',
      { http_code: 404, error_class: 'http', exitcode: 22 },
    ],
    ['a truncated body', '/a?cut=10', { exitcode: 18, error_class: 'truncated', http_code: 200 }],
    ['no answer', '/a?cut=head', { exitcode: 52, http_code: 0 }],
  ])('of a failure has curl’s exit code: %s', async (_, path, expected) => {
    const origin = await useOrigin();
    const [record] = jsonRecords(await runFetch([origin.url(path)], ['--json', '--retry', '0']));
    expect(record).toMatchObject({ type: 'fail', line: 1, ...expected });
    expect(record?.['errormsg']).toBeTypeOf('string');
  });
});

describe('the stream', () => {
  it('has one line for each outcome: done, skip and fail, with line and source', async () => {
    const origin = await useOrigin();
    const cwd = useTmp();
    mkdirSync(join(cwd, 'out'));
    writeFileSync(join(cwd, 'out/b'), 'old');
    const lines = ['# comment', origin.url('/a'), origin.url('/b'), origin.url('/c?status=404')];
    const result = await runFetch(lines, ['--json'], { cwd });
    const records = jsonRecords(result).sort((x, y) => x.line - y.line);
    expect(records).toMatchObject([
      { type: 'done', line: 2, source: 'list.txt', urlnum: 0 },
      { type: 'skip', line: 3, source: 'list.txt', reason: 'exists', filename_effective: 'out/b' },
      { type: 'fail', line: 4, source: 'list.txt' },
    ]);
  });

  it('counts retries', async () => {
    const origin = await useOrigin();
    const result = await runFetch([origin.url('/a?reset=head&times=1')], ['--json']);
    expect(jsonRecords(result)).toMatchObject([{ type: 'done', num_retries: 1 }]);
  });

  it('is JSON whatever the server says', async () => {
    const header = encodeURIComponent('Content-Type: "\\\u00ff\u00fe\t\u001b[31m\\u0000');
    const origin = await useOrigin();
    const result = await runFetch([origin.url(`/%22%5C%ff?header=${header}`)], ['--json']);
    expect(result.code, result.stderr).toBe(0);
    expect(jsonRecords(result)).toHaveLength(1);
  });

  it('of many outcomes is whole', async () => {
    const origin = await useOrigin();
    const lines = Array.from({ length: 2000 }, (_, index) => origin.url(`/f${index}?size=10`));
    const result = await runFetch(lines, ['--json']);
    expect(result.code, result.stderr).toBe(0);
    const seen = new Set(jsonRecords(result).map(({ line }) => line));
    expect(seen.size).toBe(2000);
  });

  it('is plans with --dry-run', async () => {
    const result = await runCli([
      'fetch',
      'http://127.0.0.1:1/a',
      '--dry-run',
      '--json',
      '-d',
      'out',
    ]);
    expect(result.code, result.stderr).toBe(0);
    expect(jsonRecords(result)).toMatchObject([
      { type: 'plan', line: 1, url: 'http://127.0.0.1:1/a', filename_effective: 'out/a' },
    ]);
  });
});
