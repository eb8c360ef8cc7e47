/** A journal opened by a test, as a run opens it. */
import { closeSync, constants, openSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import type { EarlierOptions } from '../../src/job/earlier.ts';
import { type Journal, openJournal } from '../../src/job/journal.ts';
import { Names } from '../../src/job/names.ts';

/** The start of the machine that the tests take for the present one. */
export const BOOT = 'boot-1';

/** A run's first line. */
export const RUN = { job: 1, boot: BOOT, at: '2026-01-01T00:00:00.000Z' };

/** Calls `use` with the journal at `path`, made when missing. */
export async function withJournal<Result>(
  path: string,
  options: Partial<EarlierOptions>,
  use: (journal: Journal, names: Names) => Result | Promise<Result>,
): Promise<Result> {
  const fd = openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT);
  try {
    const names = new Names();
    return await use(await openJournal(fd, path, names, { boot: BOOT, ...options }), names);
  } finally {
    closeSync(fd);
  }
}

/** Opens the journal at `path`, made when missing, until the test is over. */
export function openAt(
  path: string,
  options: Partial<EarlierOptions> = {},
): Promise<{ journal: Journal; names: Names }> {
  return new Promise((resolve, reject) => {
    const isOver = new Promise<void>((over) => onTestFinished(() => over()));
    withJournal(path, options, (journal, names) => {
      resolve({ journal, names });
      return isOver;
    }).catch(reject);
  });
}
