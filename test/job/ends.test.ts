import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { EXIT } from '../../src/errors.ts';
import { Ends } from '../../src/job/ends.ts';
import { type FailedOutcome, startStats } from '../../src/job/outcome.ts';
import { RECORD_FLAG } from '../../src/native/binding.ts';
import { useTmp } from '../support/tmp.ts';

const FAILED: FailedOutcome = {
  ...{ type: 'fail', kind: 'http', exitCode: EXIT.server, message: 'gone', retries: 0 },
  ...{ source: undefined, line: 1, urlnum: 0, entry: 'http://h/a', url: 'http://h/a', name: 'a' },
  ...{ record: undefined, details: undefined },
};

it('counts what is done, what could not be verified, what was there, and what failed', () => {
  const stats = startStats(undefined);
  const ends = new Ends({}, stats);
  ends.done(-1, 5, 0);
  ends.done(-1, 5, RECORD_FLAG.unverified);
  ends.count({ ...FAILED, type: 'skip', exitCode: EXIT.ok });
  ends.fail(FAILED);
  expect(stats).toMatchObject({ done: 2, unverified: 1, skipped: 1, failed: 1, exitCode: 8 });
});

it('lists what failed with its options, but not what never was an entry', async () => {
  const failedOut = join(useTmp(), 'failed');
  const ends = new Ends({ failedOut }, startStats(undefined));
  ends.fail(FAILED, { text: 'http://user:secret@h/a\n out=x', serial: -1 });
  ends.fail({ ...FAILED, kind: 'list' });
  await ends.finish();
  expect(readFileSync(failedOut, 'utf8')).toBe('http://user:secret@h/a\n out=x\n');
  expect(ends.notes).toEqual([]);
});

it('leaves a file out of the manifest that is there no more', async () => {
  const directory = useTmp();
  const manifest = join(directory, 'sums');
  writeFileSync(join(directory, 'b'), 'abc');
  const ends = new Ends({ directory, manifest }, startStats(undefined));
  await ends.writeSkip({ urlnum: 0, name: 'a', serial: -1, isDone: false });
  await ends.writeSkip({ urlnum: 1, name: 'b', serial: -1, isDone: false });
  await ends.finish();
  expect(readFileSync(manifest, 'utf8')).toMatch(/^[0-9a-f]{64} {2}b\n$/);
});

it('says what could not be written, and counts it as local trouble', async () => {
  const directory = useTmp();
  const manifest = join(directory, 'sums');
  const stats = startStats(undefined);
  const ends = new Ends({ directory, manifest }, stats);
  ends.fail(FAILED);
  rmSync(`${manifest}.part`);
  mkdirSync(manifest);
  await ends.finish();
  expect(ends.notes).toEqual([expect.stringContaining(manifest)]);
  expect(stats.exitCode).toBe(EXIT.local);
});
