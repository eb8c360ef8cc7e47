import { describe, expect, it } from 'vitest';
import { escapeText, quoteJson } from '../src/escape.ts';

/** What may never reach a terminal: controls, bidirectional and invisible characters, halves of a pair. */
const HARMFUL: readonly (readonly [text: string, escaped: string])[] = [
  ['\x1b]0;title\x07', '\\x1b]0;title\\x07'],
  ['\x9b31m', '\\x9b31m'],
  ['a\r\nb\tc\0', 'a\\x0d\\x0ab\\x09c\\x00'],
  ['\x7f', '\\x7f'],
  ['txt.\u202eexe', 'txt.\\u202eexe'],
  ['\u2066a\u2069\u200f\u061c', '\\u2066a\\u2069\\u200f\\u061c'],
  ['\u2028\u2029\u200b\ufeff', '\\u2028\\u2029\\u200b\\ufeff'],
  ['\ud800a', '\\ud800a'],
  ['a\udfff', 'a\\udfff'],
  ['\u{e0041}', '\\u{e0041}'],
];

describe('escapeText', () => {
  it.each(HARMFUL)('makes %j visible', (text, escaped) => {
    expect(escapeText(text)).toBe(escaped);
  });

  it.each(['https://example.com/a?b=c%20d', 'файл', '日本語', 'naïve é', '🎉 file'])(
    'leaves %s alone',
    (text) => {
      expect(escapeText(text)).toBe(text);
    },
  );
});

describe('quoteJson', () => {
  it.each([...HARMFUL.map(([text]) => text), 'plain', 'a"b\\c', '日本語 🎉', ''])(
    'of %j is JSON of the same text',
    (text) => {
      const json = quoteJson(text);
      expect(JSON.parse(json)).toBe(text);
      expect(escapeText(json)).toBe(json);
    },
  );
});
