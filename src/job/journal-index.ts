/** What a journal says of each entry, in at most 24 bytes an entry; 8 more where it has mirrors or a checksum, 8 more where it is done with one. */
import { keyOf, outputProblem } from '../list/entry.ts';
import { parseEntryText } from '../list/lines.ts';
import type { DoneMore, Failure, JournalVisitor } from './journal-lines.ts';
import { type Names, suffixOf } from './names.ts';
import { OPTIONED, plainName, suffixIn, utf8 } from './planned-name.ts';
import { SipHash } from './siphash.ts';

/** How an entry stands. `open`: it has a name and no end. */
export type EntryState = 'open' | 'failed' | 'done';

/**
 * What must vouch for a `.part`: its version when one server began it; a strong ETag when mirrors may have; a checksum when
 * they may have continued each other's bytes.
 */
export type Tie = 'version' | 'etag' | 'checksum';

/** The version that the last `began` line of an entry without a later `done` names. */
export interface Began {
  /** `.part` is behind this name. */
  readonly name: string;
  readonly version: string;
  /** Bytes of that version that survive even if the machine was started since. */
  durable: number;
  /** The line was written since the machine was last started: what was written then is still there. */
  readonly isSinceBoot: boolean;
}

const SEGMENT_BITS = 16;
const SEGMENT = 2 ** SEGMENT_BITS;
/** A serial so far beyond those seen is none that we gave: it would only cost memory. */
export const MAX_GAP = 2 ** 20;
/** A size that fits says itself; of a larger one the line does. */
const LARGE = 2 ** 32 - 1;

// An entry's `meta`: state in two bits (0: the journal has no such entry), flags, then its name's number.
const STATES = [undefined, 'open', 'failed', 'done'] as const;
const OPEN = 1;
const FAILED = 2;
const DONE = 3;
const STATE = 3;
/** An entry of this run has it. */
const TAKEN = 4;
/** `nameAt` tells where the line is that has its name, which is not made of its URL. */
const NAME_ASIDE = 8;
/** `doneAt` tells where its done line is: there is more in it than fits. */
const DONE_ASIDE = 16;
/** It was done, and `size` and `doneAt` tell of that, whatever came since. */
const WAS_DONE = 32;
/** It has, or had, mirrors; and a checksum at the same time. */
const MIRRORED = 64;
const MIXED = 128;
/** It was planned, or is to be fetched again, since the machine was last started: what was made of it is as it was made. */
const SINCE_BOOT = 256;
/** It failed, and no run came after, before the machine was last started: nothing was made of it until then. */
const FAILED_LAST = 512;
const SUFFIX_SHIFT = 10;
const MAX_SUFFIX = 2 ** (32 - SUFFIX_SHIFT);

/** 65,536 entries in order of their serials. */
class Segment {
  /** The entry's key, hashed. */
  readonly high = new Uint32Array(SEGMENT);
  readonly low = new Uint32Array(SEGMENT);
  /** Bytes of one that was done; once the first of equal entries is taken, where among them to look for the next. */
  readonly size = new Uint32Array(SEGMENT);
  readonly meta = new Uint32Array(SEGMENT);
  nameAt: Float64Array | undefined;
  /** Where an entry's last plan line is; 0 when its list form is the key. */
  textAt: Float64Array | undefined;
  doneAt: Float64Array | undefined;
}

/** An entry as the index finds it. Offsets are of lines in the journal, -1 when they have nothing more to tell. */
export interface Found {
  readonly serial: number;
  readonly state: EntryState;
  /** Nothing was made of it but since the machine was last started, or since it was to be fetched again, if anything at all. */
  readonly isSure: boolean;
  /** Number of its name by `withSuffix`; of no meaning when `nameAt` is not -1. */
  readonly suffix: number;
  readonly nameAt: number;
  /** Of its last plan line; -1: its list form is the key. */
  readonly textAt: number;
  /** Of its file when it was done last; undefined when it never was. Of no meaning when `doneAt` is not -1. */
  readonly size: number | undefined;
  readonly doneAt: number;
  /** What its `.part` holds, when that was begun and not done. */
  readonly began: Began | undefined;
  readonly tie: Tie;
}

/**
 * Collects a journal's lines, then finds entries by key: columns by serial (16 bytes an entry), and behind them the
 * serials by hash (6 bytes), made once all lines are told.
 */
export class JournalIndex implements JournalVisitor {
  readonly #names: Names;
  readonly #boot: string | null;
  readonly #keepValidators: boolean;
  readonly #siphash = new SipHash();
  readonly #segments: (Segment | undefined)[] = [];
  readonly #began = new Map<number, Began>();
  #isSinceBoot = false;
  /** Some entry has FAILED_LAST. */
  #hasFailed = false;
  #isRenewing = false;
  #nextSerial = 0;
  #count = 0;
  /** Buckets by hash: serials of bucket b are `#order[#starts[b], #starts[b + 1])`, ascending. */
  #starts = new Uint32Array(0);
  #order = new Uint32Array(0);
  #scratch = Buffer.allocUnsafe(4096);

  /**
   * @param names in which every name of the journal is reserved
   * @param boot which start of the machine this is; null when nothing tells
   * @param keepValidators `Found.doneAt` of every done line that has a version
   */
  constructor(names: Names, boot: string | null, keepValidators: boolean) {
    this.#names = names;
    this.#boot = boot;
    this.#keepValidators = keepValidators;
  }

  /** Entries that have a name. */
  get count(): number {
    return this.#count;
  }

  /** A run that was to fetch all again has not tried all yet. */
  get isRenewing(): boolean {
    return this.#isRenewing;
  }

  /** Beyond every serial seen. */
  get nextSerial(): number {
    return this.#nextSerial;
  }

  /** Bytes of the columns and the buckets. */
  get bytes(): number {
    let bytes = this.#starts.byteLength + this.#order.byteLength;
    for (const { nameAt, textAt, doneAt } of this.#segments.filter((one) => one !== undefined)) {
      const asides = [nameAt, textAt, doneAt].filter((aside) => aside !== undefined).length;
      bytes += (16 + 8 * asides) * SEGMENT;
    }
    return bytes;
  }

  // ---- Lines in ----

  job(boot: string | null): void {
    this.#isSinceBoot = boot !== null && boot === this.#boot;
    if (this.#hasFailed && !this.#isSinceBoot) {
      this.#hasFailed = false;
      for (const { meta } of this.#segments.filter((segment) => segment !== undefined)) {
        for (let at = 0; at < SEGMENT; at += 1) {
          meta[at] = (meta[at] as number) & ~FAILED_LAST;
        }
      }
    }
  }

  renew(isBegun: boolean): void {
    this.#isRenewing = isBegun;
    for (const segment of isBegun ? this.#segments : []) {
      for (let at = 0; segment !== undefined && at < SEGMENT; at += 1) {
        const meta = segment.meta[at] as number;
        if ((meta & WAS_DONE) !== 0) {
          const state = (meta & STATE) === DONE ? OPEN : meta & STATE;
          const kept = meta & ~(STATE | DONE_ASIDE | WAS_DONE | SINCE_BOOT | FAILED_LAST);
          segment.meta[at] = kept | state | this.#sinceBoot;
        }
      }
    }
  }

  plan(
    serial: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    name: string,
    offset: number,
  ): void {
    const segment = this.#segment(serial);
    const at = serial % SEGMENT;
    if (segment === undefined) {
      return;
    }
    let suffix = suffixIn(bytes, from, to, name);
    let isKey = true;
    let tie = 0;
    if (suffix === OPTIONED) {
      const text = utf8(bytes, from, to);
      const key = keyOf(text);
      const { output, text: url, mirrors, checksum } = parseEntryText(text);
      suffix = suffixOf(output ?? plainName(url), name);
      isKey = key === text;
      tie = mirrors === undefined ? 0 : checksum === undefined ? MIRRORED : MIRRORED | MIXED;
      this.#hash(key);
    } else {
      this.#siphash.update(bytes, from, to);
    }
    const { high, low } = this.#siphash;
    const before = segment.meta[at] as number;
    if (before !== 0) {
      if (segment.high[at] === high && segment.low[at] === low) {
        // It asks for another checksum or other mirrors now. All else stays.
        segment.textAt ??= new Float64Array(SEGMENT);
        segment.textAt[at] = offset;
        segment.meta[at] = before | tie;
      }
      return;
    }
    if (suffix === undefined && outputProblem(name) !== undefined) {
      return;
    }
    segment.high[at] = high;
    segment.low[at] = low;
    if (!isKey) {
      segment.textAt ??= new Float64Array(SEGMENT);
      segment.textAt[at] = offset;
    }
    const meta = OPEN | tie | this.#sinceBoot;
    if (suffix !== undefined && suffix < MAX_SUFFIX) {
      segment.meta[at] = meta | (suffix << SUFFIX_SHIFT);
    } else {
      segment.meta[at] = meta | NAME_ASIDE;
      segment.nameAt ??= new Float64Array(SEGMENT);
      segment.nameAt[at] = offset;
    }
    this.#names.reserve(name);
    this.#count += 1;
  }

  named(serial: number, name: string, offset: number): void {
    if (this.#is(serial) && outputProblem(name) === undefined) {
      const { segment, at } = this.#place(serial);
      segment.meta[at] = (segment.meta[at] as number) | NAME_ASIDE;
      segment.nameAt ??= new Float64Array(SEGMENT);
      segment.nameAt[at] = offset;
      this.#names.reserve(name);
    }
  }

  began(serial: number, name: string, version: string): void {
    if (this.#is(serial) && outputProblem(name) === undefined) {
      this.#names.reserve(name);
      this.#set(serial, OPEN);
      this.#began.set(serial, { name, version, durable: 0, isSinceBoot: this.#isSinceBoot });
    }
  }

  durable(serial: number, size: number): void {
    const began = this.#began.get(serial);
    if (began !== undefined) {
      began.durable = size;
    }
  }

  done(serial: number, size: number, more: DoneMore | undefined, offset: number): void {
    if (!this.#is(serial)) {
      return;
    }
    const { segment, at } = this.#place(serial);
    this.#began.delete(serial);
    segment.size[at] = Math.min(size, LARGE);
    const isValidated = this.#keepValidators && more?.version !== undefined;
    const isAside = isValidated || more?.digest !== undefined || size >= LARGE;
    if (isAside) {
      segment.doneAt ??= new Float64Array(SEGMENT);
      segment.doneAt[at] = offset;
    }
    segment.meta[at] = (segment.meta[at] as number) & ~DONE_ASIDE;
    this.#set(serial, DONE | WAS_DONE | (isAside ? DONE_ASIDE : 0));
  }

  fail(serial: number, _failure: Failure): void {
    if (this.#is(serial)) {
      this.#set(serial, FAILED);
      const { segment, at } = this.#place(serial);
      this.#hasFailed = true;
      segment.meta[at] = (segment.meta[at] as number) | FAILED_LAST;
    }
  }

  /** All lines are told: from here on entries can be taken. */
  seal(): void {
    const buckets = Math.ceil(this.#count / 2);
    this.#starts = new Uint32Array(buckets + 1);
    this.#order = new Uint32Array(this.#count);
    // Each bucket's end first; filling it from its end backwards leaves its start.
    this.#eachBackwards((bucket) => {
      this.#starts[bucket] = (this.#starts[bucket] as number) + 1;
    });
    let end = 0;
    for (let bucket = 0; bucket <= buckets; bucket += 1) {
      end += this.#starts[bucket] as number;
      this.#starts[bucket] = end;
    }
    this.#eachBackwards((bucket, serial) => {
      const place = (this.#starts[bucket] as number) - 1;
      this.#starts[bucket] = place;
      this.#order[place] = serial;
    });
  }

  #eachBackwards(visit: (bucket: number, serial: number) => void): void {
    for (let number = this.#segments.length - 1; number >= 0; number -= 1) {
      const segment = this.#segments[number];
      for (let at = segment === undefined ? -1 : SEGMENT - 1; at >= 0; at -= 1) {
        if (segment?.meta[at] !== 0) {
          visit(this.#bucket(segment?.high[at] as number), number * SEGMENT + at);
        }
      }
    }
  }

  #bucket(high: number): number {
    return Math.floor((high / 2 ** 32) * (this.#starts.length - 1));
  }

  // ---- Entries out ----

  /** The first entry with that key that was not taken yet; undefined when there is none (any more). */
  take(key: string): Found | undefined {
    if (this.#count === 0) {
      return undefined;
    }
    this.#hash(key);
    const { high, low } = this.#siphash;
    const bucket = this.#bucket(high);
    const end = this.#starts[bucket + 1] as number;
    let first: { segment: Segment; at: number } | undefined;
    for (let place = this.#starts[bucket] as number; place < end; place += 1) {
      const serial = this.#order[place] as number;
      const here = this.#place(serial);
      const { segment, at } = here;
      if (segment.high[at] !== high || segment.low[at] !== low) {
        continue;
      }
      const meta = segment.meta[at] as number;
      if ((meta & TAKEN) === 0) {
        const found = this.#found(serial, here);
        segment.meta[at] = meta | TAKEN;
        // So that a million equal entries are found in a million steps.
        const { segment: firstSegment, at: firstAt } = first ?? here;
        firstSegment.size[firstAt] = place;
        return found;
      }
      if (first === undefined) {
        first = here;
        place = Math.max(place, segment.size[at] as number);
      }
    }
    return undefined;
  }

  /** An entry that is not done was not taken: it is not of this job. */
  get hasOthers(): boolean {
    return this.#segments.some((segment) =>
      segment?.meta.some((meta) => meta !== 0 && (meta & STATE) !== DONE && (meta & TAKEN) === 0),
    );
  }

  /** Leaves only what is not done to be taken. */
  keepUnfinished(): void {
    for (const segment of this.#segments) {
      for (let at = 0; segment !== undefined && at < SEGMENT; at += 1) {
        const meta = segment.meta[at] as number;
        if ((meta & STATE) === DONE) {
          segment.meta[at] = meta | TAKEN;
          segment.size[at] = 0;
        }
      }
    }
  }

  stateOf(serial: number): EntryState | undefined {
    const meta = this.#segments[serial >>> SEGMENT_BITS]?.meta[serial % SEGMENT] ?? 0;
    return STATES[meta & STATE];
  }

  /** Where the line is that has an entry done, if it tells more than the size and no later line took that back; else -1. */
  doneAt(serial: number): number {
    const { segment, at } = this.#place(serial);
    const meta = segment.meta[at] as number;
    return (meta & STATE) === DONE ? doneAtOf(meta, segment, at) : -1;
  }

  /** Whether the plan line at `offset` is the entry's last one. */
  isLast(serial: number, offset: number): boolean {
    const { segment, at } = this.#place(serial);
    return (segment.textAt?.[at] || offset) === offset;
  }

  #found(serial: number, { segment, at }: { segment: Segment; at: number }): Found {
    const meta = segment.meta[at] as number;
    return {
      serial,
      state: STATES[meta & STATE] ?? 'open',
      isSure: (meta & (SINCE_BOOT | FAILED_LAST)) !== 0,
      suffix: meta >>> SUFFIX_SHIFT,
      textAt: segment.textAt?.[at] || -1,
      nameAt: meta & NAME_ASIDE ? (segment.nameAt?.[at] ?? -1) : -1,
      size: meta & WAS_DONE ? segment.size[at] : undefined,
      // Of a digest the few who need it ask `doneAt`.
      doneAt: this.#keepValidators || segment.size[at] === LARGE ? doneAtOf(meta, segment, at) : -1,
      began: this.#began.get(serial),
      tie: meta & MIXED ? 'checksum' : meta & MIRRORED ? 'etag' : 'version',
    };
  }

  /** Leaves the key's hash in #siphash. */
  #hash(key: string): void {
    if (3 * key.length > this.#scratch.length) {
      this.#scratch = Buffer.allocUnsafe(6 * key.length);
    }
    this.#siphash.update(this.#scratch, 0, this.#scratch.write(key));
  }

  // ---- Places ----

  /** The segment for a serial that a line names, made when missing; undefined when the serial is none of ours. */
  #segment(serial: number): Segment | undefined {
    if (serial >= this.#nextSerial) {
      if (serial >= this.#nextSerial + MAX_GAP) {
        return undefined;
      }
      this.#nextSerial = serial + 1;
    }
    const number = serial >>> SEGMENT_BITS;
    while (this.#segments.length <= number) {
      this.#segments.push(undefined);
    }
    this.#segments[number] ??= new Segment();
    return this.#segments[number];
  }

  /** `#isSinceBoot` as a flag of `meta`. */
  get #sinceBoot(): number {
    return this.#isSinceBoot ? SINCE_BOOT : 0;
  }

  #is(serial: number): boolean {
    return this.stateOf(serial) !== undefined;
  }

  #place(serial: number): { segment: Segment; at: number } {
    return {
      segment: this.#segments[serial >>> SEGMENT_BITS] as Segment,
      at: serial % SEGMENT,
    };
  }

  #set(serial: number, state: number): void {
    const { segment, at } = this.#place(serial);
    const kept = (segment.meta[at] as number) & ~STATE;
    segment.meta[at] = kept | state;
  }
}

function doneAtOf(meta: number, segment: Segment, at: number): number {
  return meta & DONE_ASIDE ? (segment.doneAt?.[at] ?? -1) : -1;
}
