/** What the ends of targets leave behind: counts, lines in the journal, the manifest, the list of those that failed. */
import { lstatSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../errors.ts';
import { RECORD_FLAG } from '../native/binding.ts';
import type { Journal } from './journal.ts';
import { Manifest } from './manifest.ts';
import type { FetchOptions } from './options.ts';
import { countFailure, type FailedOutcome, type JobStats, type Outcome } from './outcome.ts';
import { WholeFile } from './whole-file.ts';

/** A version that another can be compared with, beyond its size. */
const VALIDATOR = /\t[^\t]/;

/** A list of failed entries has their passwords. */
const LIST_MODE = 0o600;

export class Ends {
  /** Undefined until it is open, and for a job without one. */
  journal: Journal | undefined;
  readonly #stats: JobStats;
  readonly #directory: string;
  readonly #isDurable: boolean;
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

  /** Done, and nothing is told of it but its size: the common end, which makes no object. */
  done(serial: number, size: number, flags: number): void {
    this.#countDone(flags);
    this.journal?.done(serial, size);
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
  ): Promise<void> | undefined {
    const { urlnum, name, record, details } = outcome;
    const { digest = '', version = '' } = details ?? {};
    this.journal?.done(serial, record?.sizeDelivered ?? 0, {
      ...(digest === '' ? undefined : { digest }),
      ...(VALIDATOR.test(version) ? { version } : undefined),
    });
    this.#manifest?.add(urlnum, name, digest);
    return this.#isDurable ? this.journal?.sync() : undefined;
  }

  /**
   * Writes that a file was there; as above.
   *
   * @param isKnown the journal says so already
   */
  writeSkip(
    { urlnum, name }: { readonly urlnum: number; readonly name: string },
    serial: number,
    isKnown: boolean,
  ): Promise<void> | undefined {
    if (this.journal !== undefined && !isKnown) {
      const found = lstatSync(join(this.#directory, name), { throwIfNoEntry: false });
      this.journal.done(serial, found?.size ?? 0);
    }
    const manifest = this.#manifest;
    return manifest?.digestOf(name).then(
      (digest) => manifest.add(urlnum, name, digest),
      // It is there no more, or may not be read.
      () => manifest.pass(urlnum),
    );
  }

  /** Nobody goes on with what that file's `.part` has. One that cannot be removed stays. */
  dropPart(name: string): void {
    try {
      unlinkSync(join(this.#directory, `${name}.part`));
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
  fail(outcome: FailedOutcome, target?: { readonly key: string; readonly serial: number }): void {
    countFailure(this.#stats, outcome);
    const { kind, exitCode: code, message = '', urlnum } = outcome;
    if (target !== undefined) {
      this.journal?.fail(target.serial, { kind, code, message });
      this.#failedOut?.write(`${target.key}\n`);
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

  #countDone(flags: number): void {
    this.#stats.done += 1;
    if ((flags & RECORD_FLAG.unverified) !== 0) {
      this.#stats.unverified += 1;
    }
  }
}
