import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readJournalStatus } from '../../src/job/journal-status.ts';
import { useTmp } from '../support/tmp.ts';
import { openAt, RUN } from './open-journal.ts';

function journalFile(...lines: readonly object[]): string {
  const path = join(useTmp(), 'journal');
  writeFileSync(path, [RUN, ...lines].map((line) => `${JSON.stringify(line)}\n`).join(''));
  return path;
}

const plan = (serial: number, entry: string) => ({ plan: serial, entry, name: 'x' });
const done = (serial: number, size: number) => ({ done: serial, size });
const fail = (serial: number, kind: string, code: number, message: string) => ({
  fail: serial,
  kind,
  code,
  message,
});

describe('readJournalStatus', () => {
  it('counts the latest word on each entry, by host and kind', async () => {
    const path = journalFile(
      plan(0, 'http://a/0'),
      plan(1, 'http://a/1'),
      plan(2, 'https://u:p@ss@a:8443/2?@/'),
      plan(3, 'http://a/3\thttp://b/3\n out=y'),
      plan(4, 'http://c/'),
      plan(5, 'http://c/'),
      fail(0, 'http', 8, 'HTTP 500'),
      done(1, 10),
      fail(2, 'tls', 5, 'certificate'),
      done(0, 5),
      fail(3, 'http', 8, 'HTTP 404'),
      { began: 1, name: 'x', version: '', total: 3 },
      fail(4, 'http', 8, 'HTTP 404'),
      fail(5, 'http', 8, 'HTTP 410'),
      done(4, 2 ** 40),
      fail(9, 'http', 1, 'of no entry'),
    );
    expect(await readJournalStatus(path)).toEqual({
      path,
      done: 2,
      failed: 3,
      open: 1,
      bytes: 5 + 2 ** 40,
      badLines: 0,
      exitCode: 5,
      hosts: [
        { host: 'http://a', done: 1, failed: 1, open: 1, bytes: 5 },
        { host: 'http://c', done: 1, failed: 1, open: 0, bytes: 2 ** 40 },
        { host: 'https://a:8443', done: 0, failed: 1, open: 0, bytes: 0 },
      ],
      failures: [
        { kind: 'http', host: 'http://a', count: 1, code: 8, message: 'HTTP 404' },
        { kind: 'tls', host: 'https://a:8443', count: 1, code: 5, message: 'certificate' },
        { kind: 'http', host: 'http://c', count: 1, code: 8, message: '' },
      ],
    });
  });

  it.each<[string, object[], number]>([
    ['nothing', [], 0],
    ['all done', [plan(0, 'http://a/'), done(0, 0)], 0],
    ['one open', [plan(0, 'http://a/')], 8],
    ['one failed', [plan(0, 'http://a/'), fail(0, 'network', 4, '')], 4],
    ['one failed, one open', [plan(0, 'http://a/'), plan(1, 'http://a/'), fail(0, 'x', 9, '')], 8],
  ])('%s', async (_, lines, exitCode) => {
    expect(await readJournalStatus(journalFile(...lines))).toMatchObject({ exitCode });
  });

  it('reads while a job writes, in the directory that it is given', async () => {
    const directory = useTmp();
    const path = join(directory, '.mcurl-journal');
    const { journal } = await openAt(path);
    appendFileSync(path, `\n${JSON.stringify(plan(0, 'http://a/'))}\n`);
    expect(await readJournalStatus(directory)).toMatchObject({ path, done: 0, open: 1 });
    journal.done(0, 7);
    await journal.flush();
    appendFileSync(path, '{"plan":1,"ent');
    expect(await readJournalStatus(directory)).toMatchObject({ done: 1, bytes: 7, badLines: 1 });
  });

  it('takes 70,000 hosts together beyond 10,000, and serials that nobody gave not at all', async () => {
    const path = journalFile(plan(2 ** 30, 'http://a/'));
    const lines = Array.from(
      { length: 70_000 },
      (_, at) => `{"plan":${at},"entry":"http://${at}/","name":"x"}`,
    );
    appendFileSync(path, `${lines.join('\n')}\n`);
    const { hosts, open } = await readJournalStatus(path);
    expect(open).toBe(70_000);
    expect(hosts).toHaveLength(10_001);
    expect(hosts[0]).toMatchObject({ host: 'other', open: 60_000 });
  });

  it.each([
    ['missing', 'missing', /no journal .*missing: .*--journal/],
    ['below a file', 'file/journal', /no journal/],
    ['a directory without one', 'directory', /no journal .*directory\/\.mcurl-journal/],
    ['something else', 'file', /is no journal of mcurl/],
  ])('refuses what is %s', async (_, name, message) => {
    const directory = useTmp();
    writeFileSync(join(directory, 'file'), 'http://a/\n');
    mkdirSync(join(directory, 'directory'));
    await expect(readJournalStatus(join(directory, name))).rejects.toMatchObject({
      code: 'ERR_MCURL_JOURNAL',
      message: expect.stringMatching(message),
    });
  });
});
