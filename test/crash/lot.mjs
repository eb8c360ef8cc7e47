// @ts-check
/** A generator of random draws that a seed repeats (mulberry32). */
export class Lot {
  #state;

  /** @param {number[]} seeds whole numbers: the story's draws depend on all of them */
  constructor(...seeds) {
    this.#state = 0;
    for (const seed of seeds) this.#state = this.whole(0, 2 ** 32 - 1) ^ seed;
  }

  /** From 0 to below 1. */
  number() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  whole(/** @type {number} */ from, /** @type {number} */ to) {
    return from + Math.floor(this.number() * (to - from + 1));
  }

  /** As `whole`, small numbers more often: each power of two is as likely as the next. */
  wholeOfAnyOrder(/** @type {number} */ from, /** @type {number} */ to) {
    return Math.floor(from * (to / from) ** this.number());
  }

  has(/** @type {number} */ chance) {
    return this.number() < chance;
  }

  /** @template T @param {readonly T[]} list @returns {T} */
  pick(list) {
    return /** @type {T} */ (list[this.whole(0, list.length - 1)]);
  }

  /**
   * A key, as often as its weight says.
   * @template {string} T @param {Readonly<Record<T, number>>} weights @returns {T}
   */
  weighted(weights) {
    const entries = /** @type {[T, number][]} */ (Object.entries(weights));
    let left = this.number() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    return /** @type {[T, number]} */ (entries.at(-1))[0];
  }

  /** @template T @param {readonly T[]} list @returns {T[]} */
  shuffled(list) {
    const all = [...list];
    for (let last = all.length - 1; last > 0; last -= 1) {
      const other = this.whole(0, last);
      [all[last], all[other]] = [/** @type {T} */ (all[other]), /** @type {T} */ (all[last])];
    }
    return all;
  }
}
