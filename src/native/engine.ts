/** All loops as one object: targets in, records out. A thin, typed cover of the addon's `Engine`. */
import { NativeError } from '../errors.ts';
import {
  binding,
  type Details,
  type EngineOptions,
  type NativeEngine,
  type NativeTarget,
  type TargetExtras,
} from './binding.ts';

/** Numbers that cross for each target: id, timeoutMs, TARGET_FLAG, serial. */
const NUMBERS_PER_TARGET = 4;
const TARGET_FLAG = { isRetry: 1, isJournalled: 2 } as const;

export class Engine {
  readonly #native: NativeEngine;

  /**
   * Opens the output directory and prepares the loops; they start when targets wait.
   *
   * @param options what all transfers have in common
   * @param onWake called on this thread when records wait, when few targets wait, and when nothing is left.
   *   It is called once and stays silent until `infoRead` has returned 0, which arms it again.
   * @throws TypeError for wrong arguments, here as in all methods; after `close` they throw an Error with the code
   *   `ERR_MCURL_CLOSED`
   * @throws NativeError `ERR_MCURL_UNSUPPORTED` when libcurl lacks what is asked, `ERR_MCURL_DIRECTORY` when the directory cannot be opened, `ERR_MCURL_LIBCURL` when
   *   the libcurl in use cannot be (8.11.1, or no threaded resolver)
   */
  constructor(options: EngineOptions, onWake: () => void) {
    const { Engine: Native } = binding();
    try {
      this.#native = new Native(options, onWake);
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      throw code === undefined ? cause : new NativeError(code, message, { cause });
    }
  }

  /** Transfers at once: as asked, or fewer when the limit of open files (`ulimit -n`) allows no more. */
  get jobs(): number {
    return this.#native.jobs;
  }

  /** Hands over targets, in list order. Each ends as exactly one record, unless `stop` comes before its start. */
  add(targets: readonly NativeTarget[]): void {
    const numbers = new Float64Array(targets.length * NUMBERS_PER_TARGET);
    const strings: string[] = [];
    let extras: (TargetExtras & { readonly at: number })[] | undefined;
    let at = 0;
    for (const [index, target] of targets.entries()) {
      numbers[at++] = target.id;
      numbers[at++] = target.timeoutMs;
      numbers[at++] =
        (target.isRetry ? TARGET_FLAG.isRetry : 0) |
        (target.isJournalled ? TARGET_FLAG.isJournalled : 0);
      numbers[at++] = target.serial ?? -1;
      strings.push(target.url, target.name);
      if (target.extras) {
        extras ??= [];
        extras.push({ ...target.extras, at: index });
      }
    }
    this.#native.add(numbers, strings, extras);
  }

  /**
   * Copies finished records into `into` (`RECORD_SIZE` doubles each) and removes them from the queue, as
   * curl_multi_info_read does for one message. Returns how many; 0 arms `onWake` again.
   */
  infoRead(into: Float64Array): number {
    return this.#native.infoRead(into);
  }

  /**
   * What the record of `id` cannot hold, until the next `infoRead`. Kept for every transfer with `keepDetails`,
   * else only for those that failed.
   */
  details(id: number): Details | undefined {
    return this.#native.details(id);
  }

  /**
   * Live counters for the screen: `SAMPLE_HEADER` doubles (bytes delivered so far, running, waiting, finishing),
   * then `SAMPLE_SIZE` doubles a running transfer, as many as fit. Returns the number of slots written.
   */
  sample(into: Float64Array): number {
    return this.#native.sample(into);
  }

  /** Starts nothing more on the host (scheme, host, port) of `url` for `pauseMs`; running transfers go on. */
  pauseHost(url: string, pauseMs: number): void {
    this.#native.pauseHost(url, pauseMs);
  }

  /**
   * Gives the whole body in `partOf`.part (a record with the flag `unnamed`) its name. Returns undefined, or what went
   * wrong; EEXIST when the name is taken and `mayReplace` is false.
   */
  publishAs(
    partOf: string,
    name: string,
    mayReplace: boolean,
  ): { readonly osErrno: number; readonly error: string } | undefined {
    return this.#native.publishAs(partOf, name, mayReplace) ?? undefined;
  }

  /** The file system took no extended attributes (`xattr`) of some file. */
  get lacksAttributes(): boolean {
    return this.#native.lacksAttributes;
  }

  /** Ends every running transfer; each becomes a record with reason `stopped`. What waits is dropped without one. */
  stop(): void {
    this.#native.stop();
  }

  /** Stops, and resolves when every loop's thread is joined. The engine cannot be used after it. */
  close(): Promise<void> {
    return this.#native.close();
  }

  /** Ends the process by `_exit`, so that no static destructor runs under a running loop. Flush output first. */
  exit(code: number): never {
    return this.#native.exit(code);
  }
}
