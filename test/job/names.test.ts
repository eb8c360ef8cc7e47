import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Names, nameFromPath, safeName, suffixOf, withSuffix } from '../../src/job/names.ts';
import { expectSafeName } from '../support/safe-name.ts';

describe('nameFromPath', () => {
  it.each([
    ['/a/b/file.tar.gz', 'file.tar.gz'],
    ['/', 'index.html'],
    ['/dir/', 'index.html'],
    ['/a%20b%2Bc.txt', 'a b+c.txt'],
    ['/%C3%A9t%C3%A9', 'été'],
    ['/100%', '100%'],
    ['/%zz', '%zz'],
    ['/%252e%252e', '%2e%2e'],
    // Separators and parents.
    ['/..%2F..%2Fetc%2Fpasswd', 'passwd'],
    ['/..%5C..%5Cwindows', 'windows'],
    ['/a%5C', 'index.html'],
    ['/%2F', 'index.html'],
    ['/...', 'index.html'],
    // What lies to a reader or upsets a shell or a file system.
    ['/a%00b', 'a_b'],
    ['/%1B%5D0;x%07', '_]0;x_'],
    ['/%C2%9B31m', '_31m'],
    ['/%E2%80%AEgnp.exe', '_gnp.exe'],
    ['/%E2%81%A6x', '_x'],
    ['/a%0D%0Ab', 'a__b'],
    ['/%FF%FEx', '__x'],
    ['/a:b*c%3Fd%22e%3Cf%3Eg%7Ch', 'a_b_c_d_e_f_g_h'],
    ['/.bashrc', '_bashrc'],
    ['/-rf', '_rf'],
    ['/--', '_-'],
    ['/%20%20-x', '_x'],
    ['/trailing.%20.', 'trailing'],
    ['/%20', 'index.html'],
    // Windows devices.
    ['/CON', '_CON'],
    ['/aux.txt', '_aux.txt'],
    ['/com1.tar.gz', '_com1.tar.gz'],
    ['/LPT%C2%B9', '_LPT¹'],
    ['/nul%20.txt', '_nul .txt'],
    ['/console', 'console'],
    // Names of files that are not yet whole.
    ['/x.part', 'x.part_'],
    ['/x%2epart', 'x.part_'],
    ['/x.PART', 'x.PART_'],
    ['/part', 'part'],
    ['/x.part1.rar', 'x.part1.rar'],
    ['/com10', 'com10'],
  ])('%s becomes %s', (pathname, name) => {
    expect(nameFromPath(pathname)).toBe(name);
  });

  it('cuts at a character boundary and keeps the extension', () => {
    const fish = '%F0%9F%90%9F';
    expect(nameFromPath(`/${fish.repeat(100)}`)).toBe('🐟'.repeat(60));
    expect(nameFromPath(`/x${fish.repeat(100)}.tar.gz`)).toBe(`x${'🐟'.repeat(59)}.gz`.slice(0));
    expect(nameFromPath(`/${'a'.repeat(300)}.txt`)).toBe(`${'a'.repeat(236)}.txt`);
    expect(nameFromPath(`/a.${'b'.repeat(300)}`)).toBe(`a.${'b'.repeat(238)}`);
    expect(nameFromPath(`/${'a'.repeat(239)}.%20${'b'.repeat(30)}`)).toBe('a'.repeat(239));
  });

  it.each([
    [`/aux.${'%F0%9F%90%9F'.repeat(59)}`, `_aux.${'🐟'.repeat(58)}`],
    [`/${'a'.repeat(235)}.part`, `${'a'.repeat(234)}.part_`],
    [`/con${'%20'.repeat(237)}x`, '_con'],
    [`/${'a'.repeat(235)}.part${'%20'.repeat(20)}x`, `${'a'.repeat(234)}.part_`],
  ])('keeps to 240 bytes and to all rules at once: %s', (pathname, name) => {
    expect(nameFromPath(pathname)).toBe(name);
  });

  it('is one safe component, whatever the URL', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      fc.constantFrom(
        '%2e',
        '%2F',
        '%5C',
        '%00',
        '%E2%80%AE',
        '%ff',
        '.',
        '-',
        ' ',
        '%20',
        '🐟',
        'é',
      ),
      fc.constantFrom(
        '\ud800',
        'con',
        'aux.',
        '.part',
        '.PART',
        '.tar.gz',
        '%',
        '~',
        'x'.repeat(100),
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const { pathname } = new URL(`http://a/${pieces.join('')}`);
        expectSafeName(nameFromPath(pathname));
        // As it comes from a header, which no URL parser has seen.
        const name = safeName(pieces.join(''));
        if (name !== '') expectSafeName(name);
        expect(safeName(name)).toBe(name);
      }),
      { numRuns: 500 },
    );
  });
});

describe('suffixOf', () => {
  it('finds what withSuffix made, and nothing else', () => {
    const name = fc.stringMatching(/^[a-z][a-z.0-9]{0,8}$/);
    fc.assert(
      fc.property(name, name, fc.integer({ min: 2, max: 999_999_999 }), (plain, other, suffix) => {
        expect(suffixOf(plain, withSuffix(plain, suffix))).toBe(suffix);
        expect(suffixOf(plain, plain)).toBe(0);
        const found = suffixOf(plain, other);
        if (found !== undefined) expect(withSuffix(plain, found)).toBe(other);
      }),
    );
    for (const given of [
      'a.1.txt',
      'a.02.txt',
      'a.1e3.txt',
      'a.Infinity.txt',
      'a..txt',
      'a.2',
      'b.2.txt',
    ]) {
      expect(suffixOf('a.txt', given), given).toBeUndefined();
    }
  });
});

function takeAll(...wanted: string[]): string[] {
  const names = new Names();
  return wanted.map((name) => names.take(name));
}

describe('Names', () => {
  it.each([
    ['numbers by list order', ['f.tar', 'f.tar', 'f.tar'], ['f.tar', 'f.2.tar', 'f.3.tar']],
    ['only the last extension counts', ['a.tar.gz', 'a.tar.gz'], ['a.tar.gz', 'a.tar.2.gz']],
    ['no extension', ['a', 'a'], ['a', 'a.2']],
    ['a number that a line has by itself', ['a', 'a.2', 'a', 'a'], ['a', 'a.2', 'a.3', 'a.4']],
    ['a number that was given before', ['a', 'a', 'a.2', 'a'], ['a', 'a.2', 'a.2.2', 'a.3']],
    ['case', ['F.tar', 'f.TAR', 'F.TAR'], ['F.tar', 'f.2.TAR', 'F.3.TAR']],
    [
      'case beyond ASCII',
      ['STRASSE', 'straße', 'ÉTÉ', 'été'],
      ['STRASSE', 'straße.2', 'ÉTÉ', 'été.2'],
    ],
    ['normalisation', ['\u00e9', 'e\u0301'], ['\u00e9', 'e\u0301.2']],
    ['alike is not the same', ['a', 'aa', 'ab', 'ba', 'b'], ['a', 'aa', 'ab', 'ba', 'b']],
  ])('%s', (_, wanted, given) => {
    expect(takeAll(...wanted)).toEqual(given);
  });

  it('gives 300,000 different names as they are, in at most 24 bytes each', () => {
    const names = new Names();
    const changed: string[] = [];
    for (let index = 0; index < 300_000; index += 1) {
      const name = `file-${index}.bin`;
      if (names.take(name) !== name) {
        changed.push(name);
      }
    }
    expect(changed).toEqual([]);
    expect(names.bytes).toBeLessThanOrEqual(24 * 300_000);
  });

  it('gives 300,000 equal names 300,000 numbers, in linear time', () => {
    const names = new Names();
    const given = new Set<string>();
    for (let index = 0; index < 300_000; index += 1) {
      given.add(names.take('index.html'));
    }
    expect(given.size).toBe(300_000);
    expect(given).toContain('index.300000.html');
  });

  it('gives no name that was reserved, nor its like', () => {
    const names = new Names();
    for (const name of ['a.2.txt', 'É', 'a.txt', 'a.txt', 'a.4.txt']) names.reserve(name);
    expect(['a.txt', 'A.TXT', 'é', 'b'].map((name) => names.take(name))).toEqual([
      'a.3.txt',
      'A.5.TXT',
      'é.2',
      'b',
    ]);
  });

  it('never gives one file to two lines, however the list was made', () => {
    const names = new Names();
    const taken = new Set<string>();
    const parts = ['a', 'A', '.2', '.3', 'é', 'e\u0301', '.x'];
    for (let index = 0; index < 20_000; index += 1) {
      let wanted = 'a';
      for (let rest = index; rest > 0; rest = Math.floor(rest / parts.length)) {
        wanted += parts[rest % parts.length];
      }
      for (const name of [names.take(wanted), names.take(wanted)]) {
        const key = name.normalize('NFC').toLowerCase();
        expect(taken.has(key), name).toBe(false);
        taken.add(key);
      }
    }
  });
});
