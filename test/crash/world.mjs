// @ts-check
/** What a story is about, drawn by lot: files, a list of them, and options. */
import { FRAMINGS, hashOf, makeBytes, RANGES, VALIDATORS } from './origin.mjs';

/** @typedef {import('./lot.mjs').Lot} Lot */
/** @typedef {import('./origin.mjs').File} File */

/**
 * @typedef {object} Entry
 * @property {File} file
 * @property {string} text as the list has it, in lines
 * @property {readonly string[]} texts what it may become: its first URL and its `out=` stay
 */

/**
 * @typedef {object} World
 * @property {readonly File[]} files
 * @property {(origin: string) => Entry[]} entries in the list's order
 * @property {readonly string[]} options
 * @property {'default' | 'named' | 'none'} journal
 * @property {boolean} isDurable
 * @property {boolean} isTelling more of a file is wanted than its bytes
 * @property {boolean} isResumedBySize
 * @property {boolean} hasManifest
 */

const SMALL_BYTES = 64 * 1024;
/** About where bodies are no longer held in memory. */
const MIDDLE_BYTES = [200 * 1024, 320 * 1024];
const LARGE_BYTES = [300 * 1024, 8 * 1024 * 1024];
/** Beyond where a .part is synced in between. */
const HUGE_BYTES = [70 * 1024 * 1024, 90 * 1024 * 1024];

const DAY_MS = 86_400_000;

/**
 * @param {Lot} lot
 * @param {boolean} isHuge a file is synced before it is whole
 * @returns {World}
 */
export function makeWorld(lot, isHuge) {
  const journal = lot.weighted({ default: 84, named: 8, none: isHuge ? 0 : 8 });
  const isDurable = lot.has(0.15);
  const isResumedBySize = lot.has(0.06);
  const hasManifest = lot.has(0.1);
  // Without a journal nothing remembers the server's names.
  const isNamedByServer = journal !== 'none' && lot.has(0.18);
  const options = [
    ['-j', `${lot.wholeOfAnyOrder(1, 48)}`],
    ['--max-per-host', `${lot.wholeOfAnyOrder(2, 32)}`],
    lot.has(0.4) ? ['--loops', `${lot.whole(1, 3)}`] : [],
    lot.has(0.3) ? ['--http1.1'] : [],
    lot.has(0.1) ? ['--compressed'] : [],
    lot.has(0.1) ? ['--remote-time'] : [],
    lot.has(0.1) ? ['--xattr'] : [],
    isDurable ? ['--durable'] : [],
    isResumedBySize ? ['--resume-by', 'size'] : [],
    isNamedByServer ? ['--remote-header-name'] : [],
    hasManifest ? ['--manifest', 'manifest.txt'] : [],
    { default: [], named: ['--journal', 'named-journal'], none: ['--no-journal'] }[journal],
  ].flat();

  const isTelling = options.some((option) => /^--(remote|xattr)/.test(option));
  const counts = { small: lot.whole(3, 50), middle: lot.whole(0, 4), large: lot.whole(2, 8) };
  /** @type {File[]} */
  const files = [];
  /** @type {Set<string>} */
  const taken = new Set();
  const breaks = lot.has(0.15) ? 0.2 : 0;
  const fails = lot.has(0.15) ? 0.2 : 0;
  const slowness = lot.pick([0.2, 0.5, 0.9]);
  for (const [kind, count] of Object.entries(counts)) {
    for (let index = 0; index < count; index += 1) {
      const path = makePath(lot);
      if (taken.has(path)) continue;
      taken.add(path);
      const file = makeFile(lot, path, kind, {
        breaks,
        slowness,
        isResumedBySize,
        isNamedByServer,
      });
      files.push({ ...file, fails: lot.has(fails) });
    }
  }
  if (isHuge) {
    const file = makeFile(lot, '/huge/huge.bin', 'huge', { breaks: 0, slowness: 0 });
    files.push({ ...file, ranges: 'right', validators: 'both', framing: 'length', paceMs: 1 });
  }
  return {
    files,
    entries: (origin) => makeEntries(lot, files, origin),
    ...{ options, journal, isDurable, isTelling, isResumedBySize, hasManifest },
  };
}

/** Names that meet, and names that must be made safe. @param {Lot} lot */
function makePath(lot) {
  const name = lot.weighted({
    plain: 80,
    'upper case': 5,
    suffixed: 5,
    encoded: 4,
    part: 3,
    none: 2,
    hidden: 1,
  });
  const number = lot.whole(0, 40);
  const segment = {
    plain: `f${number}.bin`,
    'upper case': `F${number}.BIN`,
    suffixed: `f${number}.2.bin`,
    encoded: `%C3%A9t%C3%A9%2F${number}%0A.bin`,
    part: `f${number}.bin.part`,
    none: '',
    hidden: '.mcurl-journal',
  }[name];
  return `/${lot.pick(['a', 'b', 'c', 'd'])}/${segment}`;
}

/**
 * @param {Lot} lot @param {string} path @param {string} kind
 * @param {{ breaks: number, slowness: number, isResumedBySize?: boolean, isNamedByServer?: boolean }} world
 * @returns {File}
 */
function makeFile(lot, path, kind, { breaks, slowness, isResumedBySize, isNamedByServer }) {
  const [least, most] = { middle: MIDDLE_BYTES, large: LARGE_BYTES, huge: HUGE_BYTES }[kind] ?? [];
  const drawSize = () =>
    least === undefined || most === undefined
      ? lot.has(0.05)
        ? 0
        : lot.wholeOfAnyOrder(1, SMALL_BYTES)
      : lot.wholeOfAnyOrder(least, most);
  let size = drawSize();
  /** @param {string} letter @param {number} index */
  const makeVersion = (letter, index) => {
    // Mostly of one size, which hides a mixture best; seldom a large one becomes small.
    if (index > 0 && lot.has(0.4)) size = lot.has(0.15) ? lot.whole(0, SMALL_BYTES) : drawSize();
    return {
      letter,
      // Who resumes by size answers for it that another version has another size.
      bytes: makeBytes(lot, size + (isResumedBySize ? index : 0)),
      etag: `"${letter}-${lot.whole(0, 2 ** 40)}"`,
      modified: new Date(Date.now() - DAY_MS * (10 + lot.whole(0, 1) - 3 * index)),
    };
  };
  const versions = (kind === 'huge' ? ['A', 'B'] : ['A', 'B', 'C']).map(makeVersion);
  const isSmall = kind === 'small';
  return {
    path,
    versions,
    current: /** @type {import('./origin.mjs').Version} */ (versions[0]),
    mirrored: undefined,
    servedIn: new Map(),
    validators: lot.weighted(VALIDATORS),
    ranges: lot.weighted(RANGES),
    framing: lot.weighted(FRAMINGS),
    waitMs: lot.has(slowness) ? lot.pick([0, 2, 10, 40]) : 0,
    paceMs: !isSmall && lot.has(slowness) ? lot.pick([2, 5, 10, 15]) : 0,
    breaks: lot.has(breaks) ? 1 : 0,
    fails: false,
    givenName: isNamedByServer && lot.has(0.5) ? `named${lot.whole(0, 30)}.bin` : undefined,
    digested: lot.has(0.1) ? lot.pick(['sha-256', 'sha-512']) : undefined,
    aliases: [],
  };
}

/** @param {Lot} lot @param {readonly File[]} files @param {string} origin @returns {Entry[]} */
function makeEntries(lot, files, origin) {
  return files.flatMap((file) => {
    const { count, texts } = makeTexts(lot, file, origin);
    return Array.from({ length: count }, () => ({ file, text: lot.pick(texts), texts }));
  });
}

/**
 * How lists may have a file, and how often each has it.
 * @param {Lot} lot @param {File} file @param {string} origin @returns {{ count: number, texts: string[] }}
 */
function makeTexts(lot, file, origin) {
  const kind = lot.weighted({ plain: 75, twice: 6, moved: 5, mirrored: 8, named: 3, checked: 9 });
  const url = `${origin}${file.path}`;
  switch (kind) {
    case 'twice':
      return { count: lot.whole(2, 3), texts: [url] };
    case 'moved':
      file.aliases.push(`/to${file.path}`);
      return { count: 1, texts: [`${origin}/to${file.path}`] };
    case 'mirrored': {
      const paths = [`/mirror1${file.path}`, `/mirror2${file.path}`];
      file.aliases.push(...paths);
      if (lot.has(0.7)) file.mirrored = makeTwin(lot, file);
      const [one, two] = paths.map((path) => `${origin}${path}`);
      const texts = lot.has(0.5)
        ? [`${one}\t${url}`, `${one}\t${two}\t${url}`, `${one}\t${url}\t${two}`]
        : [`${url}\t${one}\t${two}`, `${url}\t${two}`];
      return { count: 1, texts };
    }
    case 'named':
      return { count: 1, texts: [`${url}\n  out=f${lot.whole(0, 40)}.bin`] };
    case 'checked': {
      // It cannot change, or no run would succeed; but its ranges may lie.
      file.versions = file.versions.slice(0, 1);
      if (lot.has(0.3)) file.ranges = 'lie';
      file.digested = undefined;
      const type = lot.pick(['sha-512', 'sha-256', 'sha-1', 'md5']);
      const digest = hashOf(type, file.current.bytes).digest('hex');
      return { count: 1, texts: [`${url}\n  checksum=${type}=${digest}`] };
    }
    default:
      return { count: 1, texts: [url] };
  }
}

/** Of the same size and date: only an ETag tells it from the file's first version. @param {Lot} lot @param {File} file */
function makeTwin(lot, { current: { bytes, etag, modified } }) {
  return {
    ...{ letter: 'M', bytes: makeBytes(lot, bytes.length), modified },
    etag: etag.replace('A', 'M'),
  };
}
