import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import { planAll } from '../../src/job/dry-run.ts';
import type { Inputs, Planned, PlanOptions } from '../../src/job/options.ts';
import { useTmp } from '../support/tmp.ts';

async function plans(inputs: Inputs, options?: PlanOptions): Promise<Planned[]> {
  const all: Planned[] = [];
  for await (const planned of planAll(inputs, options)) all.push(planned);
  return all;
}

it('plans everything and looks what exists', async () => {
  const directory = useTmp();
  writeFileSync(join(directory, 'a'), '');
  mkdirSync(join(directory, 'b'));
  const list = join(useTmp(), 'list.txt');
  writeFileSync(list, 'http://user:secret@h/a\nnonsense\nhttp://h/b\nhttp://h/a\n');
  const type = 'plan';
  expect(await plans([{ list }, 'http://h/c'], { directory })).toEqual([
    { type, source: list, line: 1, url: 'http://h/a', name: 'a', exists: true },
    expect.objectContaining({ type: 'fail', kind: 'list', line: 2, urlnum: 1 }),
    { type, source: list, line: 3, url: 'http://h/b', name: 'b', exists: false },
    { type, source: list, line: 4, url: 'http://h/a', name: 'a.2', exists: false },
    { type, source: undefined, line: 2, url: 'http://h/c', name: 'c', exists: false },
  ]);
  expect(await plans(['http://h/a'], { directory, overwrite: true })).toMatchObject([
    { exists: false },
  ]);
});

it('makes no directory', async () => {
  const directory = join(useTmp(), 'new');
  expect(await plans(['http://h/a'], { directory })).toHaveLength(1);
  expect(existsSync(directory)).toBe(false);
});

describe('a journal', () => {
  const job = { job: 1, boot: null, at: '' };
  const plan = (serial: number, entry: string, name: string) => ({ plan: serial, entry, name });
  const lines = [
    job,
    plan(0, 'http://h/1/a', 'a'),
    plan(1, 'http://h/2/a', 'a.2'),
    plan(2, 'http://h/3/a', 'a.3'),
    { named: 2, name: 'server.pdf' },
    { done: 0, size: 5 },
    { done: 1, size: 5 },
    { fail: 2, kind: 'http', code: 8, message: '' },
    plan(3, 'http://h/b', 'b'),
  ];
  const inputs = ['http://h/4/a', 'http://h/3/a', 'http://h/2/a', 'http://h/1/a'];

  function useJournal(): string {
    const directory = useTmp();
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    writeFileSync(join(directory, '.mcurl-journal'), text);
    writeFileSync(join(directory, 'a'), 'whole');
    writeFileSync(join(directory, 'a.2'), 'half');
    writeFileSync(join(directory, 'b'), 'of a start of the machine that is over');
    return directory;
  }

  it('tells the names that the job will use, and what of it will be fetched again', async () => {
    const directory = useJournal();
    const before = readFileSync(join(directory, '.mcurl-journal'), 'utf8');
    const planned = await plans(['http://h/b', ...inputs], { directory });
    expect(planned).toMatchObject([
      { name: 'b', exists: false },
      { name: 'a.4', exists: false },
      { name: 'server.pdf', exists: false },
      { name: 'a.2', exists: false },
      { name: 'a', exists: true },
    ]);
    expect(readFileSync(join(directory, '.mcurl-journal'), 'utf8')).toBe(before);
    expect(readdirSync(directory).sort()).toEqual(['.mcurl-journal', 'a', 'a.2', 'b']);
    const overwritten = await plans(inputs, { directory, overwrite: true });
    expect(overwritten).toMatchObject([{}, {}, {}, { name: 'a', exists: false }]);
    const without = await plans(inputs, { directory, journal: false });
    expect(without.map(({ name }) => name)).toEqual(['a', 'a.2', 'a.3', 'a.4']);
  });

  it('is asked alone, or narrows the list, with onlyFailed', async () => {
    const directory = useJournal();
    for (const given of [[], [...inputs, 'http://h/b']]) {
      expect(await plans(given, { directory, onlyFailed: true })).toMatchObject([
        { url: 'http://h/3/a', name: 'server.pdf' },
        { url: 'http://h/b', name: 'b' },
      ]);
    }
    const nowhere = plans([], { directory: useTmp(), onlyFailed: true });
    await expect(nowhere).rejects.toMatchObject({ code: 'ERR_MCURL_JOURNAL' });
  });

  it('that is none is refused, also where reading would wait', async () => {
    const directory = useTmp();
    const journal = join(directory, 'pipe');
    execFileSync('mkfifo', [journal]);
    const refused = { code: 'ERR_MCURL_JOURNAL' };
    await expect(plans(inputs, { directory, journal })).rejects.toMatchObject(refused);
  });

  it('may be missing; its name is no download’s', async () => {
    const directory = useTmp();
    const journal = join(directory, 'a');
    expect(await plans(['http://h/a'], { directory, journal })).toMatchObject([{ name: 'a.2' }]);
    expect(readdirSync(directory)).toEqual([]);
  });
});

it('refuses what a job refuses', async () => {
  await expect(plans([{ list: '/nowhere' }])).rejects.toThrow(UsageError);
});
