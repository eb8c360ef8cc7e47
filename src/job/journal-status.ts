/** What a journal tells about its job, without disturbing it. */
import { closeSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, UsageError } from '../errors.ts';
import { MAX_GAP } from './journal-index.ts';
import { type Failure, type JournalVisitor, readJournal } from './journal-lines.ts';
import { JOURNAL } from './place.ts';

/** Entries by how they stand. */
export interface EntryCounts {
  done: number;
  /** Every attempt ended in failure. */
  failed: number;
  /** Planned and neither done nor failed: in flight, or what a run left. */
  open: number;
  /** Of the files that are done. */
  bytes: number;
}

/** Entries that failed in one way at one host. */
export interface FailedGroup {
  readonly kind: string;
  readonly host: string;
  readonly count: number;
  /** The exit code that it makes. */
  readonly code: number;
  /** Of one of them; empty when that one is not among them any more. */
  readonly message: string;
}

export interface JournalStatus extends EntryCounts {
  readonly path: string;
  /** Lines that made no sense. */
  readonly badLines: number;
  /** 0 when all is done; else the lowest code of what failed, where what is open counts as 8. */
  readonly exitCode: number;
  /** Scheme, host and port, without user and password; most not done first. Beyond 10,000 hosts: `other`. */
  readonly hosts: readonly (EntryCounts & { readonly host: string })[];
  /** Most first. */
  readonly failures: readonly FailedGroup[];
}

const MAX_HOSTS = 10_000;
const OTHER = 'other';

/**
 * Reads a journal as it is now; a job may be writing it. It is not locked.
 *
 * @param path the journal, or the output directory where a job keeps it
 * @throws UsageError `ERR_MCURL_JOURNAL` when there is none or it is something else
 */
export async function readJournalStatus(path: string): Promise<JournalStatus> {
  let file = path;
  let fd: number;
  try {
    file = statSync(path).isDirectory() ? join(path, JOURNAL) : path;
    fd = openSync(file, 'r');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new UsageError(
      'ERR_MCURL_JOURNAL',
      code === 'ENOENT' || code === 'ENOTDIR'
        ? `no journal ${file}: none was begun, or all of it is done (it goes then, unless --journal names it)`
        : `cannot read the journal ${file}: ${message}`,
      { cause },
    );
  }
  try {
    const counter = new Counter();
    let badLines = 0;
    for await (badLines of readJournal(fd, file, counter));
    return { path: file, badLines, ...counter.status() };
  } finally {
    closeSync(fd);
  }
}

/** Entries at one host that stand in one way. */
interface Group {
  readonly host: string;
  /** `done`, `open`, or the kind of a failure. */
  readonly state: string;
  readonly isFailed: boolean;
  count: number;
  bytes: number;
  code: number;
  /** Of the entry with this serial; -1 is none. */
  message: string;
  example: number;
}

/** Counts the latest word on each entry, in 12 bytes an entry. */
class Counter implements JournalVisitor {
  readonly #groups: Group[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #hosts = new Set<string>();
  #nextSerial = 0;
  /** Number of the entry's group, from 1; 0: the journal has no such entry. */
  #group = new Uint32Array(1024);
  /** Bytes of it while it is done. */
  #size = new Float64Array(1024);

  job(): void {}

  renew(isBegun: boolean): void {
    for (let serial = 0; isBegun && serial < this.#nextSerial; serial += 1) {
      const number = this.#group[serial] as number;
      if (number !== 0 && this.#groups[number - 1]?.state === 'done') {
        this.#join(serial, this.#leave(serial), 'open', false);
      }
    }
  }

  plan(serial: number, bytes: Uint8Array, from: number, to: number): void {
    if (this.#has(serial) || serial >= this.#nextSerial + MAX_GAP) {
      return;
    }
    this.#nextSerial = Math.max(this.#nextSerial, serial + 1);
    this.#grow();
    const host = hostIn(bytes, from, to);
    const isKnown = this.#hosts.has(host) || this.#hosts.size < MAX_HOSTS;
    this.#hosts.add(isKnown ? host : OTHER);
    this.#join(serial, isKnown ? host : OTHER, 'open', false);
  }

  named(): void {}

  began(serial: number): void {
    if (this.#has(serial)) {
      this.#join(serial, this.#leave(serial), 'open', false);
    }
  }

  durable(): void {}

  done(serial: number, size: number): void {
    if (this.#has(serial)) {
      this.#join(serial, this.#leave(serial), 'done', false).bytes += size;
      this.#size[serial] = size;
    }
  }

  fail(serial: number, { kind, code, message }: Failure): void {
    if (this.#has(serial)) {
      const group = this.#join(serial, this.#leave(serial), kind, true);
      group.code = code;
      if (group.example < 0) {
        group.example = serial;
        group.message = message;
      }
    }
  }

  status(): Omit<JournalStatus, 'path' | 'badLines'> {
    const all: EntryCounts = { done: 0, failed: 0, open: 0, bytes: 0 };
    const hosts = new Map<string, EntryCounts & { readonly host: string }>();
    const failures: FailedGroup[] = [];
    let exitCode: number = EXIT.ok;
    for (const { host, state, isFailed, count, bytes, code, message } of this.#groups) {
      if (count === 0) {
        continue;
      }
      const ofHost = hosts.get(host) ?? { host, done: 0, failed: 0, open: 0, bytes: 0 };
      hosts.set(host, ofHost);
      for (const counts of [all, ofHost]) {
        counts[isFailed ? 'failed' : (state as 'done' | 'open')] += count;
        counts.bytes += bytes;
      }
      if (isFailed) {
        failures.push({ kind: state, host, count, code, message });
      }
      const itsCode = isFailed ? code : state === 'open' ? EXIT.server : EXIT.ok;
      exitCode = exitCode === EXIT.ok ? itsCode : Math.min(exitCode, itsCode || exitCode);
    }
    const rest = (counts: EntryCounts) => counts.failed + counts.open;
    return {
      ...all,
      exitCode,
      hosts: [...hosts.values()].sort((a, b) => rest(b) - rest(a) || b.done - a.done),
      failures: failures.sort((a, b) => b.count - a.count),
    };
  }

  #has(serial: number): boolean {
    return serial < this.#nextSerial && this.#group[serial] !== 0;
  }

  /** Gives the host of the group that the entry was in. */
  #leave(serial: number): string {
    const group = this.#groups[(this.#group[serial] as number) - 1] as Group;
    group.count -= 1;
    group.bytes -= this.#size[serial] as number;
    this.#size[serial] = 0;
    if (group.example === serial) {
      group.example = -1;
      group.message = '';
    }
    return group.host;
  }

  #join(serial: number, host: string, state: string, isFailed: boolean): Group {
    const key = `${isFailed ? 'failed ' : ''}${state} ${host}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      const counts = { count: 0, bytes: 0, code: 0 };
      number = this.#groups.push({ host, state, isFailed, ...counts, message: '', example: -1 });
      this.#numbers.set(key, number);
    }
    this.#group[serial] = number;
    const group = this.#groups[number - 1] as Group;
    group.count += 1;
    return group;
  }

  #grow(): void {
    if (this.#nextSerial > this.#group.length) {
      const length = Math.max(this.#nextSerial, 2 * this.#group.length);
      const [group, size] = [this.#group, this.#size];
      this.#group = new Uint32Array(length);
      this.#group.set(group);
      this.#size = new Float64Array(length);
      this.#size.set(size);
    }
  }
}

const SLASH = 0x2f;
const AT = 0x40;

/** Scheme, host and port of the first URL of a key, which is an href. */
function hostIn(bytes: Uint8Array, from: number, to: number): string {
  let at = from;
  while (at < to && bytes[at] !== SLASH) {
    at += 1;
  }
  const authority = Math.min(at + 2, to);
  let start = authority;
  for (at = authority; at < to && bytes[at] !== SLASH; at += 1) {
    if (bytes[at] === AT) {
      start = at + 1;
    }
  }
  return latin1(bytes, from, authority) + latin1(bytes, start, at);
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}
