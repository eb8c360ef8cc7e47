/** Final names: made from a URL's path, safe on any file system, unique by list order. */

/**
 * Bytes of UTF-8 in a name before it is made unique. 255 less `.part` and `.` with nine digits, so that
 * neither ever shortens a name again.
 */
const MAX_BYTES = 240;
/** A longer one is no extension but a part of the name. */
const MAX_EXTENSION_BYTES = 20;
const FALLBACK = 'index.html';
/** What a run writes under until a name is whole; no final name ends so, or another run would empty it. */
const PART = /\.part$/i;

/** Names that need none of what `safeName` does but the check for reserved ones. */
const PLAIN = /^\w[\w.~+=@,()-]*$/;
/** Separators are cut before this. Bidi controls and U+FEFF lie to the reader; the rest some file system refuses. */
const UNSAFE = /[\p{Cc}\p{Cs}:*?"<>|\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]/gu;
/** Device names of Windows, with any extension. */
const RESERVED = /^(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)/i;

/**
 * The name for a URL: the last segment of its path, percent-decoded, made one safe path component of at most
 * 240 bytes; `index.html` when nothing is left.
 *
 * @param pathname as WHATWG URL gives it (ASCII, percent-encoded)
 */
export function nameFromPath(pathname: string): string {
  const segment = pathname.slice(pathname.lastIndexOf('/') + 1);
  if (
    segment.length <= MAX_BYTES &&
    PLAIN.test(segment) &&
    segment.charCodeAt(segment.length - 1) !== 0x2e &&
    !RESERVED.test(segment) &&
    !PART.test(segment)
  ) {
    return segment;
  }
  return safeName(percentDecoded(segment)) || FALLBACK;
}

/** Decodes each %XX; what is no UTF-8 then becomes U+FFFD. */
function percentDecoded(text: string): string {
  if (!text.includes('%')) {
    return text;
  }
  const binary = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(binary, 'latin1').toString('utf8');
}

/** What is left of `text` as one safe path component of at most 240 bytes; empty when nothing is. */
export function safeName(text: string): string {
  // Cut after decoding: %2F and %5C hide separators.
  let name = text.slice(Math.max(text.lastIndexOf('/'), text.lastIndexOf('\\')) + 1);
  name = name.replace(UNSAFE, '_');
  // Each step can make work for another: a name cut to fit may end in .part, one that must not is too long again.
  for (let before: string | undefined; before !== name; ) {
    before = name;
    name = trimmed(shortened(trimmed(name)));
    if (/^[-.]/.test(name)) {
      name = `_${name.slice(1)}`;
    }
    if (RESERVED.test(name)) {
      name = `_${name}`;
    }
    if (PART.test(name)) {
      name += '_';
    }
  }
  return name;
}

/** Without leading spaces and without trailing dots and spaces, which Windows drops by itself. */
function trimmed(name: string): string {
  let end = name.length;
  while (end > 0 && (name[end - 1] === '.' || name[end - 1] === ' ')) {
    end -= 1;
  }
  return name.slice(0, end).trimStart();
}

/** At most MAX_BYTES, cut between characters; a short extension stays. */
function shortened(name: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes <= MAX_BYTES) {
    return name;
  }
  const { stem, extension } = split(name);
  const kept = Buffer.byteLength(extension) <= MAX_EXTENSION_BYTES ? extension : '';
  const whole = Buffer.from(kept === '' ? name : stem);
  let end = MAX_BYTES - Buffer.byteLength(kept);
  while (end > 0 && ((whole[end] as number) & 0xc0) === 0x80) {
    end -= 1; // In the middle of a character.
  }
  return whole.toString('utf8', 0, end) + kept;
}

function split(name: string): { stem: string; extension: string } {
  const dot = name.lastIndexOf('.');
  return dot > 0
    ? { stem: name.slice(0, dot), extension: name.slice(dot) }
    : { stem: name, extension: '' };
}

/** The name that `take` makes of `name` and a number; 0 is none. */
export function withSuffix(name: string, suffix: number): string {
  if (suffix === 0) {
    return name;
  }
  const { stem, extension } = split(name);
  return `${stem}.${suffix}${extension}`;
}

/** The number for which `withSuffix` makes `given` of `name`; undefined when there is none. */
export function suffixOf(name: string, given: string): number | undefined {
  if (given === name) {
    return 0;
  }
  const dot = name.lastIndexOf('.');
  const stem = dot > 0 ? dot : name.length;
  const end = given.length - (name.length - stem);
  if (given.charCodeAt(stem) !== 0x2e || !given.startsWith(name.slice(0, stem))) {
    return undefined;
  }
  let suffix = 0;
  for (let at = stem + 1; at < end; at += 1) {
    const digit = given.charCodeAt(at) - 0x30;
    if (!(digit >= (at === stem + 1 ? 1 : 0) && digit <= 9)) {
      return undefined;
    }
    suffix = 10 * suffix + digit;
  }
  return suffix >= 2 && Number.isSafeInteger(suffix) && given.endsWith(name.slice(stem))
    ? suffix
    : undefined;
}

/** What names that would meet on some disk have in common: case and normalisation do not count. */
function canonical(name: string): string {
  // By way of upper case, so that ß and ss, ſ and s meet too.
  return name.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}

const FIELDS = 3; // hash high, hash low, next suffix (0: free)
/** One table would hold its old self too while it grows: 40 bytes a name. */
const TABLES = 64;
const INITIAL_CAPACITY = 16;
const MAX_LOAD = 0.75;
const GROWTH = 1.5;

/** An open-addressed table of hashes, a part of all. */
class Table {
  places = new Uint32Array(FIELDS * INITIAL_CAPACITY);
  count = 0;
}

/**
 * The names taken in this run, as 64-bit hashes in tables: 12 bytes a place, at most 24 a name. Two names with one hash count as
 * one, which costs the second a suffix and nothing else.
 */
export class Names {
  readonly #tables = Array.from({ length: TABLES }, () => new Table());
  /** Spreads places, not names: a list cannot be written so that its names pile up in one place. */
  readonly #seed = (Math.random() * 2 ** 32) >>> 0;
  #high = 0;
  #low = 0;
  /** Where the hash belongs. */
  #table = this.#tables[0] as Table;

  /** Bytes the tables hold. */
  get bytes(): number {
    return this.#tables.reduce((bytes, { places }) => bytes + places.byteLength, 0);
  }

  /** Takes `name` as it is; it may be taken already. */
  reserve(name: string): void {
    this.#hash(name);
    const at = this.#find();
    if (this.#table.places[at + 2] === 0) {
      this.#insert(at);
    }
  }

  /** Takes `name`, or when it is taken the first free of `stem.2.ext`, `stem.3.ext` … */
  take(name: string): string {
    this.#hash(name);
    const at = this.#find();
    const { places } = this.#table;
    if (places[at + 2] === 0) {
      this.#insert(at);
      return name;
    }
    for (let suffix = places[at + 2] as number; ; suffix += 1) {
      const candidate = withSuffix(name, suffix);
      this.#hash(candidate);
      const place = this.#find();
      if (this.#table.places[place + 2] === 0) {
        // The counter first: the insertion may move everything.
        places[at + 2] = suffix + 1;
        this.#insert(place);
        return candidate;
      }
    }
  }

  /** Leaves the 64-bit hash of the canonical name in #high and #low. */
  #hash(name: string): void {
    if (!this.#hashText(name)) {
      this.#hashText(canonical(name));
    }
  }

  /** False when the text is not ASCII, and so its lower case is not the canonical name. */
  #hashText(text: string): boolean {
    let high = 0xdeadbeef | 0;
    let low = 0x41c6ce57;
    let isAscii = true;
    for (let at = 0; at < text.length; at += 1) {
      let code = text.charCodeAt(at);
      if (code >= 0x41 && code <= 0x5a) {
        code |= 0x20;
      } else if (code > 0x7f) {
        isAscii = false;
      }
      high = Math.imul(high ^ code, 0x9e3779b1);
      low = Math.imul(low ^ code, 0x5f356495);
    }
    this.#high =
      (Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35)) >>>
      0;
    this.#low =
      (Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35)) >>>
      0;
    return isAscii;
  }

  /** Leaves the table of the hash in #table; gives the offset of the place that holds it, or of the free one where it belongs. */
  #find(): number {
    let mixed = this.#low ^ this.#seed;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b) ^ this.#high;
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    mixed = (mixed ^ (mixed >>> 16)) >>> 0;
    this.#table = this.#tables[mixed % TABLES] as Table;
    const { places } = this.#table;
    const capacity = places.length / FIELDS;
    let at = FIELDS * Math.floor((mixed / 2 ** 32) * capacity);
    while (places[at + 2] !== 0 && (places[at] !== this.#high || places[at + 1] !== this.#low)) {
      at += FIELDS;
      if (at === places.length) {
        at = 0;
      }
    }
    return at;
  }

  #insert(at: number): void {
    const table = this.#table;
    table.places[at] = this.#high;
    table.places[at + 1] = this.#low;
    table.places[at + 2] = 2;
    table.count += 1;
    if (FIELDS * table.count > table.places.length * MAX_LOAD) {
      this.#grow(table);
    }
  }

  #grow(table: Table): void {
    const old = table.places;
    table.places = new Uint32Array(FIELDS * Math.ceil((old.length / FIELDS) * GROWTH));
    for (let from = 0; from < old.length; from += FIELDS) {
      if (old[from + 2] !== 0) {
        this.#high = old[from] as number;
        this.#low = old[from + 1] as number;
        const at = this.#find();
        table.places[at] = this.#high;
        table.places[at + 1] = this.#low;
        table.places[at + 2] = old[from + 2] as number;
      }
    }
  }
}
