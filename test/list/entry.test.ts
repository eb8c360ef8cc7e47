import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryText, keyOf, outputProblem, parseOption } from '../../src/list/entry.ts';
import { parseEntryText, textProblem } from '../../src/list/lines.ts';

describe('outputProblem', () => {
  it.each([
    'a',
    'a b',
    '.hidden',
    '-x',
    'é🐟',
    'x.part1',
    'part',
    'mcurl-journal',
    'x'.repeat(250),
  ])('%s may be a name', (name) => {
    expect(outputProblem(name)).toBeUndefined();
  });

  it.each([
    ['', /expected a file name/],
    ['.', /expected a file name/],
    ['..', /expected a file name/],
    ['a/b', /^a\/b: expected a file name without a path; choose the directory with -d$/],
    ['a\0', /expected a file name/],
    ['a\nb', /^"a\\nb": a name has no control characters/],
    ['\x1b[2Ja', /control/],
    ['a\x85', /control/],
    ['a\ud800', /valid Unicode/],
    ['a\ufffd', /valid Unicode/],
    ['x.PART', /not yet whole/],
    ['.mcurl-journal', /journals/],
    ['.x.mcurl-journal', /journals/],
    ['é'.repeat(126), /^é{50}…: the name is longer than 250 bytes$/],
  ])('%j may not', (name, problem) => {
    expect(outputProblem(name)).toMatch(problem);
  });
});

it.each([
  ['http://a/x', 'http://a/x'],
  ['http://a/x\thttp://b/x', 'http://a/x'],
  ['http://a/x\thttp://b/x\n out=y\n checksum=md5=00', 'http://a/x\n out=y'],
  ['http://a/x\n checksum=md5=00', 'http://a/x'],
  ['http://a/x\n out=checksum=', 'http://a/x\n out=checksum='],
])('keyOf %j is %j', (text, key) => {
  expect(keyOf(text)).toBe(key);
  expect(keyOf(key)).toBe(key);
});

it('a journal may hold a hidden name, which a list may not', () => {
  const entry = { line: 1, text: 'http://a/', problem: undefined, output: '.x' };
  expect(parseEntryText(entryText('http://a/', entry))).toEqual(entry);
});

describe('parseOption', () => {
  it.each([
    ['out=x', { name: 'out', value: 'x' }],
    ['out = x = y', { name: 'out', value: 'x = y' }],
    ['max-tries=', { name: 'max-tries', value: '' }],
    ['http://a/?x=y', undefined],
    ['example.com=x', undefined],
    ['a/b=c', undefined],
    ['1=2', undefined],
    ['=x', undefined],
    ['out', undefined],
    ['out x=y', undefined],
  ])('%s', (text, option) => {
    expect(parseOption(text)).toEqual(option);
  });
});

it('the list form of any entry is that entry again', () => {
  const url = fc
    .webUrl({ withQueryParameters: true, withFragments: true })
    .map((text) => new URL(text).href);
  const output = fc
    .string({ unit: 'grapheme' })
    .map((text) => text.trim())
    .filter((text) => outputProblem(text) === undefined && textProblem(text) === undefined);
  const checksum = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => `sha-256=${Buffer.from(bytes).toString('hex')}`);
  const options = fc.record(
    { mirrors: fc.array(url, { minLength: 1, maxLength: 3 }), output, checksum },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(url, options, (text, given) => {
      const entry = { line: 1, text, problem: undefined, ...given };
      expect(parseEntryText(entryText(text, given))).toEqual(entry);
    }),
  );
});
