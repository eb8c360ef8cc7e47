import { describe, expect, it } from 'vitest';
import { SipHash } from '../../src/job/siphash.ts';

const key = Uint8Array.from({ length: 16 }, (_, index) => index);

function hash(siphash: SipHash, bytes: Uint8Array, from = 0, to = bytes.length): string {
  siphash.update(bytes, from, to);
  return [siphash.high, siphash.low].map((half) => half.toString(16).padStart(8, '0')).join('');
}

describe('SipHash', () => {
  // As `openssl mac -macopt c-rounds:1 -macopt d-rounds:3 -macopt size:8 SIPHASH` says, read from the last byte.
  it.each([
    [0, 'abac0158050fc4dc'],
    [1, 'c9f49bf37d57ca93'],
    [7, 'd3927d989bb11140'],
    [8, '369095118d299a8e'],
    [9, '25a48eb36c063de4'],
    [15, 'd320d86d2a519956'],
    [16, 'cc4fdd1a7d908b66'],
    [63, '9d199062b7bbb3a8'],
    [64, 'f17997ec4b4a6065'],
    [255, 'f76214e3153c4a15'],
  ])('%i bytes', (length, expected) => {
    const bytes = Uint8Array.from({ length }, (_, index) => index);
    expect(hash(new SipHash(key), bytes)).toBe(expected);
    const within = Uint8Array.from([9, ...bytes, 9, 9]);
    expect(hash(new SipHash(key), within, 1, length + 1)).toBe(expected);
  });

  it('has another key each time', () => {
    const bytes = Buffer.from('http://a/');
    expect(hash(new SipHash(), bytes)).not.toBe(hash(new SipHash(), bytes));
  });
});
