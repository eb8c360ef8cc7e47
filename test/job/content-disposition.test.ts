import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameFromContentDisposition } from '../../src/job/content-disposition.ts';
import { safeName } from '../../src/job/names.ts';
import { expectSafeName } from '../support/safe-name.ts';

describe('nameFromContentDisposition', () => {
  it.each([
    ['attachment; filename="a.html"', 'a.html'],
    ['inline; filename=a.html', 'a.html'],
    ['attachment;filename=a.html ;', 'a.html'],
    ['attachment; FILENAME = "a.html"', 'a.html'],
    ['filename=a.html', 'a.html'],
    ['attachment; ;filename=a', 'a'],
    ['attachment; x="y"; filename="a"', 'a'],
    ['attachment; x="\\"\\\\;filename=b";filename="a"', 'a'],
    ['attachment; x=filename=b; filename=a', 'a'],
    ['attachment; notfilename="b"; filename="a"', 'a'],
    ['attachment; filename="a;b\\"c.html"', 'a;b_c.html'],
    ['attachment; filename="a"; filename="b"', 'a'],
    // What should not be sent but is.
    ['attachment; filename=my file, v2.txt; x=y', 'my file, v2.txt'],
    ['attachment; filename="no end.txt', 'no end.txt'],
    ['attachment; filename="C:\\dir\\new.txt"', 'new.txt'],
    ['attachment; filename="100%25.txt"', '100%25.txt'],
    ['attachment; filename="Gr\xfc\xdfe"', 'Grüße'],
    ['attachment; filename="Gr\xc3\xbc\xc3\x9fe"', 'Grüße'],
    ['attachment; filename="Grüße €"', 'Grüße €'],
    // RFC 8187.
    ["attachment; filename*=UTF-8''%c3%a4-%e2%82%ac.html", 'ä-€.html'],
    ["attachment; filename*=utf-8'de'a%20b; filename=c", 'a b'],
    ["attachment; filename=c; filename*=UTF-8''a", 'a'],
    ["attachment; filename*=iso-8859-1''%e4", 'ä'],
    ["attachment; filename*=UTF-8''a; filename*=UTF-8''b", 'a'],
    ['attachment; filename*="UTF-8\'\'a%2541"', 'a%41'],
    // Broken: the plain one counts.
    ["attachment; filename*=UTF-8''%e4; filename=c", 'c'],
    ["attachment; filename*=UTF-8''%c; filename=c", 'c'],
    ["attachment; filename*=UTF-8''%zz; filename=c", 'c'],
    ["attachment; filename*=UTF-8''a b; filename=c", 'c'],
    ["attachment; filename*=UTF-7''a; filename=c", 'c'],
    ["attachment; filename*=''a; filename=c", 'c'],
    ['attachment; filename*=a; filename=c', 'c'],
    ["attachment; filename*=UTF-8''..; filename=c", 'c'],
    // Hostile ones.
    ['attachment; filename="/etc/passwd"', 'passwd'],
    ['attachment; filename="../../x"', 'x'],
    ['attachment; filename="..\\\\..\\\\x"', 'x'],
    ["attachment; filename*=UTF-8''..%2f..%5cx", 'x'],
    ["attachment; filename*=UTF-8''x%00.sh", 'x_.sh'],
    ['attachment; filename=.bashrc', '_bashrc'],
    ['attachment; filename=-rf', '_rf'],
    ['attachment; filename="a\r\nb\x1b[31m"', 'a__b_[31m'],
    ["attachment; filename*=UTF-8''%e2%80%aegnp.exe", '_gnp.exe'],
    ['attachment; filename=CON', '_CON'],
    ['attachment; filename=x.part', 'x.part_'],
    [`attachment; filename=${'é'.repeat(200)}.txt`, `${'é'.repeat(118)}.txt`],
  ])('%s names %s', (header, name) => {
    expect(nameFromContentDisposition(header)).toBe(name);
  });

  it.each([
    '',
    'attachment',
    'inline;',
    'attachment; filename',
    'attachment; filename=',
    'attachment; filename=""',
    'attachment; filename=..',
    'attachment; filename="/"',
    'attachment; filename*=x',
    'attachment; name=a',
    'attachment; filename; a',
  ])('%s names nothing', (header) => {
    expect(nameFromContentDisposition(header)).toBeUndefined();
  });

  it('is one safe component or nothing, whatever the header', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        ...[
          'filename',
          'filename*',
          '=',
          ';',
          '"',
          '\\',
          "UTF-8''",
          'iso-8859-1',
          '%2f',
          '%00',
          '..',
        ],
        ...['/', '%5c', '%e2%80%ae', '\r\n', '.part', 'con', '%ff', ' '],
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const name = nameFromContentDisposition(`attachment; filename${pieces.join('')}`);
        if (name !== undefined) expectSafeName(name);
      }),
    );
  });

  it('gives back what was written as the standards want it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        // Such text is taken for bytes, or for broken ones.
        fc.pre(!/[\x80-\xff\ufffd]/.test(text));
        const quoted = text.replace(/["\\]/g, '\\$&');
        const encoded = [...Buffer.from(text)]
          .map((byte) => `%${byte.toString(16).padStart(2, '0')}`)
          .join('');
        const name = safeName(text) || undefined;
        expect(nameFromContentDisposition(`attachment; filename*=UTF-8''${encoded}; x="`)).toBe(
          name,
        );
        expect(nameFromContentDisposition(`attachment; filename="${quoted}"; x=`)).toBe(name);
      }),
    );
  });

  it('takes linear time', () => {
    for (const text of ['; ', '"', '\\', 'filename', "filename*=UTF-8''%", '=', ' ', ';"']) {
      const started = performance.now();
      nameFromContentDisposition(`attachment; filename=${text.repeat(200_000 / text.length)}`);
      expect(performance.now() - started).toBeLessThan(1000);
    }
  });
});
