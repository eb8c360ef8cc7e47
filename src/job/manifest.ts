/** SHA256SUMS: hash and path of each file in the order of the inputs, as GNU's sha256sum writes and reads them. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { WholeFile } from './whole-file.ts';

/** Files hashed at once. */
const MOST_AT_ONCE = 4;

export class Manifest {
  readonly #file: WholeFile;
  /** From where the manifest lies to the files. */
  readonly #way: string;
  readonly #directory: string;
  /** Lines of those that ended before one that was earlier in the list. */
  readonly #waiting = new Map<number, string>();
  #next = 0;
  #hashing = 0;
  readonly #queue: (() => void)[] = [];

  /** @throws McurlError `ERR_MCURL_FILE` when it cannot be opened */
  constructor(path: string, directory: string) {
    this.#file = new WholeFile(path);
    this.#directory = directory;
    this.#way = relative(dirname(path), directory);
  }

  get path(): string {
    return this.#file.path;
  }

  /** Why it has no name. */
  get failure(): Error | undefined {
    return this.#file.failure;
  }

  /** The target `urlnum` has this file. @param digest `sha-256=HEX` */
  add(urlnum: number, name: string, digest: string): void {
    this.#set(urlnum, manifestLine(digest.slice(digest.indexOf('=') + 1), join(this.#way, name)));
  }

  /** The target `urlnum` has none. */
  pass(urlnum: number): void {
    this.#set(urlnum, '');
  }

  /** Hashes a file that is there. @throws the system's error when it cannot be read */
  async digestOf(name: string): Promise<string> {
    if (this.#hashing === MOST_AT_ONCE) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    } else {
      this.#hashing += 1;
    }
    try {
      const hash = createHash('sha256');
      await pipeline(createReadStream(join(this.#directory, name)), hash);
      return `sha-256=${hash.digest('hex')}`;
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) {
        this.#hashing -= 1;
      } else {
        next();
      }
    }
  }

  /** What did not end has no line. */
  finish(): Promise<void> {
    for (const [, line] of [...this.#waiting].sort(([a], [b]) => a - b)) {
      this.#file.write(line);
    }
    return this.#file.finish();
  }

  #set(urlnum: number, line: string): void {
    if (urlnum !== this.#next) {
      this.#waiting.set(urlnum, line);
      return;
    }
    this.#file.write(line);
    this.#next += 1;
    for (
      let next = this.#waiting.get(this.#next);
      next !== undefined;
      next = this.#waiting.get(this.#next)
    ) {
      this.#waiting.delete(this.#next);
      this.#file.write(next);
      this.#next += 1;
    }
  }
}

/** One line, newline included; a path with a line end or a backslash is escaped, and marked by a backslash before the hash. */
export function manifestLine(hex: string, path: string): string {
  const escaped = path.replace(/[\\\n\r]/g, (found) =>
    found === '\\' ? '\\\\' : found === '\n' ? '\\n' : '\\r',
  );
  return `${escaped === path ? '' : '\\'}${hex}  ${escaped}\n`;
}
