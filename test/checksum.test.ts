import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CHECKSUM_TYPES, parseChecksum } from '../src/checksum.ts';

const hex = (type: string) => createHash(type).update('').digest('hex');

describe('parseChecksum', () => {
  it.each([
    [`sha-256=${hex('sha256')}`, `sha-256=${hex('sha256')}`],
    [`SHA256=${hex('sha256').toUpperCase()}`, `sha-256=${hex('sha256')}`],
    [`sha512=${hex('sha512')}`, `sha-512=${hex('sha512')}`],
    [`Sha-1=${hex('sha1')}`, `sha-1=${hex('sha1')}`],
    [`md5=${hex('md5')}`, `md5=${hex('md5')}`],
  ])('%s', (text, checksum) => {
    expect(parseChecksum(text)).toBe(checksum);
  });

  it.each([
    '',
    'sha-256',
    'sha-256=',
    hex('sha256'),
    `sha-256=${hex('sha1')}`,
    `sha-256=${hex('sha256')}0`,
    `sha-256=${hex('sha256').replace(/.$/, 'g')}`,
    `sha-256= ${hex('sha256')}`,
    `sha-256=${hex('sha256')}\n`,
    `sha-384=${hex('sha384')}`,
    'constructor=00',
    'toString=00',
  ])('%j is none', (text) => {
    expect(parseChecksum(text)).toBeUndefined();
  });

  it('names its types for messages', () => {
    expect(CHECKSUM_TYPES).toBe('sha-512, sha-256, sha-1, md5');
  });
});
