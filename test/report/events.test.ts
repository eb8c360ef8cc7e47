import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/job/outcome.ts';
import { RECORD_FIELDS, RECORD_FLAG, type RecordField } from '../../src/native/binding.ts';
import { outcomeLine, planLine } from '../../src/report/events.ts';

const NO_TEXTS = { version: '', digest: '', contentDisposition: '' };
const TS = '2026-01-02T03:04:05.678Z';

function record(values: Partial<Record<RecordField, number>> = {}) {
  const zeros = Object.fromEntries(RECORD_FIELDS.map((field) => [field, 0]));
  return { ...(zeros as Record<RecordField, number>), ...values };
}

const DONE: Outcome = {
  type: 'done',
  source: 'urls.txt',
  line: 7,
  urlnum: 6,
  entry: 'https://a.test/x',
  url: 'https://a.test/x',
  name: 'x',
  exitCode: 0,
  retries: 1,
  record: record({
    responseCode: 200,
    sizeDelivered: 2048,
    sizeDownload: 1024,
    numConnects: 1,
    numRedirects: 2,
    httpVersion: 3,
    remotePort: 443,
    timeQueueUs: 1,
    timeNamelookupUs: 999,
    timeConnectUs: 1000,
    timeAppconnectUs: 12_345,
    timePretransferUs: 1_000_000,
    timeStarttransferUs: 1_000_001,
    timeTotalUs: 3_661_123_456,
  }),
  details: {
    ...NO_TEXTS,
    urlEffective: 'HTTPS://b.test/y',
    remoteIp: '::1',
    contentType: 'text/plain; charset="utf-8"',
    error: '',
  },
};

const FAIL: Outcome = {
  ...{ type: 'fail', source: undefined, line: 1, urlnum: 0, entry: 'x', url: 'x' },
  ...{ name: undefined, kind: 'list', exitCode: 2, message: 'no "URL"', retries: 0 },
  ...{ record: undefined, details: undefined },
};

function lineOf(outcome: Outcome, directory = '.'): Record<string, unknown> {
  const line = outcomeLine(outcome, directory, TS);
  expect(line.endsWith('}\n') && line.indexOf('\n') === line.length - 1).toBe(true);
  return JSON.parse(line);
}

it('of a whole file has curl’s names and units', () => {
  expect(lineOf(DONE)).toEqual({
    type: 'done',
    ts: TS,
    line: 7,
    source: 'urls.txt',
    url: 'https://a.test/x',
    url_effective: 'HTTPS://b.test/y',
    urlnum: 6,
    filename_effective: 'x',
    http_code: 200,
    response_code: 200,
    exitcode: 0,
    errormsg: null,
    error_class: null,
    reason: null,
    unverified: false,
    num_retries: 1,
    size_download: 1024,
    size_delivered: 2048,
    speed_download: 0,
    num_redirects: 2,
    num_connects: 1,
    http_version: '2',
    remote_ip: '::1',
    remote_port: 443,
    scheme: 'HTTPS',
    method: 'GET',
    content_type: 'text/plain; charset="utf-8"',
    time_queue: 0.000001,
    time_namelookup: 0.000999,
    time_connect: 0.001,
    time_appconnect: 0.012345,
    time_pretransfer: 1,
    time_starttransfer: 1.000001,
    time_redirect: 0,
    time_total: 3661.123456,
    resumed_from: 0,
    digest: null,
  });
});

it('writes times with 6 decimals', () => {
  const line = outcomeLine(DONE, '.', TS);
  expect(line).toContain('"time_queue":0.000001,');
  expect(line).toContain('"time_redirect":0.000000,');
  expect(line).toContain('"time_total":3661.123456,');
});

it('has the same fields, null where no transfer ran', () => {
  const failed = lineOf(FAIL);
  expect(Object.keys(failed)).toEqual(Object.keys(lineOf(DONE)));
  expect(failed).toMatchObject({
    ...{ type: 'fail', source: null, errormsg: 'no "URL"', error_class: 'list', exitcode: 3 },
    ...{ url_effective: null, filename_effective: null, http_code: null, time_total: null },
  });
});

it.each([
  ['.', 'x'],
  ['out', 'out/x'],
  ['out/', 'out/x'],
  ['/a/b', '/a/b/x'],
])('in directory %s the file is %s', (directory, path) => {
  expect(lineOf(DONE, directory)).toMatchObject({ filename_effective: path });
});

it('tells a skip’s reason, and no error', () => {
  const skip: Outcome = { ...DONE, type: 'skip', skipReason: 'exists', details: undefined };
  expect(lineOf(skip)).toMatchObject({
    ...{ type: 'skip', reason: 'exists', exitcode: 0, errormsg: null },
    ...{ url_effective: 'https://a.test/x', content_type: null, remote_ip: null },
  });
});

it('marks what could not be verified', () => {
  const flags = RECORD_FLAG.unverified;
  expect(lineOf({ ...DONE, record: record({ flags }) })).toMatchObject({ unverified: true });
  const other = { ...DONE, record: record({ flags: RECORD_FLAG.freshRetry }) };
  expect(lineOf(other)).toMatchObject({ unverified: false });
});

describe('exitcode', () => {
  it.each([
    ['libcurl’s own', 'truncated', 18, 18],
    ['22 for an error of the server', 'http', 0, 22],
    ['22 for a refused login', 'auth', 0, 22],
    ['23 for local trouble', 'local', 0, 23],
    ['47 for a refused redirect', 'redirect', 0, 47],
    ['42 for what mcurl ended', 'interrupted', 0, 42],
  ] as const)('is %s', (_, kind, result, exitcode) => {
    expect(lineOf({ ...FAIL, kind, record: record({ result }) })).toMatchObject({ exitcode });
  });
});

it('is one harmless line whatever the server says', () => {
  const evil = '\x1b[31m"\\\n\r\0\x9b\u202e\ud800\u2028';
  const details = {
    ...NO_TEXTS,
    ...{ urlEffective: evil, remoteIp: evil, contentType: evil, error: evil },
  };
  const outcome = { ...FAIL, url: evil, name: evil, message: evil, source: evil, details };
  const line = outcomeLine({ ...outcome, record: record() }, evil, TS);
  expect(line).toMatch(/^[ -~]+\n$/);
  expect(JSON.parse(line)).toMatchObject({ url: evil, errormsg: evil, content_type: evil });
});

it('a plan has line, source, URL and path', () => {
  const plan = { source: 'l', line: 3, url: 'http://a.test/"', name: 'a', exists: true };
  expect(JSON.parse(planLine({ type: 'plan', ...plan }, 'out'))).toEqual({
    ...{ type: 'plan', line: 3, source: 'l', url: 'http://a.test/"' },
    ...{ filename_effective: 'out/a', exists: true },
  });
});
