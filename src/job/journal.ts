/** The journal of a job: what an earlier run left, and the ends of this one. Its lines are those of `journal-lines`. */
import {
  fchmodSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  readFileSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import { McurlError } from '../errors.ts';
import { quoteJson } from '../escape.ts';
import type { Entry } from '../list/entry.ts';
import { Output } from '../output.ts';
import type { Earlier, EarlierOptions, Journalled } from './earlier.ts';
import type { DoneMore, Failure } from './journal-lines.ts';
import type { Names } from './names.ts';

/** Ends wait so long for others to be written with them: a write costs as much as twenty of them. */
const HOLD_MS = 100;
/** From plan lines to their being on the disk. */
const PLAN_SYNC_MS = 1000;
/** Characters that do not wait. */
const MOST_HELD = 64 * 1024;

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/**
 * Reads what earlier runs wrote and begins a run of its own. Every name in the journal is reserved in `names`, so it
 * must be called before any other name is taken.
 *
 * @param fd open for reading and appending, locked by the caller, who closes it
 * @param path for messages
 * @throws UsageError `ERR_MCURL_JOURNAL` when the file is no journal; the signal's AbortError
 * @throws McurlError `ERR_MCURL_JOURNAL` when it cannot be appended to; the system's error when it cannot be read
 */
export async function openJournal(
  fd: number,
  path: string,
  names: Names,
  { keepValidators = false, renew = false, signal, boot = bootId() }: Partial<EarlierOptions> = {},
): Promise<Journal> {
  let earlier: Earlier | undefined;
  const stat = fstatSync(fd);
  if (stat.size > 0 || !stat.isFile()) {
    const { readEarlier } = await import('./earlier.ts');
    earlier = await readEarlier(fd, path, names, { keepValidators, renew, signal, boot });
  }
  if ((stat.mode & 0o077) !== 0) {
    try {
      // URLs may have passwords.
      fchmodSync(fd, 0o600);
    } catch {
      // A file system without modes.
    }
  }
  try {
    beginRun(fd, stat.size, boot, renew && earlier?.isRenewing !== true);
  } catch (cause) {
    throw new McurlError(
      'ERR_MCURL_JOURNAL',
      `cannot write the journal ${path}: ${(cause as Error).message}; choose another with --journal, or --no-journal`,
      { cause },
    );
  }
  return new Journal(fd, earlier);
}

function beginRun(fd: number, size: number, boot: string | null, isRenewed: boolean): void {
  const last = Buffer.alloc(1);
  const isTorn = size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
  const line = JSON.stringify({ job: 1, boot, at: new Date().toISOString() });
  writeFileSync(fd, `${isTorn ? '\n' : ''}${line}\n${isRenewed ? '{"renew":true}\n' : ''}`);
}

/** Linux makes a new one at each start; elsewhere what was written before a kill is not trusted. */
export function bootId(): string | null {
  try {
    return readFileSync(BOOT_ID, 'latin1').trim() || null;
  } catch {
    return null;
  }
}

/** An open journal. Its plan, began and durable lines are the core's; see `NativeTarget.serial`. */
export class Journal {
  readonly #fd: number;
  readonly #output: Output;
  /** Undefined when the journal was empty. */
  readonly #earlier: Earlier | undefined;
  /** Ends on their way to #output. */
  #lines = '';
  #timer: NodeJS.Timeout | undefined;
  #planTimer: NodeJS.Timeout | undefined;
  #nextSerial: number;
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #syncFailure: Error | undefined;

  /** @see openJournal */
  constructor(fd: number, earlier: Earlier | undefined) {
    this.#fd = fd;
    this.#earlier = earlier;
    this.#nextSerial = earlier?.nextSerial ?? 0;
    this.#output = new Output(fd);
  }

  /** Lines of earlier runs that made no sense. */
  get badLines(): number {
    return this.#earlier?.badLines ?? 0;
  }

  /** Entries that earlier runs planned. */
  get count(): number {
    return this.#earlier?.count ?? 0;
  }

  /** Bytes that the index of those needs. */
  get bytes(): number {
    return this.#earlier?.bytes ?? 0;
  }

  /** It has entries that are not done and that this run did not take: those of another list, which may go on later. */
  get hasOthers(): boolean {
    return this.#earlier?.hasOthers ?? false;
  }

  /**
   * What the journal says of this run's next entry with the key of `text`: of entries with one key the n-th gets what the
   * n-th had.
   *
   * @param text the entry's list form (`entryText`)
   * @param plainName the name it would have alone: `output`, else `nameFromPath` of its first URL
   */
  take(text: string, plainName: string): Journalled {
    const known = this.#earlier?.take(text, plainName);
    if (known !== undefined) {
      return known;
    }
    const serial = this.#nextSerial;
    this.#nextSerial += 1;
    return {
      serial,
      state: 'new',
      text: undefined,
      name: undefined,
      isNamed: false,
      doneBytes: undefined,
      isUnsure: false,
      doneVersion: undefined,
      version: undefined,
      tie: 'version',
      partName: undefined,
      trustedBytes: undefined,
    };
  }

  /** @see Earlier.digestOf */
  digestOf(serial: number): string | undefined {
    return this.#earlier?.digestOf(serial);
  }

  /** @see Earlier.unfinished */
  unfinished(signal?: AbortSignal): AsyncIterable<Entry[]> | Entry[][] {
    return this.#earlier?.unfinished(signal) ?? [];
  }

  /** All entries of a run with `renew` have ended: the next one fetches all again. */
  renewed(): void {
    this.#write('{"renew":false}\n');
  }

  /**
   * Its file is about to get another name than the journal has; written when it returns. Else a kill in between would
   * have the next run fetch the file again and find its name taken.
   *
   * @param isDurable wait until it is on the disk
   * @throws the system's error
   */
  named(serial: number, name: string, isDurable: boolean): void {
    // A line end first, as the core does it: a line torn before costs no other.
    writeFileSync(this.#fd, `\n{"named":${serial},"name":${quoteJson(name)}}\n`);
    if (isDurable) {
      fdatasyncSync(this.#fd);
    }
  }

  /**
   * The file is whole and has its name, or was there already.
   *
   * @param size its bytes
   */
  done(serial: number, size: number, more?: DoneMore): void {
    let line = `{"done":${serial},"size":${size}`;
    if (more !== undefined) {
      const { digest, version } = more;
      if (digest !== undefined) line += `,"digest":${quoteJson(digest)}`;
      if (version !== undefined) line += `,"version":${quoteJson(version)}`;
    }
    this.#write(`${line}}\n`);
  }

  /** No attempt is left. */
  fail(serial: number, { kind, code, message }: Failure): void {
    this.#write(
      `{"fail":${serial},"kind":"${kind}","code":${code},"message":${quoteJson(message)}}\n`,
    );
  }

  /**
   * The core has written plan lines. They are on the disk a little later at most: a power cut that leaves a file without
   * its bytes is to leave the line by which the next run knows it.
   */
  planned(): void {
    this.#planTimer ??= setTimeout(() => {
      this.#planTimer = undefined;
      fdatasync(this.#fd, () => {});
    }, PLAN_SYNC_MS).unref();
  }

  /** Lines go out together, some time after the first. */
  #write(line: string): void {
    this.#lines += line;
    if (this.#lines.length > MOST_HELD) {
      this.#send();
    } else {
      this.#timer ??= setTimeout(() => this.#send(), HOLD_MS);
    }
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#output.write(this.#lines);
    this.#lines = '';
  }

  /** Resolves when the ends so far are written, or cannot be: see `failure`. */
  flush(): Promise<void> {
    clearTimeout(this.#planTimer);
    this.#planTimer = undefined;
    this.#send();
    return this.#output.flush();
  }

  /**
   * Resolves when the ends so far, and all that the core wrote before, are on the disk, or cannot be: see `failure`. With
   * `--durable` only then may they be told. Calls during one are served together by the next, so it may be called after
   * every drain.
   */
  sync(): Promise<void> {
    this.#queued ??= this.#running.then(() => {
      this.#queued = undefined;
      this.#running = this.#sync();
      return this.#running;
    });
    return this.#queued;
  }

  async #sync(): Promise<void> {
    await this.flush();
    await new Promise<void>((resolve) =>
      fdatasync(this.#fd, (error) => {
        this.#syncFailure ??= error ?? undefined;
        resolve();
      }),
    );
  }

  /**
   * Why ends are lost, a full disk for example; tell it once, at the end. It costs the next run time and nothing else: a whole
   * file is found by its planned name.
   */
  get failure(): Error | undefined {
    return this.#output.failure ?? this.#syncFailure;
  }
}
