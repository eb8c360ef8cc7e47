/** A file beside the downloads that has its name only when it is whole. */
import { closeSync, openSync, realpathSync, renameSync, statSync } from 'node:fs';
import { McurlError } from '../errors.ts';
import { Output } from '../output.ts';

export class WholeFile {
  readonly path: string;
  /** Where it is written; `path` itself when that is a device, a pipe, or whatever else no file may replace. */
  readonly #written: string;
  /** `path`, or the file that it is a link to. */
  readonly #target: string;
  readonly #fd: number;
  readonly #output: Output;
  #failure: Error | undefined;

  /** Writes to `path`.part, made with that mode. @throws McurlError `ERR_MCURL_FILE` when it cannot be opened */
  constructor(path: string, mode = 0o666) {
    this.path = path;
    try {
      const found = statSync(path, { throwIfNoEntry: false });
      this.#target = found === undefined ? path : realpathSync(path);
      this.#written = found?.isFile() === false ? path : `${this.#target}.part`;
      this.#fd = openSync(this.#written, 'w', mode);
    } catch (cause) {
      throw new McurlError(
        'ERR_MCURL_FILE',
        `cannot write ${path}: ${(cause as Error).message}; choose another place`,
        { cause },
      );
    }
    this.#output = new Output(this.#fd);
  }

  /** Why it has no name. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  write(text: string): void {
    this.#output.write(text);
  }

  /** Resolves when it has its name, or cannot get it: see `failure`. */
  async finish(): Promise<void> {
    await this.#output.flush();
    this.#failure = this.#output.failure;
    try {
      closeSync(this.#fd);
      if (this.#failure === undefined && this.#written !== this.path) {
        renameSync(this.#written, this.#target);
      }
    } catch (error) {
      this.#failure ??= error as Error;
    }
  }
}
