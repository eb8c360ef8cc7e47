import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
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

it('refuses what a job refuses', async () => {
  await expect(plans([{ list: '/nowhere' }])).rejects.toThrow(UsageError);
});
