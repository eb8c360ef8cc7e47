import { closeSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { NativeError, UsageError } from '../../src/errors.ts';
import type { FetchOptions, Inputs } from '../../src/job/options.ts';
import { openPlace } from '../../src/job/place.ts';
import { useTmp } from '../support/tmp.ts';

function open(inputs: Inputs, options: FetchOptions) {
  const place = openPlace(inputs, options);
  let isOpen = true;
  const close = () => {
    if (isOpen) place.close();
    isOpen = false;
  };
  onTestFinished(close);
  return { ...place, close };
}

const named = (output: string) => [{ url: 'http://h/', output }];

describe('the directory', () => {
  it('is made with its parents, and is one job’s until that leaves it', () => {
    const directory = join(useTmp(), 'a', 'b');
    const first = open([], { directory });
    const attempt = () => open([], { directory });
    expect(attempt).toThrow(NativeError);
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_MCURL_LOCKED' }));
    expect(attempt).toThrow(directory);
    first.close();
    expect(attempt().journal?.path).toBe(join(directory, '.mcurl-journal'));
  });

  it('that is a file is refused', () => {
    const directory = join(useTmp(), 'file');
    writeFileSync(directory, '');
    const attempt = () => open([], { directory });
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_MCURL_DIRECTORY' }));
    expect(attempt).toThrow(/file: it is no directory; choose another with -d$/);
  });

  it('is shared by jobs of one file each, and by none of these twice', () => {
    const directory = useTmp();
    open([], { directory });
    expect(open(named('x'), { directory }).journal?.path).toBe(join(directory, '.x.mcurl-journal'));
    open(named('y'), { directory });
    expect(() => open(named('x'), { directory })).toThrow(/another mcurl/);
  });
});

describe('the journal', () => {
  it('has a short name whatever the file is called', () => {
    const directory = useTmp();
    const { journal } = open(named('é'.repeat(125)), { directory });
    expect(journal?.path).toMatch(/\/\.[0-9a-f]{64}\.mcurl-journal$/);
  });

  it('is forgotten only when the user did not name it', () => {
    const directory = useTmp();
    const path = join(directory, 'journal');
    const byDefault = open([], { directory });
    expect(existsSync(join(directory, '.mcurl-journal'))).toBe(true);
    byDefault.forget();
    expect(existsSync(join(directory, '.mcurl-journal'))).toBe(false);
    byDefault.close();
    open([], { directory, journal: path }).forget();
    expect(existsSync(path)).toBe(true);
  });

  it('may be none', () => {
    const directory = useTmp();
    const place = open([], { directory, journal: false });
    expect(place.journal).toBeUndefined();
    expect(existsSync(join(directory, '.mcurl-journal'))).toBe(false);
    place.forget();
  });

  it('that cannot be opened is told with the way out, and the directory is free again', () => {
    const directory = useTmp();
    const attempt = () => open([], { directory, journal: join(directory, 'no', 'journal') });
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_MCURL_JOURNAL' }));
    expect(attempt).toThrow('--no-journal');
    open([], { directory });
  });

  it('must be there when only what it says is wanted', () => {
    const directory = useTmp();
    for (const journal of [undefined, false] as const) {
      const options = { directory, onlyFailed: true, ...(journal === false ? { journal } : {}) };
      expect(() => open([], options)).toThrow(UsageError);
    }
    const path = join(directory, 'j');
    writeFileSync(path, '');
    const { journal } = open([], { directory, journal: path, onlyFailed: true });
    expect(journal?.path).toBe(path);
  });
});

it('closes what it opened, and leaves no journal that was never written to', () => {
  const directory = useTmp();
  const place = openPlace([], { directory });
  place.close();
  expect(() => closeSync(place.journal?.fd as number)).toThrow('EBADF');
  expect(readdirSync(directory)).toEqual([]);
});
