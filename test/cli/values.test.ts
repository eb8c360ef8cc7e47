import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  certificate,
  checksum,
  connectToLine,
  cookies,
  duration,
  headers,
  headerText,
  protocols,
  readableFile,
  resolveLine,
  several,
  size,
  userpwd,
  whole,
} from '../../src/cli/values.ts';
import { useTmp } from '../support/tmp.ts';

/** What a parser says of a value that it refuses. */
function complaintOf(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidArgumentError);
    return (error as InvalidArgumentError).message;
  }
  throw new Error('it was taken');
}

function useFile(text: string): string {
  const file = join(useTmp(), 'file');
  writeFileSync(file, text);
  return file;
}

describe('a whole number', () => {
  it.each([
    ['1', 1],
    ['007', 7],
    ['10', 10],
  ])('%s', (text, value) => {
    expect(whole(1, 10)(text)).toBe(value);
  });

  it.each(['0', '11', '', ' 1', '1.0', '-1', '+1', '1e0', '0x1', 'x', '99999999999999999999'])(
    'is not %j',
    (text) => {
      expect(complaintOf(() => whole(1, 10)(text))).toContain('from 1 to 10');
    },
  );
});

it('a duration is milliseconds', () => {
  expect([duration('2.5'), duration('10m')]).toEqual([2500, 600_000]);
  expect(complaintOf(() => duration('soon'))).toContain('10m');
});

it('a size is bytes', () => {
  expect([size('100'), size('1.5k')]).toEqual([100, 1536]);
  expect(complaintOf(() => size('much'))).toContain('100k');
});

it('a checksum has one form, and the right length', () => {
  const hex = 'ab'.repeat(32);
  expect(checksum(`SHA256=${hex.toUpperCase()}`)).toBe(`sha-256=${hex}`);
  expect(complaintOf(() => checksum(`sha-256=${hex}0`))).toContain('sha-256');
});

describe('a certificate', () => {
  it.each([
    ['c.pem', { cert: 'c.pem' }],
    ['c.pem:se:cret', { cert: 'c.pem', keyPassword: 'se:cret' }],
    ['c.pem:', { cert: 'c.pem', keyPassword: '' }],
    ['a\\:b.pem:x', { cert: 'a:b.pem', keyPassword: 'x' }],
    ['a\\\\:x', { cert: 'a\\', keyPassword: 'x' }],
    ['a\\b', { cert: 'a\\b' }],
    ['pkcs11:object=x;type=cert', { cert: 'pkcs11:object=x;type=cert' }],
  ])('%s', (text, expected) => {
    expect(certificate(text)).toEqual(expected);
  });
});

describe('text of a request', () => {
  it('may be anything that does not end its line', () => {
    expect(headerText('\tA: é\x7f')).toBe('\tA: é\x7f');
  });

  it.each(['\r', '\n', '\0', 'A: b\r\nC: d'])('is not %j', (text) => {
    for (const parse of [headerText, headers, (bad: string) => cookies(`a=${bad}`)]) {
      expect(complaintOf(() => parse(text))).toContain('line feed');
    }
    expect(complaintOf(() => userpwd(`me:${text}`))).toContain('line feed');
  });
});

describe('headers', () => {
  it('add up, also those of a file without its blank lines', () => {
    const file = useFile('X-A: 1\r\n\nX-B: 2');
    expect(headers('X-C: 3', headers(`@${file}`, ['X-0: 0']))).toEqual([
      ...['X-0: 0', 'X-A: 1', 'X-B: 2', 'X-C: 3'],
    ]);
  });

  it('of a file are as safe as others', () => {
    const file = useFile('X-A: 1\rX-B: 2\n');
    expect(complaintOf(() => headers(`@${file}`))).toContain('carriage return');
    expect(complaintOf(() => headers('@/nowhere'))).toContain('/nowhere');
  });
});

describe('cookies', () => {
  it('with = are cookies, and add up', () => {
    expect(cookies('b=2; c=3', cookies('a=1'))).toEqual({ cookie: 'a=1; b=2; c=3' });
  });

  it('else are lines of files, which add up as well', () => {
    const file = useFile('one\r\n\ntwo\n');
    expect(cookies(file, cookies('a=1', cookies(file)))).toEqual({
      cookie: 'a=1',
      cookieLines: ['one', 'two', 'one', 'two'],
    });
    expect(cookies('')).toEqual({ cookieLines: [] });
    expect(complaintOf(() => cookies('/nowhere'))).toContain('/nowhere');
  });
});

it('a user has a password, if an empty one', () => {
  expect([userpwd('me:pa:ss'), userpwd('me:'), userpwd(':')]).toEqual(['me:pa:ss', 'me:', ':']);
  expect(complaintOf(() => userpwd('me'))).toContain('-u me:');
});

describe('schemes', () => {
  it.each([
    ['+ftp', ['http', 'https', 'ftp']],
    ['ftp', ['http', 'https', 'ftp']],
    ['-http', ['https']],
    ['=https', ['https']],
    ['=https,ftps', ['https', 'ftps']],
    ['-all,https', ['https']],
    ['all', ['http', 'https', 'ftp', 'ftps']],
    ['=all', ['http', 'https', 'ftp', 'ftps']],
    ['-all', []],
    [' +FTP , -http ', ['https', 'ftp']],
  ])('%s allows %j', (text, expected) => {
    expect(protocols(text)).toEqual(expected);
  });

  it.each(['', 'gopher', '+file', '=', '~http', 'http,'])('%j are none', (text) => {
    expect(complaintOf(() => protocols(text))).toContain('ftps');
  });

  it('add up, and change nothing that was given before', () => {
    const before = ['http', 'https'];
    expect(protocols('-http', protocols('+ftp', before))).toEqual(['https', 'ftp']);
    expect(before).toEqual(['http', 'https']);
  });
});

describe('--resolve', () => {
  it.each(['a.test:80:127.0.0.1', '+a.test:80:[::1],127.0.0.1', '*:443:::1', '-a.test:80'])(
    'takes %s',
    (text) => {
      expect(resolveLine(text, ['x'])).toEqual(['x', text]);
    },
  );

  it.each(['', 'x', 'a.test:80', 'a.test::127.0.0.1', 'a.test:80:', ':80:1.1.1.1', '-a.test'])(
    'refuses %j',
    (text) => {
      expect(complaintOf(() => resolveLine(text))).toContain('HOST:PORT:ADDRESS');
    },
  );
});

describe('--connect-to', () => {
  it.each(['a:1:b:2', '::b.test:', ':::', 'a.test:80:[::1]:8080', '[::1]:1::2'])(
    'takes %s',
    (text) => {
      expect(connectToLine(text, ['x'])).toEqual(['x', text]);
    },
  );

  it.each(['', 'a:b', 'a:1:b', 'a:x:b:2', 'a:1:b:2:', '::1:1:b:2', 'a b:1:c:2'])(
    'refuses %j',
    (text) => {
      expect(complaintOf(() => connectToLine(text))).toContain('HOST1:PORT1');
    },
  );
});

it('a file that must be readable is named as given', () => {
  const file = useFile('');
  expect(readableFile(file)).toBe(file);
  expect(complaintOf(() => readableFile('/nowhere'))).toContain('/nowhere');
});

it('what may be given several times keeps its order', () => {
  expect(several('b', several('a'))).toEqual(['a', 'b']);
});
