import { describe, expect, it } from 'vitest';
import type { FailureGroup, FailureKind, JobStats, Outcome } from '../../src/job/outcome.ts';
import { failureText, planText, summaryLines } from '../../src/report/summary.ts';

const STATS: JobStats = {
  startedAtMs: 0,
  read: 1234,
  total: 1234,
  readAll: true,
  done: 1234,
  skipped: 0,
  failed: 0,
  mayPass: 0,
  retries: 0,
  sleeping: 0,
  unverified: 0,
  exitCode: 0,
  failures: new Map(),
};

function outcome(change: Partial<Outcome> = {}): Outcome {
  return {
    ...{ type: 'fail', source: 'urls.txt', line: 9, urlnum: 0, entry: '', url: 'http://a.test/x' },
    ...{ name: 'x', exitCode: 8, message: 'the server answered 404', retries: 0 },
    ...{ record: undefined, details: undefined, ...change },
  };
}

/** Stats with so many failures of each kind and host. */
function failed(...groups: [kind: FailureKind, host: string, count: number][]): JobStats {
  const failures = new Map<string, FailureGroup>(
    groups.map(([kind, host, count]) => [
      `${kind} ${host}`,
      { kind, host, count, example: outcome() },
    ]),
  );
  const sum = groups.reduce((total, [, , count]) => total + count, 0);
  return { ...STATS, failed: sum, mayPass: sum, exitCode: 8, failures };
}

describe('a failure', () => {
  it('has file, line, URL and message', () => {
    expect(failureText(outcome())).toBe('urls.txt:9: http://a.test/x: the server answered 404');
  });

  it('of an argument has no file', () => {
    expect(failureText(outcome({ source: undefined }))).toMatch(/^http:/);
  });

  it('cannot write on the terminal', () => {
    const evil = '\x1b]0;x\x07\r\n\u202e';
    const text = failureText(outcome({ source: evil, url: evil, message: evil }));
    expect(text).toMatch(/^[ -~]+$/);
  });
});

describe('the summary', () => {
  it('of a job without trouble is one line', () => {
    expect(summaryLines(STATS, 10 * 1024 ** 2, 5000, false)).toEqual([
      'mcurl: 1,234 files, 10.0 MiB in 5.0 s (2.00 MiB/s)',
    ]);
  });

  it('counts what was skipped, unverified and retried', () => {
    const stats = { ...STATS, skipped: 2, unverified: 1, retries: 1 };
    expect(summaryLines(stats, 0, 1000, false)[0]).toBe(
      'mcurl: 1,234 files, 0 B in 1.0 s (0 B/s); 2 skipped (exist); 1 unverified (no length told); 1 retry',
    );
    expect(summaryLines({ ...STATS, retries: 1200 }, 0, 0, false)[0]).toMatch(/; 1,200 retries$/);
  });

  it('groups failures by kind and host, the most frequent first, each with an example', () => {
    const stats = failed(['dns', 'http://b.test', 1], ['http', 'http://a.test', 2000]);
    expect(summaryLines(stats, 0, 1000, false).slice(1)).toEqual([
      '  2,000 x http at http://a.test, for example urls.txt:9: http://a.test/x: the server answered 404',
      '  1 x dns at http://b.test, for example urls.txt:9: http://a.test/x: the server answered 404',
      'mcurl: to try the failed ones once more, run the same command again; what is here is not fetched again',
    ]);
  });

  it('names twenty groups and counts the rest', () => {
    const stats = failed(
      ...Array.from({ length: 25 }, (_, index): [FailureKind, string, number] => [
        ...(['http', `http://h${index}.test`, 100 - index] as const),
      ]),
    );
    const lines = summaryLines(stats, 0, 1000, false);
    expect(lines.filter((line) => line.includes(' x http at '))).toHaveLength(20);
    expect(lines.at(-2)).toBe('  and 390 more of 5 other kinds or hosts');
  });

  const permanent = (...kinds: FailureKind[]) => ({
    ...failed(...kinds.map((kind): [FailureKind, string, number] => [kind, 'http://a.test', 1])),
    mayPass: 0,
  });
  it.each<[string, JobStats, boolean, string | undefined]>([
    ['nothing after success', STATS, false, undefined],
    ['how to continue after a signal', STATS, true, 'stopped; to continue, run the same command'],
    [
      'to try again what may pass',
      failed(['list', '', 1], ['dns', '', 1]),
      false,
      'once more, run',
    ],
    ['to correct the list', permanent('list'), false, 'correct the bad lines, then run'],
    ['to correct the list, whatever else is lost', permanent('http', 'list'), false, 'bad lines'],
    ['to see to the disk', permanent('local', 'list'), false, 'local trouble is over, run'],
    ['nothing where nothing helps', permanent('http', 'tls', 'auth'), false, undefined],
  ])('says what to do next: %s', (_, stats, wasStopped, words) => {
    const last = summaryLines(stats, 0, 1000, wasStopped).at(-1);
    if (words === undefined) expect(last).not.toContain('the same command');
    else expect(last).toContain(words);
  });
});

it.each([
  [false, 'http://a.test/\\x1b -> out/x\n'],
  [true, 'http://a.test/\\x1b -> out/x (exists)\n'],
])('a plan that exists: %s', (exists, text) => {
  const plan = { source: undefined, line: 1, url: 'http://a.test/\x1b', name: 'x', exists };
  expect(planText({ type: 'plan', ...plan }, 'out')).toBe(text);
});
