import { describe, expect, it } from 'vitest';
import type { JournalStatus } from '../../src/job/journal-status.ts';
import { statusLine, statusText } from '../../src/report/status.ts';

const status: JournalStatus = {
  path: 'out/.mcurl-journal',
  done: 1_234_567,
  failed: 3,
  open: 20,
  bytes: 5_000_000_000,
  badLines: 0,
  exitCode: 4,
  hosts: [
    { host: 'https://a.example', done: 1_234_567, failed: 1, open: 20, bytes: 5_000_000_000 },
    { host: 'http://b:8080', done: 0, failed: 2, open: 0, bytes: 0 },
  ],
  failures: [
    { kind: 'network', host: 'http://b:8080', count: 2, code: 4, message: 'reset' },
    { kind: 'http', host: 'https://a.example', count: 1, code: 8, message: 'HTTP 404 \x1b[31m"x"' },
  ],
};
const none: JournalStatus = { ...status, done: 0, failed: 0, open: 0, hosts: [], failures: [] };

describe('statusText', () => {
  it('is a sentence, a table by host, and the failures', () => {
    expect(
      statusText(status),
    ).toBe(`out/.mcurl-journal: 1,234,590 entries: 1,234,567 done (4.66 GiB), 3 failed, 20 open

host                    done  failed  open      size
https://a.example  1,234,567       1    20  4.66 GiB
http://b:8080              0       2     0       0 B

Failed:
  2 x network at http://b:8080, for example reset
  1 x http at https://a.example, for example HTTP 404 \\x1b[31m"x"
`);
  });

  it('is one line when nothing was planned, and says what could not be read', () => {
    expect(statusText({ ...none, bytes: 0 })).toBe(
      'out/.mcurl-journal: 0 entries: 0 done (0 B), 0 failed, 0 open\n',
    );
    expect(statusText({ ...none, done: 1, badLines: 2 })).toMatch(
      /1 entry: .*\n\n2 lines made no sense/,
    );
  });

  it('keeps to a screen', () => {
    const many = <Item>(item: Item): Item[] => Array.from({ length: 30 }, () => item);
    const [host, failure] = [status.hosts[0], status.failures[0]];
    if (host === undefined || failure === undefined) throw new Error('unreachable');
    const text = statusText({ ...status, hosts: many(host), failures: many(failure) });
    expect(text).toContain('and 10 more hosts');
    expect(text).toContain('and 10 more kinds');
    expect(text.split('\n').length).toBeLessThan(50);
  });
});

it('statusLine is one line of JSON that tells all', () => {
  const line = statusLine(status);
  expect(line).toMatch(/^[ -~]*\n$/);
  expect(JSON.parse(line)).toEqual({
    type: 'status',
    journal: 'out/.mcurl-journal',
    done: 1_234_567,
    failed: 3,
    open: 20,
    bytes: 5_000_000_000,
    bad_lines: 0,
    exit_code: 4,
    hosts: status.hosts,
    failures: status.failures.map(({ kind, host, count, code, message }) => ({
      error_class: kind,
      host,
      count,
      exit_code: code,
      errormsg: message,
    })),
  });
});
