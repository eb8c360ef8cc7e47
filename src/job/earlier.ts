/** What earlier runs wrote into a journal. Loaded by a job that continues one, and by nobody else. */
import { type Entry, keyOf } from '../list/entry.ts';
import { parseEntryText } from '../list/lines.ts';
import { type EntryState, type Found, JournalIndex, type Tie } from './journal-index.ts';
import { type JournalVisitor, readJournal, readLine } from './journal-lines.ts';
import { type Names, withSuffix } from './names.ts';

/** What the journal says of an entry; sizes are bytes. */
export interface Journalled {
  /** The entry's number in the journal. */
  readonly serial: number;
  /** `new`: no earlier run planned it, and it has no name yet. */
  readonly state: 'new' | EntryState;
  /** Its list form in its last plan line; undefined when it is new. With another one it is to be planned again. */
  readonly text: string | undefined;
  /** The final name it was given, reserved in `Names`; undefined when it is new. */
  readonly name: string | undefined;
  /** A server chose that name. */
  readonly isNamed: boolean;
  /** It was done: the size that its file had. One of another size, or one that failed or began since, is not whole. */
  readonly doneBytes: number | undefined;
  /**
   * Never done, and planned before the machine was last started: a file of its name may be one that a power cut took the bytes
   * of, and the line that it was done.
   */
  readonly isUnsure: boolean;
  /** Done, and `keepValidators`: which version of the file it was. */
  readonly doneVersion: string | undefined;
  /** Not done: the version that `partName`.part holds, when one was begun; empty when it cannot be resumed. */
  readonly version: string | undefined;
  /** What must vouch for that `.part`. */
  readonly tie: Tie;
  /** As `name`, unless that was chosen later. */
  readonly partName: string | undefined;
  /** So many bytes of `.part` are of that version for sure; undefined when all are. */
  readonly trustedBytes: number | undefined;
}

export interface EarlierOptions {
  /** Make `take` tell the version of entries that are done (`--if-modified`). */
  readonly keepValidators: boolean;
  /** Nothing that was done counts, but what an unfinished run with this option did (`--overwrite`). */
  readonly renew: boolean;
  /** Ends the reading. */
  readonly signal: AbortSignal | undefined;
  /** Which start of the machine this is, null when nothing tells. */
  readonly boot: string | null;
}

/**
 * Reads a journal. Every name in it is reserved in `names`, so it must be called before any other name is taken.
 *
 * @param fd open for reading as long as the result is in use
 * @param path for messages
 * @throws UsageError `ERR_MCURL_JOURNAL` when the file is no journal; the signal's AbortError; the system's error
 */
export async function readEarlier(
  fd: number,
  path: string,
  names: Names,
  { keepValidators, renew, signal, boot }: EarlierOptions,
): Promise<Earlier> {
  const index = new JournalIndex(names, boot, keepValidators);
  let badLines = 0;
  for await (badLines of readJournal(fd, path, index, signal));
  const { isRenewing } = index;
  if (renew && !isRenewing) {
    index.renew(true);
  }
  index.seal();
  return new Earlier(fd, path, index, isRenewing, badLines);
}

export class Earlier {
  /** A run that was to fetch all again has not tried all. */
  readonly isRenewing: boolean;
  /** Lines that made no sense: a kill tears one at most, a full disk more. */
  readonly badLines: number;
  readonly #fd: number;
  readonly #path: string;
  readonly #index: JournalIndex;

  /** @see readEarlier */
  constructor(
    fd: number,
    path: string,
    index: JournalIndex,
    isRenewing: boolean,
    badLines: number,
  ) {
    this.#fd = fd;
    this.#path = path;
    this.#index = index;
    this.isRenewing = isRenewing;
    this.badLines = badLines;
  }

  /** Entries that were planned. */
  get count(): number {
    return this.#index.count;
  }

  /** Beyond every serial given. */
  get nextSerial(): number {
    return this.#index.nextSerial;
  }

  /** Bytes that the index needs. */
  get bytes(): number {
    return this.#index.bytes;
  }

  /** An entry that is not done was not taken. */
  get hasOthers(): boolean {
    return this.#index.hasOthers;
  }

  /** As `Journal.take`; undefined when no earlier run planned it. */
  take(text: string, plainName: string): Journalled | undefined {
    const key = keyOf(text);
    const found = this.#index.take(key);
    return found && this.#known(found, key, plainName);
  }

  /** A hash that the file of a done entry has, as its line says; undefined when it says none. */
  digestOf(serial: number): string | undefined {
    const doneAt = this.#index.doneAt(serial);
    return doneAt < 0 ? undefined : readLine(this.#fd, doneAt).digest;
  }

  #known(found: Found, key: string, plainName: string): Journalled {
    const { serial, state, isSure, suffix, nameAt, textAt, doneAt, began, tie } = found;
    const line = nameAt < 0 ? undefined : readLine(this.#fd, nameAt);
    const more = doneAt < 0 ? undefined : readLine(this.#fd, doneAt);
    return {
      serial,
      state,
      text: textAt < 0 ? key : readLine(this.#fd, textAt).entry,
      name: line === undefined ? withSuffix(plainName, suffix) : line.name,
      isNamed: line?.isNamed ?? false,
      doneBytes: more?.size ?? found.size,
      isUnsure: found.size === undefined && !isSure,
      doneVersion: state === 'done' ? more?.version : undefined,
      version: began?.version,
      tie,
      partName: began?.name,
      trustedBytes: began === undefined || began.isSinceBoot ? undefined : began.durable,
    };
  }

  /**
   * The entries that are not done, as they were planned last; their serials count as lines. From here on `take` finds no
   * others.
   *
   * @throws the signal's AbortError
   */
  async *unfinished(signal?: AbortSignal): AsyncGenerator<Entry[]> {
    this.#index.keepUnfinished();
    let entries: Entry[] = [];
    const plan: JournalVisitor['plan'] = (serial, bytes, from, to, _name, offset) => {
      const state = this.#index.stateOf(serial);
      if ((state === 'open' || state === 'failed') && this.#index.isLast(serial, offset)) {
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
}
