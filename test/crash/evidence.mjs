// @ts-check
/** What lies in an output directory, held against what may lie there. */
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @typedef {import('./origin.mjs').File} File */
/** @typedef {import('./origin.mjs').Version} Version */

/** What the journal's boot id is changed to: another start of the machine. */
export const LOST_BOOT = '00000000-0000-0000-0000-000000000000';

/** What an mcurl did wrong. */
export class Violation extends Error {}

/**
 * @typedef {object} Began
 * @property {string} name
 * @property {string} version
 * @property {number} durable bytes
 * @property {string} boot which start of the machine it was written in
 */

/**
 * @typedef {object} Claims what a journal says, by serial
 * @property {Map<number, { key: string, name: string, boot: string }>} plans
 * @property {Set<number>} open those whose last word is not that they are done
 * @property {Map<number, Began>} began
 * @property {Map<number, { name: string, size: number }>} done
 */

/**
 * The journal read as its lines are documented, by other code than the program's.
 *
 * @param {string} path @returns {Claims | undefined} undefined when there is no journal
 */
export function readClaims(path) {
  if (!existsSync(path)) return undefined;
  /** @type {Claims} */
  const claims = { plans: new Map(), open: new Set(), began: new Map(), done: new Map() };
  let boot = '';
  const names = new Set();
  for (const text of readFileSync(path, 'utf8').split('\n')) {
    const line = parse(text);
    if (line === undefined) continue;
    const { job, plan, named, began, durable, done, fail } = line;
    if (job !== undefined) {
      boot = line.boot;
    } else if (plan !== undefined) {
      const key = keyOf(line.entry);
      const before = claims.plans.get(plan);
      if (before !== undefined) {
        // The list has it with other mirrors now.
        if (before.key !== key) throw new Violation(`entry ${plan} is ${before.key} and ${key}`);
        continue;
      }
      if (names.has(line.name)) throw new Violation(`${line.name} is planned for two entries`);
      names.add(line.name);
      claims.plans.set(plan, { key, name: line.name, boot });
      claims.open.add(plan);
    } else if (named !== undefined) {
      if (names.has(line.name)) throw new Violation(`${line.name} is given to two entries`);
      names.add(line.name);
      const planned = claims.plans.get(named);
      if (planned === undefined) throw new Violation(`entry ${named} was never planned`);
      planned.name = line.name;
    } else if (began !== undefined) {
      claims.open.add(began);
      claims.began.set(began, { name: line.name, version: line.version, durable: 0, boot });
    } else if (durable !== undefined) {
      const of = claims.began.get(durable);
      if (of !== undefined) of.durable = line.size;
    } else if (done !== undefined) {
      const name = claims.plans.get(done)?.name;
      if (name === undefined) throw new Violation(`entry ${done} is done and was never planned`);
      claims.done.set(done, { name, size: line.size });
      claims.began.delete(done);
      claims.open.delete(done);
    } else if (fail !== undefined) {
      claims.open.add(fail);
    }
  }
  return claims;
}

/** What an entry keeps, whatever is put right about it: its first URL and its `out=`. */
export function keyOf(/** @type {string} */ text) {
  const [url] = text.split(/[\t\n]/);
  return `${url}${/\n +out=.*/.exec(text)?.[0].trim() ?? ''}`;
}

/** @returns {Record<string, any> | undefined} */
function parse(/** @type {string} */ text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Blank, or torn by a kill.
  }
}

/** @typedef {{ file: File, version: Version }} Content */

/** @typedef {{ inode: number, changedMs: number, contents: readonly Content[] }} Whole */

/** What is found in the directory after each run. */
export class Evidence {
  #out;
  #files;
  /** The files with a final name, by it. @type {Map<string, Whole>} */
  whole = new Map();
  /** Sizes of the .part files, by the final name. @type {Map<string, number>} */
  parts = new Map();
  /**
   * What a power cut once took from under final names: its inode, undefined when nothing was left. Until the journal has
   * the new file done it may be fetched once more.
   * @type {Map<string, number | undefined>}
   */
  lost = new Map();
  /**
   * What was planned before a power cut and is not done: nothing vouches for its file, so it may be fetched once more.
   * @type {ReadonlySet<string>}
   */
  unsure = new Set();
  /** Names whose .part is there while a power cut took the journal's word of it. @type {Set<string>} */
  adrift = new Set();
  /** Names in the directory that are neither. @type {string[]} */
  others = [];
  /** Every name that a journal gave to a key. @type {Map<string, Set<string>>} */
  names = new Map();

  /** @param {string} out @param {readonly File[]} files */
  constructor(out, files) {
    this.#out = out;
    this.#files = files;
  }

  /**
   * Looks at what a run left, killed or not.
   *
   * @param {number} run
   * @param {Claims | undefined} claims
   * @param {boolean} hasJournal the run kept one
   */
  look(run, claims, hasJournal) {
    const before = this.whole;
    this.whole = new Map();
    this.parts = new Map();
    this.others = [];
    for (const name of readdirSync(this.#out)) {
      const path = join(this.#out, name);
      const stat = lstatSync(path);
      if (name === '.mcurl-journal') {
        this.others.push(name);
        continue;
      }
      if (name.endsWith('.part')) {
        this.parts.set(name.slice(0, -'.part'.length), stat.size);
        continue;
      }
      if (this.lost.get(name) === stat.ino) continue;
      const known = before.get(name);
      if (known?.inode === stat.ino && known.changedMs === stat.ctimeMs) {
        this.whole.set(name, known);
        continue;
      }
      if (known !== undefined && !this.lost.has(name) && !this.unsure.has(name))
        throw new Violation(`${name} was whole and was written again`);
      const bytes = readFileSync(path);
      const contents = this.#identify(bytes);
      if (contents.length === 0) {
        throw new Violation(`${name} (${bytes.length} bytes) is no version of any file`);
      }
      if (!contents.some(({ file, version }) => file.servedIn.get(run)?.has(version))) {
        const found = contents.map(({ file, version }) => `${file.path} ${version.letter}`);
        throw new Violation(`${name} is ${found.join(' or ')}, which no server had in run ${run}`);
      }
      this.whole.set(name, { inode: stat.ino, changedMs: stat.ctimeMs, contents });
    }
    for (const name of before.keys()) {
      if (!this.whole.has(name)) throw new Violation(`${name} was whole and is gone`);
    }
    this.doubt(claims);
    if (claims !== undefined) this.#hold(claims);
    if (hasJournal) this.#holdParts(claims);
  }

  /** Finds what is `unsure`. @param {Claims | undefined} claims */
  doubt(claims) {
    const unsure = [...(claims?.plans ?? [])].filter(
      ([serial, { boot }]) => boot === LOST_BOOT && claims?.done.has(serial) === false,
    );
    this.unsure = new Set(unsure.map(([, { name }]) => name));
  }

  /** @param {Buffer} bytes @returns {Content[]} */
  #identify(bytes) {
    return this.#files.flatMap((file) =>
      versionsOf(file)
        .filter((version) => version.bytes.equals(bytes))
        .map((version) => ({ file, version })),
    );
  }

  /** @param {Claims} claims */
  #hold({ plans, done }) {
    for (const { name, size } of done.values()) {
      if (this.lost.has(name)) continue;
      const stat = lstatSync(join(this.#out, name), { throwIfNoEntry: false });
      if (stat?.size !== size) {
        throw new Violation(`the journal has ${name} done with ${size} bytes, not ${stat?.size}`);
      }
    }
    for (const { key, name } of plans.values()) {
      const names = this.names.get(key) ?? new Set();
      this.names.set(key, names.add(name));
    }
  }

  /** The journal knows what is in each .part. @param {Claims | undefined} claims */
  #holdParts(claims) {
    const began = new Map([...(claims?.began.values() ?? [])].map((line) => [line.name, line]));
    for (const [name, size] of this.parts) {
      const line = began.get(name);
      if (line !== undefined) this.adrift.delete(name);
      if (size > 0 && line === undefined && !this.adrift.has(name)) {
        throw new Violation(`${name}.part has ${size} bytes of which the journal knows nothing`);
      }
      if (line === undefined || line.version === '') continue;
      const believed = line.boot === LOST_BOOT ? Math.min(size, line.durable) : size;
      const bytes = readFileSync(join(this.#out, `${name}.part`)).subarray(0, believed);
      const isRight = this.#files.some((file) =>
        versionsOf(file).some(
          (version) =>
            isNamed(file, version, line.version) &&
            // Of a lie only the checksum tells, at the end.
            (file.ranges === 'lie' || version.bytes.subarray(0, believed).equals(bytes)),
        ),
      );
      if (!isRight) {
        throw new Violation(`${name}.part is not the beginning of its version (${line.version})`);
      }
    }
  }
}

/** All that may come of its URLs. @param {File} file */
function versionsOf({ versions, mirrored }) {
  return mirrored === undefined ? versions : [...versions, mirrored];
}

/** Whether the journal's words may mean a version. @param {File} file @param {Version} version @param {string} text */
function isNamed(file, version, text) {
  const [total, etag, modified = ''] = text.replace('W/', '').split('\t');
  return (
    Number(total) === version.bytes.length &&
    (etag === '' || etag === version.etag) &&
    (modified === '' ||
      modified === version.modified.toUTCString() ||
      file.validators === 'fresh date')
  );
}
