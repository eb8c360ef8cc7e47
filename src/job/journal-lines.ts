/** The lines of a journal: read back chunk by chunk, whatever a crash has made of them. */
import { fstatSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { UsageError } from '../errors.ts';

/** What a `done` line may say besides the size. */
export interface DoneMore {
  /** A hash of it, `TYPE=HEX`: that which a checksum asked for, else sha-256. */
  readonly digest?: string;
  /** Which version of the file it is, as `Details` has it. */
  readonly version?: string;
}

/** Why an entry failed. */
export interface Failure {
  /** A `FailureKind`. */
  readonly kind: string;
  /** An `ExitCode`. */
  readonly code: number;
  readonly message: string;
}

/**
 * Is told each line, in order. A serial is a whole number below 2^31, the number of an entry by its first appearance
 * in this journal; `offset` is where the line begins in the file, sizes are bytes.
 */
export interface JournalVisitor {
  /** A run began. `boot`: which start of the machine it was, null when nothing tells. */
  job(boot: string | null): void;
  /** All is to be fetched again, whatever was done before (`--overwrite`); or, not `isBegun`, all of it was tried. */
  renew(isBegun: boolean): void;
  /** An entry got its name; `bytes[from, to)` is its list form in UTF-8. A later one says what it asks for since then. */
  plan(
    serial: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    name: string,
    offset: number,
  ): void;
  /** It is to have another final name than the planned one: a server chose it. */
  named(serial: number, name: string, offset: number): void;
  /** From here on `name`.part holds this version; empty when nothing can be resumed. */
  began(serial: number, name: string, version: string): void;
  /** So much of that version is on the disk. */
  durable(serial: number, size: number): void;
  /** `more` is undefined when the line says nothing else. */
  done(serial: number, size: number, more: DoneMore | undefined, offset: number): void;
  fail(serial: number, failure: Failure): void;
}

const FIRST = '{"job":1,';
const CHUNK_BYTES = 1024 * 1024;
/** No line of ours is as long: an entry has at most 64 Ki characters. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;
const MAX_SERIAL = 2 ** 31;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LF = 0x0a;

const readAsync = promisify(read);

/**
 * Reads a journal from its beginning to its present end; it may grow meanwhile. A line that makes no sense is passed over:
 * a crash tears the last one, and a full disk any. What was appended to a torn one is found all the same.
 *
 * @yields after each chunk how many lines made no sense so far
 * @throws UsageError `ERR_MCURL_JOURNAL` when the file is none of ours; the signal's AbortError
 */
export async function* readJournal(
  fd: number,
  path: string,
  visitor: JournalVisitor,
  signal?: AbortSignal,
): AsyncGenerator<number> {
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    throw notJournal(path);
  }
  let buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  /** Bytes of an unfinished line at the beginning of the buffer, and where in the file the buffer begins. */
  let carry = 0;
  let base = 0;
  let badLines = 0;
  let isSkipping = false;
  while (base + carry < stat.size) {
    signal?.throwIfAborted();
    const { bytesRead } = await readAsync(fd, buffer, carry, buffer.length - carry, base + carry);
    const end = carry + bytesRead;
    if (base === 0 && carry === 0 && !isBeginning(buffer, end)) {
      throw notJournal(path);
    }
    let from = 0;
    for (let to = buffer.indexOf(LF); to >= 0 && to < end; to = buffer.indexOf(LF, from)) {
      if (isSkipping) {
        isSkipping = false;
      } else if (from < to && !tellOrRecover(buffer, from, to, base + from, visitor)) {
        badLines += 1;
      }
      from = to + 1;
    }
    if (bytesRead === 0) {
      return; // It was cut short meanwhile.
    }
    if (base + end >= stat.size) {
      // The last line, complete but for its newline, or torn.
      if (from < end && !isSkipping && !tellOrRecover(buffer, from, end, base + from, visitor)) {
        badLines += 1;
      }
      yield badLines;
      return;
    }
    if (from === 0 && end === buffer.length) {
      if (buffer.length < MAX_LINE_BYTES) {
        buffer = Buffer.concat([buffer], 2 * buffer.length);
      } else {
        badLines += isSkipping ? 0 : 1;
        isSkipping = true;
        from = end;
      }
    }
    buffer.copyWithin(0, from, end);
    carry = end - from;
    base += from;
    yield badLines;
  }
}

function notJournal(path: string): UsageError {
  return new UsageError(
    'ERR_MCURL_JOURNAL',
    `${path} is no journal of mcurl: name another file, or remove it to begin anew`,
  );
}

/**
 * Whether a file that begins so may be ours: with the first line of a run. Before it there may be nothing but what earlier runs
 * left of theirs: torn pieces, and zeros after a power cut.
 */
function isBeginning(bytes: Buffer, end: number): boolean {
  let from = 0;
  while (from < end) {
    if (bytes.toString('latin1', from, Math.min(end, from + FIRST.length)) === FIRST) {
      return true;
    }
    const newline = bytes.indexOf(LF, from);
    const to = newline < 0 || newline > end ? end : newline;
    const isTorn = to - from < FIRST.length && FIRST.startsWith(bytes.toString('latin1', from, to));
    if (!isTorn && bytes.subarray(from, to).some((byte) => byte !== 0)) {
      return false;
    }
    from = to + 1;
  }
  return true;
}

function tellOrRecover(
  bytes: Buffer,
  from: number,
  to: number,
  offset: number,
  visitor: JournalVisitor,
): boolean {
  if (tell(bytes, from, to, offset, visitor)) {
    return true;
  }
  // Our lines hold no object within an object, and JSON writes no {" within a string.
  const again = bytes.subarray(from, to).lastIndexOf('{"');
  if (again > 0) {
    tell(bytes, from + again, to, offset + again, visitor);
  }
  return false;
}

/** Tells the line `bytes[from, to)`; false when it makes no sense. */
function tell(
  bytes: Buffer,
  from: number,
  to: number,
  offset: number,
  visitor: JournalVisitor,
): boolean {
  return tellQuickly(bytes, from, to, offset, visitor) || tellAny(bytes, from, to, offset, visitor);
}

const PLAN = Buffer.from('{"plan":');
const ENTRY = Buffer.from(',"entry":"');
const NAME = Buffer.from('","name":"');
const DONE = Buffer.from('{"done":');
const SIZE = Buffer.from(',"size":');

function has(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[at + index] !== text[index]) {
      return false;
    }
  }
  return true;
}

/** Where the digits from `at` on end; their value is left in `digits`. At most 15, which a double holds. */
function digitsEnd(bytes: Buffer, at: number): number {
  let value = 0;
  let end = at;
  for (; end < at + 15; end += 1) {
    const digit = (bytes[end] as number) - 0x30;
    if (!(digit >= 0 && digit <= 9)) {
      break;
    }
    value = 10 * value + digit;
  }
  digits = value;
  return end;
}
let digits = 0;

/** Where the string ends whose characters begin at `at`, when it is ASCII without escapes; else -1. */
function plainEnd(bytes: Buffer, at: number, to: number): number {
  for (let end = at; end < to; end += 1) {
    const byte = bytes[end] as number;
    if (byte === QUOTE) {
      return end;
    }
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) {
      return -1;
    }
  }
  return -1;
}

/** The two kinds of line that there are millions of, as we write them; false for anything else. */
function tellQuickly(
  bytes: Buffer,
  from: number,
  to: number,
  offset: number,
  visitor: JournalVisitor,
): boolean {
  if (has(bytes, from, PLAN)) {
    const digitsAt = from + PLAN.length;
    const afterSerial = digitsEnd(bytes, digitsAt);
    const serial = digits;
    const keyAt = afterSerial + ENTRY.length;
    if (afterSerial === digitsAt || serial >= MAX_SERIAL || !has(bytes, afterSerial, ENTRY)) {
      return false;
    }
    const keyEnd = plainEnd(bytes, keyAt, to);
    if (keyEnd < 0 || !has(bytes, keyEnd, NAME)) {
      return false;
    }
    const nameAt = keyEnd + NAME.length;
    const nameEnd = plainEnd(bytes, nameAt, to);
    if (nameEnd !== to - 2 || bytes[to - 1] !== 0x7d) {
      return false;
    }
    visitor.plan(serial, bytes, keyAt, keyEnd, bytes.toString('latin1', nameAt, nameEnd), offset);
    return true;
  }
  if (has(bytes, from, DONE)) {
    const digitsAt = from + DONE.length;
    const afterSerial = digitsEnd(bytes, digitsAt);
    const serial = digits;
    if (afterSerial === digitsAt || serial >= MAX_SERIAL || !has(bytes, afterSerial, SIZE)) {
      return false;
    }
    const sizeAt = afterSerial + SIZE.length;
    const afterSize = digitsEnd(bytes, sizeAt);
    if (afterSize === sizeAt || afterSize !== to - 1 || bytes[afterSize] !== 0x7d) {
      return false;
    }
    visitor.done(serial, digits, undefined, offset);
    return true;
  }
  return false;
}

const KINDS: ReadonlySet<string> = new Set(['plan', 'named', 'began', 'durable', 'done', 'fail']);

/** Any line. */
function tellAny(
  bytes: Buffer,
  from: number,
  to: number,
  offset: number,
  visitor: JournalVisitor,
): boolean {
  const line = parseObject(bytes.toString('utf8', from, to));
  const kind = line === undefined ? undefined : Object.keys(line)[0];
  if (line === undefined || kind === undefined) {
    return false;
  }
  if (kind === 'job') {
    const { boot } = line;
    visitor.job(typeof boot === 'string' && boot !== '' ? boot : null);
    return true;
  }
  if (kind === 'renew') {
    visitor.renew(line[kind] === true);
    return true;
  }
  const serial = line[kind];
  if (!KINDS.has(kind)) {
    return true; // A later mcurl may write more.
  }
  if (!isWhole(serial, MAX_SERIAL)) {
    return false;
  }
  const { entry, name, version, size } = line;
  if (kind === 'plan' && typeof entry === 'string' && typeof name === 'string') {
    const text = Buffer.from(entry);
    visitor.plan(serial, text, 0, text.length, name, offset);
    return true;
  }
  if (kind === 'named' && typeof name === 'string') {
    visitor.named(serial, name, offset);
    return true;
  }
  if (kind === 'began' && typeof name === 'string' && typeof version === 'string') {
    visitor.began(serial, name, version);
    return true;
  }
  if (kind === 'durable' && isWhole(size)) {
    visitor.durable(serial, size);
    return true;
  }
  if (kind === 'done' && isWhole(size)) {
    visitor.done(serial, size, doneMore(line), offset);
    return true;
  }
  if (kind === 'fail') {
    const { kind: failureKind, code, message } = line;
    if (typeof failureKind === 'string' && isWhole(code, 256) && typeof message === 'string') {
      visitor.fail(serial, { kind: failureKind, code, message });
      return true;
    }
  }
  return false;
}

function doneMore({ digest, version }: Readonly<Record<string, unknown>>): DoneMore {
  const more: { digest?: string; version?: string } = {};
  if (typeof digest === 'string') more.digest = digest;
  if (typeof version === 'string') more.version = version;
  return more;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function isWhole(value: unknown, limit: number = Number.MAX_SAFE_INTEGER): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < limit;
}

/** A plan, named or done line. */
export interface Line extends DoneMore {
  readonly entry?: string;
  readonly name?: string;
  readonly isNamed: boolean;
  readonly size?: number;
}

/** What the line at `offset` says, which was told before. */
export function readLine(fd: number, offset: number): Line {
  let buffer = Buffer.allocUnsafe(4096);
  for (;;) {
    const bytesRead = readSync(fd, buffer, 0, buffer.length, offset);
    const end = buffer.subarray(0, bytesRead).indexOf(LF);
    if (end >= 0 || bytesRead < buffer.length) {
      const line = parseObject(buffer.toString('utf8', 0, end < 0 ? bytesRead : end)) ?? {};
      const { size, entry, name } = line;
      return {
        ...doneMore(line),
        ...(isWhole(size) ? { size } : undefined),
        ...(typeof entry === 'string' ? { entry } : undefined),
        ...(typeof name === 'string' ? { name } : undefined),
        isNamed: 'named' in line,
      };
    }
    buffer = Buffer.allocUnsafe(2 * buffer.length);
  }
}
