/** A list, one URL a line: bytes to entries, chunk by chunk, never the whole list. */
import { accessSync, constants, createReadStream, statSync } from 'node:fs';
import { addAbortSignal, pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UsageError } from '../errors.ts';

/** One item of a list, as the user wrote it. */
export interface Entry {
  /** Line in the list, from 1. */
  readonly line: number;
  /** The line without surrounding blanks; the beginning of it when it is too long. */
  readonly text: string;
  /** Why the line is bad, for people; undefined when it may be a URL. */
  readonly problem: string | undefined;
  /** The name it is to have. */
  readonly output?: string;
}

const CHUNK_BYTES = 64 * 1024;
/** UTF-16 units; a longer line is bad. */
const MAX_LINE = 64 * 1024;
/** A line of that many bytes is longer than MAX_LINE in any script. */
const MAX_CARRY_BYTES = 3 * MAX_LINE;
const EXCERPT = 100;

const LF = 0x0a;
const HASH = 0x23;
const EMPTY: Buffer = Buffer.alloc(0);

/** What an entry must not hold: C0, DEL and C1 controls, and what invalid UTF-8 decodes to. */
const FORBIDDEN = /[\p{Cc}\ufffd]/u;
/** Finds a chunk that may hold FORBIDDEN; line ends do not count. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for, and \p{Cc} is slower.
const SUSPICIOUS = /[\0-\t\v\f\x0e-\x1f\x7f-\x9f\ufffd]|\r(?!\n)/;

/** Space, tab, CR, VT, FF: what may surround an entry. */
export function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d && code !== LF);
}

/** What forbids `text` as an entry whatever it means; undefined when nothing does. */
export function textProblem(text: string): string | undefined {
  if (text.length > MAX_LINE) {
    return 'the line is longer than 64 KiB';
  }
  const found = FORBIDDEN.exec(text)?.[0];
  if (found === undefined) {
    return undefined;
  }
  if (found === '\ufffd') {
    return 'the line is not valid UTF-8';
  }
  const code = found.charCodeAt(0).toString(16).padStart(2, '0');
  return `the line holds a control character (0x${code}): percent-encode it as %${code.toUpperCase()}`;
}

/** Cuts bytes into entries: drops blank lines, `#` comments, a BOM, CR, and the blanks around an entry. */
export class LineSplitter {
  #line = 0;
  #carry: Buffer = EMPTY;
  #isStart = true;
  /** The rest of an over-long line is passing by. */
  #isSkipping = false;

  /** Lines that are complete so far. */
  get line(): number {
    return this.#line;
  }

  push(chunk: Buffer): Entry[] {
    const entries: Entry[] = [];
    let bytes = this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk]);
    this.#carry = EMPTY;
    if (this.#isStart) {
      if (bytes.length < 3) {
        this.#carry = bytes;
        return entries;
      }
      this.#isStart = false;
      bytes = withoutBom(bytes);
    }
    if (this.#isSkipping) {
      const newline = bytes.indexOf(LF);
      if (newline < 0) {
        return entries;
      }
      this.#isSkipping = false;
      this.#line += 1;
      bytes = bytes.subarray(newline + 1);
    }
    const end = bytes.lastIndexOf(LF) + 1;
    this.#split(bytes.toString('utf8', 0, end), entries);
    this.#carry = bytes.subarray(end);
    if (this.#carry.length > MAX_CARRY_BYTES) {
      this.#overflow(entries);
    }
    return entries;
  }

  /** The last line, when no newline ended it. */
  end(): Entry[] {
    const entries: Entry[] = [];
    this.#split(`${withoutBom(this.#carry).toString('utf8')}\n`, entries);
    this.#carry = EMPTY;
    return entries;
  }

  /** `text` is whole lines, each with its newline. */
  #split(text: string, entries: Entry[]): void {
    const isSuspicious = SUSPICIOUS.test(text);
    let start = 0;
    for (let newline = text.indexOf('\n'); newline >= 0; newline = text.indexOf('\n', start)) {
      this.#line += 1;
      let from = start;
      let to = newline;
      start = newline + 1;
      while (from < to && isBlank(text.charCodeAt(from))) {
        from += 1;
      }
      while (to > from && isBlank(text.charCodeAt(to - 1))) {
        to -= 1;
      }
      if (from === to || text.charCodeAt(from) === HASH) {
        continue;
      }
      const entry = text.slice(from, to);
      if (isSuspicious || entry.length > MAX_LINE) {
        entries.push(checked(this.#line, entry));
      } else {
        entries.push({ line: this.#line, text: entry, problem: undefined });
      }
    }
  }

  /** Forgets all of an over-long line but its beginning, so that a list without newlines costs no memory. */
  #overflow(entries: Entry[]): void {
    let from = 0;
    while (from < this.#carry.length && isBlank(this.#carry[from] as number)) {
      from += 1;
    }
    // Blanks before an entry mean nothing, however many: the line may still begin.
    this.#carry = this.#carry.subarray(from);
    if (this.#carry.length > MAX_CARRY_BYTES) {
      const text = this.#carry.toString('utf8');
      this.#carry = EMPTY;
      this.#isSkipping = true;
      if (text.charCodeAt(0) !== HASH) {
        entries.push(checked(this.#line + 1, text));
      }
    }
  }
}

function checked(line: number, text: string): Entry {
  const problem = textProblem(text);
  return { line, text: text.length > MAX_LINE ? `${text.slice(0, EXCERPT)}…` : text, problem };
}

export function withoutBom(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

export function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function isUtf16(bytes: Buffer): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
}

/**
 * Looks whether a list can be read, before anything starts.
 *
 * @throws UsageError `ERR_MCURL_LIST` when it is missing, a directory, or may not be read
 */
export function checkList(path: string): void {
  if (path === '-') {
    return;
  }
  try {
    if (statSync(path).isDirectory()) {
      throw new UsageError('ERR_MCURL_LIST', `${path} is a directory: name a list file in it`);
    }
    accessSync(path, constants.R_OK);
  } catch (cause) {
    if (cause instanceof UsageError) {
      throw cause;
    }
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new UsageError(
      'ERR_MCURL_LIST',
      code === 'ENOENT' || code === 'ENOTDIR'
        ? `no list file ${path}: if it is a URL, type its scheme (https://${path})`
        : `cannot read the list ${path}: ${message}`,
      { cause },
    );
  }
}

/**
 * The entries of a file or of stdin (`-`), plain or gzip by content, a batch for each chunk that was read.
 * What stops the reading half-way becomes a last, bad entry.
 *
 * @throws the signal's AbortError
 */
export async function* readList(path: string, signal: AbortSignal): AsyncGenerator<Entry[]> {
  const splitter = new LineSplitter();
  try {
    for await (const chunk of decompressed(path, signal)) {
      const entries = splitter.push(chunk);
      if (entries.length > 0) {
        yield entries;
      }
    }
    yield splitter.end();
  } catch (error) {
    signal.throwIfAborted();
    const problem = `the list cannot be read further: ${(error as Error).message}`;
    yield [{ line: splitter.line + 1, text: path, problem }];
  }
}

async function* decompressed(path: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const input =
    path === '-' ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES });
  addAbortSignal(signal, input);
  const chunks: AsyncIterator<Buffer> = input[Symbol.asyncIterator]();
  let head: Buffer = EMPTY;
  while (head.length < 2) {
    const next = await chunks.next();
    if (next.done === true) {
      break;
    }
    head = Buffer.concat([head, next.value]);
  }
  if (isUtf16(head)) {
    throw new Error('it is UTF-16; save it as UTF-8');
  }
  const bytes = rejoined(head, chunks);
  if (isGzip(head)) {
    // The callback is there because pipeline wants one: the error reaches us by the iteration.
    yield* pipeline(bytes, createGunzip({ chunkSize: CHUNK_BYTES }), () => {});
  } else {
    yield* bytes;
  }
}

async function* rejoined(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) {
    yield head;
  }
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    yield next.value;
  }
}
