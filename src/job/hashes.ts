/** Hashes of files that are there. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** Files read at once. */
const MOST_AT_ONCE = 4;

export class Hashes {
  readonly #directory: string;
  #reading = 0;
  readonly #queue: (() => void)[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * @param type of the hash, as a checksum has it (`sha-256`)
   * @returns `TYPE=HEX` of the whole file
   * @throws the system's error when it cannot be read; the signal's AbortError
   */
  async digestOf(
    name: string,
    type: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<string> {
    if (this.#reading === MOST_AT_ONCE) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    } else {
      this.#reading += 1;
    }
    try {
      options.signal?.throwIfAborted();
      const hash = createHash(type.replace('-', ''));
      await pipeline(createReadStream(join(this.#directory, name)), hash, options);
      return `${type}=${hash.digest('hex')}`;
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) {
        this.#reading -= 1;
      } else {
        next();
      }
    }
  }
}
