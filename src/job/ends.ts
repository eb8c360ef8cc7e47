/** What the ends of targets leave behind: counts, lines in the journal, the manifest, the list of those that failed. */
import { lstatSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../errors.ts';
import { RECORD_FLAG } from '../native/binding.ts';
import type { Hashes } from './hashes.ts';
import type { Journal } from './journal.ts';
import { Manifest } from './manifest.ts';
import type { FetchOptions } from './options.ts';
import { countFailure, type FailedOutcome, type JobStats, type Outcome } from './outcome.ts';
import type { Target } from './target.ts';
import { WholeFile } from './whole-file.ts';

/** A version that another can be compared with, beyond its size. */
const VALIDATOR = /\t[^\t]/;

/** Of the hashes in a manifest. */
const MANIFEST_TYPE = 'sha-256';

/** A list of failed entries has their passwords. */
const LIST_MODE = 0o600;

export class Ends {
  /** Undefined until it is open, and for a job without one. */
  journal: Journal | undefined;
  readonly #stats: JobStats;
  readonly #directory: string;
  readonly #isDurable: boolean;
  #hashes: Hashes | undefined;
  readonly #manifest: Manifest | undefined;
  readonly #failedOut: WholeFile | undefined;

  /** @throws McurlError `ERR_MCURL_FILE` when a file that was asked for cannot be written */
  constructor(options: FetchOptions, stats: JobStats) {
    const { directory = '.', durable = false, manifest, failedOut } = options;
    this.#stats = stats;
    this.#directory = directory;
    this.#isDurable = durable;
    this.#manifest = manifest === undefined ? undefined : new Manifest(manifest, directory);
    this.#failedOut = failedOut === undefined ? undefined : new WholeFile(failedOut, LIST_MODE);
  }

  /**
   * Done, and nothing is told of it but its size: the common end, which makes no object.
   *
   * @param checksum which it has, when one was asked for
   */
  done(serial: number, size: number, flags: number, checksum?: string): void {
    this.#countDone(flags);
    this.journal?.done(serial, size, checksum === undefined ? undefined : { digest: checksum });
  }

  /** Writes that a file is to have another name than the journal has. @throws the system's error */
  writeName(serial: number, name: string): void {
    this.journal?.named(serial, name, this.#isDurable);
  }

  /**
   * Writes that a file is whole. Its outcome may be told, and counted, when the promise resolves, or at once when there is
   * none.
   */
  writeDone(
    serial: number,
    outcome: Outcome & { readonly name: string },
    checksum?: string,
  ): Promise<void> | undefined {
    const { urlnum, name, record, details } = outcome;
    const { digest = '', version = '' } = details ?? {};
    const known = checksum ?? digest;
    this.journal?.done(serial, record?.sizeDelivered ?? 0, {
      ...(known === '' ? undefined : { digest: known }),
      ...(VALIDATOR.test(version) ? { version } : undefined),
    });
    this.#manifest?.add(urlnum, name, digest);
    return this.#isDurable ? this.journal?.sync() : undefined;
  }

  /**
   * Whether a file that was there is what it must be.
   *
   * @returns how it failed, undefined when it did not
   * @throws the signal's AbortError
   */
  async check(
    name: string,
    checksum: string,
    signal: AbortSignal,
  ): Promise<Pick<FailedOutcome, 'kind' | 'exitCode' | 'message'> | undefined> {
    try {
      const type = checksum.slice(0, checksum.indexOf('='));
      const digest = await this.#digestOf(name, type, signal);
      if (digest === checksum) {
        return undefined;
      }
      const message = `${name} is there and has ${digest}, where ${checksum} is expected: remove it, or let --overwrite replace it`;
      return { kind: 'integrity', exitCode: EXIT.integrity, message };
    } catch (error) {
      signal.throwIfAborted();
      const message = `${name} is there and cannot be checked: ${(error as Error).message}; remove it, or let --overwrite replace it`;
      return { kind: 'local', exitCode: EXIT.local, message };
    }
  }

  /**
   * Writes that a file was there; as above.
   *
   * @param target `isDone`: the journal says so already
   * @param checksum which it has, when it was hashed
   */
  writeSkip(
    { urlnum, name, serial, isDone }: Pick<Target, 'urlnum' | 'name' | 'serial' | 'isDone'>,
    checksum?: string,
  ): Promise<void> | undefined {
    if (this.journal !== undefined && (!isDone || checksum !== undefined)) {
      const more = checksum === undefined ? undefined : { digest: checksum };
      this.journal.done(serial, this.sizeOf(name) ?? 0, more);
    }
    const manifest = this.#manifest;
    if (checksum?.startsWith(MANIFEST_TYPE)) {
      manifest?.add(urlnum, name, checksum);
      return undefined;
    }
    return (
      manifest &&
      this.#digestOf(name, MANIFEST_TYPE).then(
        (digest) => manifest.add(urlnum, name, digest),
        // It is there no more, or may not be read.
        () => manifest.pass(urlnum),
      )
    );
  }

  /** Bytes of what has that name; undefined when nothing has. */
  sizeOf(name: string): number | undefined {
    return lstatSync(join(this.#directory, name), { throwIfNoEntry: false })?.size;
  }

  /**
   * Nobody goes on with what that file's `.part` has. One that cannot be removed stays.
   *
   * @param id which `.part` is meant, as the core tells it in a version; default: whichever is there
   */
  dropPart(name: string, id?: string): void {
    const path = join(this.#directory, `${name}.part`);
    try {
      if (id === undefined || id === partId(path)) {
        unlinkSync(path);
      }
    } catch {
      // Most often there is none.
    }
  }

  count(outcome: Outcome): void {
    if (outcome.type === 'skip') {
      this.#stats.skipped += 1;
    } else {
      this.#countDone(outcome.record?.flags ?? 0);
    }
  }

  /** @param target undefined when the entry never became one */
  fail(outcome: FailedOutcome, target?: { readonly text: string; readonly serial: number }): void {
    countFailure(this.#stats, outcome);
    const { kind, exitCode: code, message = '', urlnum } = outcome;
    if (target !== undefined) {
      this.journal?.fail(target.serial, { kind, code, message });
      this.#failedOut?.write(`${target.text}\n`);
    }
    this.#manifest?.pass(urlnum);
  }

  /** Resolves when all of it is written, or cannot be: see `notes`. */
  async finish(): Promise<void> {
    const files = [this.#manifest, this.#failedOut];
    await Promise.all([
      this.#isDurable ? this.journal?.sync() : this.journal?.flush(),
      ...files.map((file) => file?.finish()),
    ]);
    const { exitCode } = this.#stats;
    const isLost = files.some((file) => file?.failure !== undefined);
    if (isLost && (exitCode === EXIT.ok || exitCode > EXIT.local)) {
      this.#stats.exitCode = EXIT.local;
    }
  }

  /** What went wrong beside the targets; one line each, for people. */
  get notes(): string[] {
    const notes: string[] = [];
    const { failure } = this.journal ?? {};
    if (failure !== undefined) {
      notes.push(`the journal is not complete (${failure.message}): the next run looks for more`);
    }
    for (const file of [this.#manifest, this.#failedOut]) {
      if (file?.failure !== undefined) {
        notes.push(`${file.path} was not written: ${file.failure.message}`);
      }
    }
    return notes;
  }

  /** @see Hashes.digestOf, which few jobs load */
  async #digestOf(name: string, type: string, signal?: AbortSignal): Promise<string> {
    const { Hashes } = await import('./hashes.ts');
    this.#hashes ??= new Hashes(this.#directory);
    return this.#hashes.digestOf(name, type, signal && { signal });
  }

  #countDone(flags: number): void {
    this.#stats.done += 1;
    if ((flags & RECORD_FLAG.unverified) !== 0) {
      this.#stats.unverified += 1;
    }
  }
}

/** Inode and time of birth, as the core writes them. @throws the system's error */
function partId(path: string): string {
  const { ino, birthtimeNs } = lstatSync(path, { bigint: true });
  return `${ino}-${birthtimeNs / 1_000_000_000n}.${birthtimeNs % 1_000_000_000n}`;
}
