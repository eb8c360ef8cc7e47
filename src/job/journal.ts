/** The journal of a job: what an earlier run left, and the ends of this one. Its lines are those of `journal-lines`. */
import { fdatasync, fdatasyncSync, fstatSync, readFileSync, readSync, writeSync } from 'node:fs';
import { McurlError } from '../errors.ts';
import { quoteJson } from '../escape.ts';
import type { Entry } from '../list/entry.ts';
import { parseEntryText } from '../list/lines.ts';
import { Output } from '../output.ts';
import { type EntryState, type Found, JournalIndex } from './journal-index.ts';
import {
  type DoneMore,
  type Failure,
  type JournalVisitor,
  readJournal,
  readLine,
} from './journal-lines.ts';
import { type Names, withSuffix } from './names.ts';

export type { DoneMore, Failure } from './journal-lines.ts';

/** What the journal says of an entry; sizes are bytes. */
export interface Journalled {
  /** The entry's number in the journal. */
  readonly serial: number;
  /** `new`: no earlier run planned it, and it has no name yet. */
  readonly state: 'new' | EntryState;
  /** The final name it was given, reserved in `Names`; undefined when it is new. */
  readonly name: string | undefined;
  /** A server chose that name. */
  readonly isNamed: boolean;
  /** It was done: the size that its file had. One of another size, or one that failed or began since, is not whole. */
  readonly doneBytes: number | undefined;
  /** Done, and `keepValidators`: which version of the file it was. */
  readonly doneVersion: string | undefined;
  /** Not done: the version that `partName`.part holds, when one was begun; empty when it cannot be resumed. */
  readonly version: string | undefined;
  /** As `name`, unless that was chosen later. */
  readonly partName: string | undefined;
  /** So many bytes of `.part` are of that version for sure; undefined when all are. */
  readonly trustedBytes: number | undefined;
}

export interface JournalOptions {
  /** Make `take` tell the version of entries that are done (`--if-modified`). Default false. */
  readonly keepValidators?: boolean;
  /** Nothing that was done counts, but what an unfinished run with this option did (`--overwrite`). Default false. */
  readonly renew?: boolean;
  /** Ends the reading. */
  readonly signal?: AbortSignal;
  /** Which start of the machine this is, null when nothing tells. Default: Linux's own word. */
  readonly boot?: string | null;
}

/** Ends wait so long for others to be written with them: a write costs as much as twenty of them. */
const HOLD_MS = 100;
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
  { keepValidators = false, renew = false, signal, boot = bootId() }: JournalOptions = {},
): Promise<Journal> {
  const index = new JournalIndex(names, boot, keepValidators);
  let badLines = 0;
  for await (badLines of readJournal(fd, path, index, signal));
  const isNew = renew && !index.isRenewing;
  if (isNew) {
    index.renew(true);
  }
  index.seal();
  try {
    beginRun(fd, boot, isNew);
  } catch (cause) {
    throw new McurlError(
      'ERR_MCURL_JOURNAL',
      `cannot write the journal ${path}: ${(cause as Error).message}; choose another with --journal, or --no-journal`,
      { cause },
    );
  }
  return new Journal(fd, path, index, badLines);
}

function beginRun(fd: number, boot: string | null, isRenewed: boolean): void {
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1);
  const isTorn = size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
  const line = JSON.stringify({ job: 1, boot, at: new Date().toISOString() });
  writeSync(fd, `${isTorn ? '\n' : ''}${line}\n${isRenewed ? '{"renew":true}\n' : ''}`);
}

/** Linux makes a new one at each start; elsewhere what was written before a kill is not trusted. */
function bootId(): string | null {
  try {
    return readFileSync(BOOT_ID, 'latin1').trim() || null;
  } catch {
    return null;
  }
}

/** An open journal. Its plan, began and durable lines are the core's; see `NativeTarget.serial`. */
export class Journal {
  /** Lines of earlier runs that made no sense: a kill tears one at most, a full disk more. */
  readonly badLines: number;
  readonly #fd: number;
  readonly #path: string;
  readonly #index: JournalIndex;
  readonly #output: Output;
  /** Ends on their way to #output. */
  #lines = '';
  #timer: NodeJS.Timeout | undefined;
  #nextSerial: number;
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #syncFailure: Error | undefined;

  /** @see openJournal */
  constructor(fd: number, path: string, index: JournalIndex, badLines: number) {
    this.#fd = fd;
    this.#path = path;
    this.#index = index;
    this.#nextSerial = index.nextSerial;
    this.#output = new Output(fd);
    this.badLines = badLines;
  }

  /** Entries that earlier runs planned. */
  get count(): number {
    return this.#index.count;
  }

  /** Bytes that the index needs. */
  get bytes(): number {
    return this.#index.bytes;
  }

  /**
   * What the journal says of this run's next entry with that key: of equal entries the n-th gets what the n-th had.
   *
   * @param key the entry's list form (`entryText`)
   * @param plainName the name it would have alone: `output`, else `nameFromPath` of its first URL
   */
  take(key: string, plainName: string): Journalled {
    const found = this.#index.take(key);
    return found === undefined ? this.#new() : this.#known(found, plainName);
  }

  #new(): Journalled {
    const serial = this.#nextSerial;
    this.#nextSerial += 1;
    return {
      serial,
      state: 'new',
      name: undefined,
      isNamed: false,
      doneBytes: undefined,
      doneVersion: undefined,
      version: undefined,
      partName: undefined,
      trustedBytes: undefined,
    };
  }

  #known(found: Found, plainName: string): Journalled {
    const { serial, state, suffix, planAt, doneAt, began } = found;
    const line = planAt < 0 ? undefined : readLine(this.#fd, planAt);
    const more = doneAt < 0 ? undefined : readLine(this.#fd, doneAt);
    return {
      serial,
      state,
      name: line === undefined ? withSuffix(plainName, suffix) : line.name,
      isNamed: line?.isNamed ?? false,
      doneBytes: more?.size ?? found.size,
      doneVersion: state === 'done' ? more?.version : undefined,
      version: began?.version,
      partName: began?.name,
      trustedBytes: began === undefined || began.isSinceBoot ? undefined : began.durable,
    };
  }

  /**
   * The entries that failed in earlier runs, in the order of their serials, which count as lines. From here on `take`
   * finds no others.
   *
   * @throws the signal's AbortError
   */
  async *failedEntries(signal?: AbortSignal): AsyncGenerator<Entry[]> {
    this.#index.keepFailed();
    let entries: Entry[] = [];
    const plan: JournalVisitor['plan'] = (serial, bytes, from, to) => {
      if (this.#index.stateOf(serial) === 'failed') {
        const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString();
        entries.push({ ...parseEntryText(text), line: serial + 1 });
      }
    };
    const ignore = () => {};
    const visitor = {
      job: ignore,
      plan,
      renew: ignore,
      named: ignore,
      began: ignore,
      durable: ignore,
      done: ignore,
      fail: ignore,
    };
    for await (const _ of readJournal(this.#fd, this.#path, visitor, signal)) {
      if (entries.length > 0) {
        yield entries;
        entries = [];
      }
    }
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
    writeSync(this.#fd, `\n{"named":${serial},"name":${quoteJson(name)}}\n`);
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
