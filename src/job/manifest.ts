/** SHA256SUMS: hash and path of each file in the order of the inputs, as GNU's sha256sum writes and reads them. */
import { dirname, join, relative } from 'node:path';
import { WholeFile } from './whole-file.ts';

export class Manifest {
  readonly #file: WholeFile;
  /** From where the manifest lies to the files. */
  readonly #way: string;
  /** Lines of those that ended before one that was earlier in the list. */
  readonly #waiting = new Map<number, string>();
  #next = 0;

  /** @throws McurlError `ERR_MCURL_FILE` when it cannot be opened */
  constructor(path: string, directory: string) {
    this.#file = new WholeFile(path);
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
