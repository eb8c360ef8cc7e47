/** A list, one URL a line: bytes to entries, chunk by chunk, never the whole list. */
import { accessSync, constants, createReadStream, statSync } from 'node:fs';
import { addAbortSignal, pipeline } from 'node:stream';
import { UsageError } from '../errors.ts';
import { type Entry, parseOption, withOption } from './entry.ts';

const CHUNK_BYTES = 64 * 1024;
/** UTF-16 units; a longer line is bad. */
const MAX_LINE = 64 * 1024;
/** A line of that many bytes is longer than MAX_LINE in any script. */
const MAX_CARRY_BYTES = 3 * MAX_LINE;
const EXCERPT = 100;
/** An entry at the end of what a pipe gave so far waits so long for its options. */
const PAUSE_MS = 500;

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

/**
 * Cuts bytes into entries: drops blank lines, `#` comments, a BOM, CR, and the blanks around an entry. The last entry is held back,
 * as its options may follow: indented lines `name=value`.
 */
export class LineSplitter {
  readonly #isOurs: boolean;
  /** The last entry, when it may get options. */
  #held: Entry | undefined;
  #line = 0;
  #carry: Buffer = EMPTY;
  #isStart = true;
  /** The rest of an over-long line is passing by. */
  #isSkipping = false;

  /** @param isOurs the bytes are of our own writing: what may be refused in a list was given otherwise */
  constructor(isOurs = false) {
    this.#isOurs = isOurs;
  }

  /** Lines that are complete so far. */
  get line(): number {
    return this.#line;
  }

  push(chunk: Buffer): Entry[] {
    const entries = this.release();
    this.#push(chunk, entries);
    this.#held = entries.pop();
    return entries;
  }

  /** Nothing has come for a while: an entry is held back no longer, unless half a line is there already. */
  pause(): Entry[] {
    return this.#carry.length === 0 ? this.release() : [];
  }

  /** The entry that is held back; an option that comes later has no entry. */
  release(): Entry[] {
    const entries = this.#held === undefined ? [] : [this.#held];
    this.#held = undefined;
    return entries;
  }

  #push(chunk: Buffer, entries: Entry[]): void {
    let bytes = this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk]);
    this.#carry = EMPTY;
    if (this.#isStart) {
      if (bytes.length < 3) {
        this.#carry = bytes;
        return;
      }
      this.#isStart = false;
      bytes = withoutBom(bytes);
    }
    if (this.#isSkipping) {
      const newline = bytes.indexOf(LF);
      if (newline < 0) {
        return;
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
  }

  /** The entry held back, and the last line, when no newline ended it. */
  end(): Entry[] {
    const entries = this.release();
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
      while (from < to && isBlank(text.charCodeAt(from))) {
        from += 1;
      }
      while (to > from && isBlank(text.charCodeAt(to - 1))) {
        to -= 1;
      }
      const isIndented = from > start;
      start = newline + 1;
      if (from === to || text.charCodeAt(from) === HASH) {
        continue;
      }
      const entry = text.slice(from, to);
      const option = isIndented ? parseOption(entry) : undefined;
      if (option !== undefined) {
        const last = optioned(entries.pop(), this.#line, entry, option);
        entries.push(this.#isOurs ? last : unhidden(last));
      } else if (isSuspicious || entry.length > MAX_LINE) {
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
  if (text.length > MAX_LINE) {
    return { line, text: `${text.slice(0, EXCERPT)}…`, problem: textProblem(text) };
  }
  const [url = '', ...mirrors] = text
    .split('\t')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const problem = textProblem([url, ...mirrors].join(''));
  return mirrors.length === 0
    ? { line, text: url, problem }
    : { line, text: url, problem, mirrors };
}

/** `entry` with the option that the line `text` is; without an entry before it, or with one let go, the line is bad. */
function optioned(
  entry: Entry | undefined,
  line: number,
  text: string,
  { name, value }: { readonly name: string; readonly value: string },
): Entry {
  if (entry === undefined) {
    const problem = `the option ${name}= belongs to no entry: it follows its URL, at once`;
    return { line, text, problem };
  }
  const problem = entry.problem ?? textProblem(text);
  return problem === undefined ? withOption(entry, name, value) : { ...entry, problem };
}

/** Bad when its file would be hidden: nobody who lets a foreign list in expects a .bashrc. */
function unhidden(entry: Entry): Entry {
  const { problem, output = '' } = entry;
  return problem !== undefined || !output.startsWith('.')
    ? entry
    : {
        ...entry,
        problem: `out=${output}: a list may not name a hidden file: leave out the dot, or give this URL alone with -o`,
      };
}

/** The entry whose list form `text` is; its line is 1. */
export function parseEntryText(text: string): Entry {
  const splitter = new LineSplitter(true);
  const entries = [...splitter.push(Buffer.from(`${text}\n`)), ...splitter.end()];
  return entries[0] ?? { line: 1, text, problem: 'this is no entry' };
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
 * What stops the reading half-way becomes a last, bad entry; a first chunk with NUL bytes (binary, UTF-16) the only one.
 *
 * @throws the signal's AbortError
 */
export async function* readList(path: string, signal: AbortSignal): AsyncGenerator<Entry[]> {
  const splitter = new LineSplitter();
  let isFirst = true;
  try {
    const chunks = decompressed(path, signal);
    for await (const chunk of isFile(path) ? chunks : withPauses(chunks)) {
      if (isFirst && chunk?.includes(0)) {
        throw new UsageError(
          'ERR_MCURL_LIST',
          'this is no list of URLs: it has NUL bytes; save a list as UTF-8',
        );
      }
      isFirst &&= chunk === undefined;
      const entries = chunk === undefined ? splitter.pause() : splitter.push(chunk);
      if (entries.length > 0) {
        yield entries;
      }
    }
    yield splitter.end();
  } catch (error) {
    signal.throwIfAborted();
    const { message } = error as Error;
    const problem =
      error instanceof UsageError ? message : `the list cannot be read further: ${message}`;
    const [held] = splitter.release();
    // A checksum may have followed: without it a wrong file would pass.
    const cut = held && { ...held, problem: held.problem ?? 'the list breaks off before its end' };
    const broken = { line: splitter.line + 1, text: path, problem };
    yield cut === undefined ? [broken] : [cut, broken];
  }
}

function isFile(path: string): boolean {
  return path !== '-' && statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** The chunks, and undefined when none has come for a while: who writes to a pipe may wait for what was written. */
async function* withPauses(
  chunks: AsyncGenerator<Buffer, void>,
): AsyncGenerator<Buffer | undefined> {
  for (;;) {
    const next = chunks.next();
    next.catch(() => {}); // When nobody waits for it any more.
    let timer: NodeJS.Timeout | undefined;
    const pause = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), PAUSE_MS);
    });
    const first = await Promise.race([next, pause]);
    clearTimeout(timer);
    if (first === undefined) {
      yield undefined;
    }
    const { done, value } = await next;
    if (done) {
      return;
    }
    yield value;
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
    const { createGunzip } = await import('node:zlib');
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
