import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { checkInputs, countInputs, knownTotal, readInputs } from '../../src/job/inputs.ts';
import type { Input, Inputs } from '../../src/job/options.ts';
import type { Entry } from '../../src/list/entry.ts';
import { useTmp } from '../support/tmp.ts';

const { signal: never } = new AbortController();

function useList(text: string): { list: string } {
  const list = join(useTmp(), 'list.txt');
  writeFileSync(list, text);
  return { list };
}

async function batchesOf(inputs: Inputs, signal = never) {
  const batches: { source: string | undefined; entries: readonly Entry[] }[] = [];
  for await (const batch of readInputs(inputs, signal)) batches.push(batch);
  return batches;
}

describe('readInputs', () => {
  it('gives lists and what lies between them, in order, each entry with its place', async () => {
    const [first, second] = [useList('http://h/1\n\nhttp://h/3\n'), useList('')];
    const inputs = ['http://a', first, second, 'http://b', new URL('http://c')];
    const line = (batch: { entries: readonly Entry[] }) =>
      batch.entries.map(({ line, text }) => [line, text]);
    const batches = (await batchesOf(inputs)).filter(({ entries }) => entries.length > 0);
    expect(batches.map(({ source }) => source)).toEqual([
      undefined,
      ...batches.slice(1, -1).map(() => first.list),
      undefined,
    ]);
    expect(batches.flatMap(line)).toEqual([
      [1, 'http://a'],
      [1, 'http://h/1'],
      [3, 'http://h/3'],
      [4, 'http://b'],
      [5, 'http://c/'],
    ]);
  });

  it('takes entries with their options, and says what is wrong with them', async () => {
    const sum = `md5=${'0'.repeat(32)}`;
    const inputs: Input[] = [
      { url: 'http://a', mirrors: [new URL('http://b'), 'http://c'], output: 'o', checksum: sum },
      { url: 'http://a', mirrors: [] },
      { url: 'http://a', checksum: 'md5=1' },
      { url: 'http://a', mirrors: ['http://b\n'] },
      'http://a\u0000',
    ];
    const [batch] = await batchesOf(inputs);
    expect(batch?.entries).toMatchObject([
      { mirrors: ['http://b/', 'http://c'], output: 'o', checksum: sum, problem: undefined },
      { text: 'http://a', problem: undefined },
      { problem: expect.stringContaining('checksum=md5=1') },
      { problem: expect.stringContaining('0x0a') },
      { problem: expect.stringContaining('0x00') },
    ]);
    expect(batch?.entries[1]).not.toHaveProperty('mirrors');
  });

  it('gives many at once of what is there, and each at once of what comes by and by', async () => {
    const urls = Array.from({ length: 2500 }, (_, index) => `http://h/${index}`);
    const sizes = async (inputs: Inputs) =>
      (await batchesOf(inputs)).map(({ entries }) => entries.length);
    expect(await sizes(urls)).toEqual([1024, 1024, 452]);
    expect(await sizes(new Set(urls.slice(0, 3)))).toEqual([3]);
    async function* one() {
      yield* urls.slice(0, 3);
    }
    expect(await sizes(one())).toEqual([1, 1, 1]);
  });

  it('leaves an iterator that has nothing to say, when it is aborted', async () => {
    let isLeft = false;
    const iterator = {
      next: () => new Promise<IteratorResult<Input>>(() => {}),
      return: async () => {
        isLeft = true;
        return { done: true as const, value: undefined };
      },
    };
    const abort = new AbortController();
    const reading = readInputs({ [Symbol.asyncIterator]: () => iterator }, abort.signal);
    void reading.next();
    await turn();
    abort.abort();
    expect(isLeft).toBe(true);
  });

  it('tells an iterator that is done nothing more, and one that is left only once', async () => {
    let returns = 0;
    const iterable = (values: Input[]) => ({
      [Symbol.iterator]: () => {
        const iterator = values.values();
        return {
          next: () => iterator.next(),
          return: () => {
            returns += 1;
            return { done: true as const, value: undefined };
          },
        };
      },
    });
    await batchesOf(iterable(['http://a']));
    expect(returns).toBe(0);
    for await (const _ of readInputs(iterable(Array(5000).fill('http://a')), never)) break;
    expect(returns).toBe(1);
  });

  it('throws for what is no input', async () => {
    for (const bad of [42, null, undefined, {}, { url: 1 }, { url: 'http://a', mirrors: [1] }]) {
      const inputs = ['http://a', bad as unknown as Input];
      await expect(batchesOf(inputs)).rejects.toMatchObject({ code: 'ERR_MCURL_INPUT' });
    }
  });
});

describe('counting', () => {
  it('is known at once without lists, by reading with them, and never for a stream', async () => {
    const list = useList('http://h/1\n# no\nhttp://h/2');
    expect(knownTotal(['http://a', { url: 'http://b' }])).toBe(2);
    expect(knownTotal(['http://a', list])).toBeUndefined();
    expect(await countInputs(['http://a', list, list], never)).toBe(5);
    expect(await countInputs(['http://a', { list: '-' }], never)).toBeUndefined();
    expect(knownTotal(new Set(['http://a']))).toBeUndefined();
    expect(await countInputs(new Set(['http://a']), never)).toBeUndefined();
  });
});

it('checkInputs looks at arrays only', () => {
  const bad: Input[] = [{ url: 'http://a', output: 'a/b' }];
  expect(() => checkInputs(bad)).toThrow(/output a\/b/);
  expect(() => checkInputs(bad.values())).not.toThrow();
});

it.each([5, {}, null, undefined, 'http://a'])(
  'checkInputs refuses %j, which is no inputs',
  (bad) => {
    const refused = { code: 'ERR_MCURL_INPUT', message: expect.stringContaining('iterable') };
    expect(() => checkInputs(bad as unknown as Inputs)).toThrow(expect.objectContaining(refused));
  },
);

it.each([
  [
    { url: 'http://a', checksums: 'md5=1' },
    /input 2 has "checksums".*url, mirrors, output, checksum$/,
  ],
  [{ url: 'http://a', out: 'a' }, /input 2 has "out"/],
  [{ list: '-', output: 'a' }, /input 2 has "output": a list can have list$/],
])(
  '%j has a property that is none, whether it is in an array or comes later',
  async (bad, message) => {
    const inputs = ['http://a', bad as Input];
    const refused = { code: 'ERR_MCURL_INPUT', message: expect.stringMatching(message) };
    expect(() => checkInputs(inputs)).toThrow(expect.objectContaining(refused));
    await expect(batchesOf(inputs.values())).rejects.toMatchObject(refused);
  },
);
