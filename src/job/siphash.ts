/** SipHash-1-3 with a key of this object's own. */
import { randomFillSync } from 'node:crypto';

/**
 * A 64-bit keyed hash of bytes (Aumasson and Bernstein 2012, one and three rounds). Who writes a list does not know
 * the key, so he cannot write two entries with one hash; by chance it happens once in 200,000 jobs of ten million lines.
 * A polynomial or the hash of `Names` would be quicker, but gives its collisions away without the key.
 */
export class SipHash {
  readonly #key: Int32Array;
  /** Upper and lower half of the last hash, unsigned. */
  high = 0;
  low = 0;

  /** @param key 16 bytes; random by default */
  constructor(key: Uint8Array = randomFillSync(new Uint8Array(16))) {
    const view = new DataView(key.buffer, key.byteOffset, 16);
    this.#key = Int32Array.from([0, 4, 8, 12], (at) => view.getInt32(at, true));
  }

  /** Leaves the hash of `bytes[from, to)` in `high` and `low`. */
  update(bytes: Uint8Array, from: number, to: number): void {
    const [k0l = 0, k0h = 0, k1l = 0, k1h = 0] = this.#key;
    let v0h = k0h ^ 0x736f6d65;
    let v0l = k0l ^ 0x70736575;
    let v1h = k1h ^ 0x646f7261;
    let v1l = k1l ^ 0x6e646f6d;
    let v2h = k0h ^ 0x6c796765;
    let v2l = k0l ^ 0x6e657261;
    let v3h = k1h ^ 0x74656462;
    let v3l = k1l ^ 0x79746573;
    const length = to - from;
    const words = length >>> 3;
    // One round each for the whole words and the last, then three more.
    for (let step = 0; step < words + 4; step += 1) {
      let mh = 0;
      let ml = 0;
      if (step < words) {
        const at = from + 8 * step;
        ml = word(bytes, at);
        mh = word(bytes, at + 4);
      } else if (step === words) {
        mh = length << 24;
        for (let at = to - 1; at >= from + 8 * words; at -= 1) {
          const place = at - from - 8 * words;
          if (place < 4) ml |= (bytes[at] as number) << (8 * place);
          else mh |= (bytes[at] as number) << (8 * (place - 4));
        }
      } else if (step === words + 1) {
        v2l ^= 0xff;
      }
      v3h ^= mh;
      v3l ^= ml;
      let low = (v0l + v1l) | 0;
      v0h = (v0h + v1h + (low >>> 0 < v0l >>> 0 ? 1 : 0)) | 0;
      v0l = low;
      let high = (v1h << 13) | (v1l >>> 19);
      v1l = ((v1l << 13) | (v1h >>> 19)) ^ v0l;
      v1h = high ^ v0h;
      low = (v2l + v3l) | 0;
      v2h = (v2h + v3h + (low >>> 0 < v2l >>> 0 ? 1 : 0)) | 0;
      v2l = low;
      high = (v3h << 16) | (v3l >>> 16);
      v3l = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
      v3h = high ^ v2h;
      // v0 is turned by 32 here: its halves change places.
      low = (v0h + v3l) | 0;
      v0h = (v0l + v3h + (low >>> 0 < v0h >>> 0 ? 1 : 0)) | 0;
      v0l = low;
      high = (v3h << 21) | (v3l >>> 11);
      v3l = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
      v3h = high ^ v0h;
      low = (v2l + v1l) | 0;
      high = (v2h + v1h + (low >>> 0 < v2l >>> 0 ? 1 : 0)) | 0;
      const turned = (v1h << 17) | (v1l >>> 15);
      v1l = ((v1l << 17) | (v1h >>> 15)) ^ low;
      v1h = turned ^ high;
      // And so is v2.
      v2h = low;
      v2l = high;
      v0h ^= mh;
      v0l ^= ml;
    }
    this.high = (v0h ^ v1h ^ v2h ^ v3h) >>> 0;
    this.low = (v0l ^ v1l ^ v2l ^ v3l) >>> 0;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}
