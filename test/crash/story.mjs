// @ts-check
/** A job that is killed, again and again, and at last runs to its end. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Evidence, keyOf, LOST_BOOT, readClaims, Violation } from './evidence.mjs';
import { Lot } from './lot.mjs';
import { Origin, PIECE_BYTES } from './origin.mjs';
import { makeWorld } from './world.mjs';

/** @typedef {import('./evidence.mjs').Claims} Claims */
/** @typedef {import('./origin.mjs').File} File */
/** @typedef {import('./world.mjs').Entry} Entry */

const PROGRAM = fileURLToPath(new URL('../../bin/mcurl.js', import.meta.url));
/** With this Node in front, as the program looks for it there. */
const PATH = `${dirname(process.execPath)}:${process.env['PATH']}`;
const MOST_KILLS = 6;
const REST = ['--only-failed'];
const REST_OF_LIST = ['list.txt', '--only-failed'];
/** Of such files each answer tells the date. */
const DATED = ['both', 'date'];
/** So many stories have a file that is synced before it is whole: one of each twenty-five, and an early one. */
const HUGE_EVERY = 25;
const HUGE_FIRST = 3;
/** By then it is. */
const SYNCED_BYTES = 66 * 1024 * 1024;
/** Nothing here takes a tenth of it. */
const HANG_MS = 60_000;

/** When a run is killed, with how often each is drawn. */
const MOMENTS = { time: 14, sent: 40, answered: 10, name: 12, journal: 10, call: 28 };

/** System calls between which a kill can leave something behind, with the most that a thread makes of each. */
const CALLS = {
  openat2: 4,
  flock: 4,
  ftruncate: 4,
  lseek: 10,
  write: 400,
  fdatasync: 3,
  fsync: 12,
  linkat: 25,
  renameat2: 3,
  unlink: 1,
  unlinkat: 2,
};

/**
 * @typedef {object} Kill
 * @property {string} moment
 * @property {string} found what there was on the disk
 */

/** @typedef {{ whole: Set<File>, offsets: Map<File, number> }} Expected what a run may not ask for, and must ask the rest of */

export class Story {
  /** What happened, for people. @type {string[]} */
  log = [];
  /** @type {Kill[]} */
  kills = [];
  runs = 0;
  powerCuts = 0;
  #lot;
  #isHuge;
  #world;
  #origin;
  #directory;
  #out;
  #journal;
  #evidence;
  #hasTracer;
  /** Of bodies that are sent in pieces. */
  #largeBytes;
  /** @type {Entry[]} */
  #list = [];
  /** Entries that the list does not have yet. @type {Entry[]} */
  #later = [];
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;

  /**
   * @param {number} seed @param {number} number of the story
   * @param {string} directory an empty one
   * @param {boolean} hasTracer strace works here
   */
  constructor(seed, number, directory, hasTracer) {
    this.#lot = new Lot(seed, number);
    this.#isHuge = number % HUGE_EVERY === HUGE_FIRST;
    this.#world = makeWorld(this.#lot, this.#isHuge);
    this.#origin = new Origin(new Lot(seed, number, 1));
    this.#directory = directory;
    this.#out = join(directory, 'out');
    this.#journal =
      this.#world.journal === 'named'
        ? join(directory, 'named-journal')
        : join(this.#out, '.mcurl-journal');
    this.#evidence = new Evidence(this.#out, this.#world.files);
    this.#hasTracer = hasTracer;
    this.#largeBytes = this.#world.files.reduce(
      (sum, { current: { bytes } }) => sum + (bytes.length > PIECE_BYTES ? bytes.length : 0),
      0,
    );
    mkdirSync(this.#out);
  }

  /** @throws Violation when mcurl broke its promise */
  async tell() {
    const lot = this.#lot;
    const origin = await this.#origin.start();
    try {
      const entries = this.#world.entries(origin);
      for (const file of this.#world.files) this.#origin.add(file);
      const shown = lot.has(0.3) ? lot.whole(1, entries.length) : entries.length;
      this.#origin.onBroken = (file) => {
        if (lot.has(0.5)) file.current = lot.pick(file.versions);
        file.servedIn.get(this.runs - 1)?.add(file.current);
      };
      this.#list = entries.slice(0, shown);
      this.#later = entries.slice(shown);
      const kills = lot.whole(1, MOST_KILLS);
      for (;;) {
        this.#origin.isCalm = this.kills.length >= kills;
        const claims = this.#claims();
        // Some runs go on only with what others left: of the list, or of the journal alone.
        const rest = claims && lot.has(0.2) ? lot.pick([REST_OF_LIST, REST]) : undefined;
        const end = await this.#run(this.#origin.isCalm ? undefined : this.#moment(), rest);
        if (rest === undefined && end.isOver) this.#checkEnd(end.stdout);
        if (claims && rest && (end.isOver || end.isWithout)) this.#checkRest(claims, end.stdout);
        if (end.isWithout || (rest === undefined && end.isOver)) return;
        this.#changeFiles();
        this.#changeList();
        if (this.#world.journal !== 'none') {
          if (lot.has(this.#isHuge ? 0.6 : 0.12)) this.#cutPower();
          else if (lot.has(0.08)) this.#meddle();
        }
      }
    } finally {
      this.end();
      this.#origin.stop();
    }
  }

  /** Ends the run that is under way. */
  end() {
    if (this.#child?.pid === undefined || this.#child.exitCode !== null) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // It ended just now.
    }
  }

  /** Not sent again, as a Range left them out. */
  get savedBytes() {
    return this.#origin.savedBytes;
  }

  get entries() {
    return this.#list.length;
  }

  // ---- A run ----

  /** @returns {{ what: string, count: number, signal: NodeJS.Signals }} */
  #moment() {
    const lot = this.#lot;
    const drawn = this.#isHuge && lot.has(0.8) ? 'sent' : lot.weighted(MOMENTS);
    const what = drawn === 'call' && !this.#hasTracer ? 'time' : drawn;
    const signal = lot.has(0.08) ? 'SIGTERM' : 'SIGKILL';
    switch (what) {
      case 'call': {
        const all = /** @type {(keyof typeof CALLS)[]} */ (Object.keys(CALLS));
        const call = this.#world.isTelling && lot.has(0.4) ? 'renameat2' : lot.pick(all);
        return { what: call, count: lot.wholeOfAnyOrder(1, CALLS[call]), signal: 'SIGKILL' };
      }
      case 'time':
        return { what: 'time', count: lot.whole(60, 400), signal };
      case 'sent':
        return {
          what,
          count: lot.whole(this.#isHuge ? SYNCED_BYTES : 1, this.#largeBytes),
          signal,
        };
      case 'answered':
        return { what, count: lot.wholeOfAnyOrder(1, 2 * this.#list.length), signal };
      case 'name':
        return { what, count: lot.wholeOfAnyOrder(1, this.#list.length), signal };
      case 'journal':
        return { what, count: lot.wholeOfAnyOrder(1, 200 * this.#list.length), signal };
    }
  }

  /**
   * @param {{ what: string, count: number, signal: NodeJS.Signals } | undefined} moment
   * @param {readonly string[] | undefined} rest
   */
  async #run(moment, rest) {
    const run = this.runs;
    this.runs += 1;
    for (const file of this.#world.files) {
      const { current, mirrored = current } = file;
      file.servedIn.set(run, new Set([current, mirrored]));
    }
    const list = join(this.#directory, 'list.txt');
    writeFileSync(list, this.#list.map(({ text }) => `${text}\n`).join(''));
    const inputs = rest ?? ['list.txt'];
    const args = [
      'fetch',
      ...inputs,
      '-d',
      'out',
      '--json',
      '-A',
      `${run}`,
      ...this.#world.options,
    ];
    const isCall = moment !== undefined && moment.what in CALLS;
    const inject = `inject=${moment?.what}:signal=SIGKILL:when=${moment?.count}`;
    const tracer = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${moment?.what}`];
    const [program = '', ...words] = [
      ...(isCall ? ['strace', ...tracer, '-e', inject] : []),
      ...[PROGRAM, ...args],
    ];
    const due = moment && `${moment.what} ${moment.count} ${moment.signal}`;
    this.log.push(`run ${run} (${this.#list.length} entries): ${args.join(' ')}; kill: ${due}`);
    const expected = this.#expected(rest !== undefined);
    const child = spawn(program, words, {
      cwd: this.#directory,
      env: { PATH, HOME: this.#directory },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: what strace traces ends with it.
      detached: true,
    });
    this.#child = child;
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    let struck = '';
    const kill = () => {
      if (struck === '' && child.exitCode === null && moment !== undefined) {
        struck = moment.signal;
        child.kill(moment.signal);
      }
    };
    let isHanging = false;
    const alarm = setTimeout(() => {
      isHanging = true;
      this.end();
    }, HANG_MS);
    const disarm = isCall || moment === undefined ? () => {} : this.#arm(moment, kill);
    const [code, signal] = await once(child, 'close');
    disarm();
    clearTimeout(alarm);
    this.log.push(
      `  ended with ${code ?? signal}; ${this.#origin.requests.length} requests so far`,
    );
    if (stderr !== '')
      this.log.push(
        ...stderr
          .trimEnd()
          .split('\n')
          .map((line) => `  | ${line}`),
      );
    if (isHanging) throw new Violation(`run ${run} did not end within ${HANG_MS / 1000} s`);

    const claims = this.#claims();
    const before = { whole: this.#evidence.whole.size, parts: this.#evidence.parts };
    this.#evidence.look(run, claims, this.#world.journal !== 'none');
    this.#checkRequests(run, expected);
    const isOver = code === 0;
    const wasKilled = isCall ? signal === 'SIGKILL' : struck !== '';
    // The server has an answer to all in the end, but this run did not get it.
    const hasFailed = code === 8 && this.#origin.failedIn.has(run);
    if (!isOver && !wasKilled && !hasFailed)
      throw new Violation(`run ${run} ended with ${code ?? signal}: ${stderr}`);
    if (wasKilled && !isOver && moment !== undefined) {
      this.kills.push({
        moment: isCall ? `before ${moment.what}(2)` : moment.what,
        found: this.#found(before, claims),
      });
    }
    // The journal goes last, and with it the names: the job is done, though nothing has said so.
    const isWithout =
      this.#world.journal === 'default' &&
      claims === undefined &&
      (rest !== undefined || this.#evidence.whole.size === this.#list.length);
    return { isOver, isWithout, stdout };
  }

  /**
   * Calls `kill` when the moment has come; returns what makes it forget that.
   *
   * @param {{ what: string, count: number }} moment @param {() => void} kill @returns {() => void}
   */
  #arm({ what, count }, kill) {
    let left = count;
    const strike = (/** @type {number} */ less) => {
      left -= less;
      if (left <= 0) kill();
    };
    if (what === 'time') {
      const timer = setTimeout(kill, count);
      return () => clearTimeout(timer);
    }
    if (what === 'sent' || what === 'answered') {
      const event = what === 'sent' ? 'onSent' : 'onAnswered';
      this.#origin[event] = strike;
      return () => {
        this.#origin[event] = () => {};
      };
    }
    const startBytes = sizeOf(this.#journal);
    const watcher =
      what === 'name'
        ? watch(this.#out, (event, name) => {
            if (event === 'rename' && name !== null && !/\.part$|journal$/.test(name)) strike(1);
          })
        : watch(dirname(this.#journal), (_, name) => {
            if (name?.endsWith('journal') && sizeOf(this.#journal) - startBytes >= count) kill();
          });
    return () => watcher.close();
  }

  /** @param {{ whole: number, parts: Map<string, number> }} before @param {Claims | undefined} claims */
  #found(before, claims) {
    const { whole, parts } = this.#evidence;
    if (whole.size === this.#list.length) {
      return claims === undefined ? 'all whole, no journal' : 'all whole, journal there';
    }
    const hasGrown = [...parts].some(([name, size]) => size !== (before.parts.get(name) ?? 0));
    if (hasGrown) return 'within large files';
    if (whole.size > before.whole) return 'among files just whole';
    return claims === undefined
      ? 'nothing but what was there, no journal'
      : 'nothing but what was there';
  }

  // ---- What a run may ask for ----

  /** What the journal says; undefined without one. */
  #claims() {
    return this.#world.journal === 'none' ? undefined : readClaims(this.#journal);
  }

  /**
   * Before a run: the files that it must not ask for, and those that it must ask the rest of.
   *
   * @param {boolean} isRest it is only about what the journal has and not done
   * @returns {Expected}
   */
  #expected(isRest) {
    const claims = this.#claims();
    /** @type {Map<File, number>} */
    const missing = new Map(this.#world.files.map((file) => [file, 0]));
    for (const { file } of this.#list) missing.set(file, (missing.get(file) ?? 0) + 1);
    const single = new Set([...missing].filter(([, count]) => count === 1).map(([file]) => file));
    for (const [name, { contents }] of this.#evidence.whole) {
      if (this.#evidence.lost.has(name) || this.#evidence.unsure.has(name)) continue;
      const files = new Set(contents.map(({ file }) => file));
      for (const file of files.size === 1 ? files : []) {
        missing.set(file, (missing.get(file) ?? 0) - 1);
      }
    }
    const keys = new Set([...(claims?.open ?? [])].map((serial) => claims?.plans.get(serial)?.key));
    const isOpen = (/** @type {File} */ file) =>
      this.#list.some((entry) => entry.file === file && keys.has(keyOf(entry.text)));
    const others = [...missing].filter(([file, count]) => count <= 0 || (isRest && !isOpen(file)));
    const whole = new Set(others.map(([file]) => file));
    /** @type {Map<File, number>} */
    const offsets = new Map();
    for (const { file, offset } of this.#resumable(claims)) {
      if (single.has(file) && !whole.has(file)) offsets.set(file, offset);
    }
    return { whole, offsets };
  }

  /** The beginnings of files that a run with a journal need not fetch again. @param {Claims | undefined} claims */
  *#resumable(claims) {
    for (const [serial, { name, version, durable, boot }] of claims?.began ?? []) {
      const key = claims?.plans.get(serial)?.key;
      const entry = this.#list.find(({ text }) => keyOf(text) === key);
      const [total, etag] = version.split('\t');
      const size = sizeOf(join(this.#out, `${name}.part`));
      let offset = boot === LOST_BOOT ? Math.min(size, durable) : size;
      // A 416 would not tell what these want to know.
      if (this.#world.isTelling && offset === Number(total)) offset -= 1;
      if (entry === undefined || version === '' || offset <= 0) continue;
      // Nothing else tells one server's file from another's.
      const isTied = !entry.text.includes('\t') || etag !== '';
      yield { file: entry.file, offset: isTied ? offset : -1 };
    }
  }

  /** @param {number} run @param {Expected} expected */
  #checkRequests(run, { whole, offsets }) {
    /** @type {Set<File>} */
    const seen = new Set();
    for (const request of this.#origin.requests) {
      const { file, from, path } = request;
      if (request.run !== run || seen.has(file)) continue;
      seen.add(file);
      if (whole.has(file)) throw new Violation(`${path} was not to be fetched again in run ${run}`);
      const offset = offsets.get(file);
      if (offset !== undefined && from !== offset) {
        throw new Violation(
          `${path} was asked for from ${from} in run ${run}, and not from ${offset}`,
        );
      }
    }
  }

  // ---- Between two runs ----

  #changeFiles() {
    const lot = this.#lot;
    const chance = lot.pick([0, 0.2, 0.7]);
    for (const file of this.#world.files) {
      if (!lot.has(chance)) continue;
      file.current = lot.pick(file.versions);
    }
  }

  #changeList() {
    const lot = this.#lot;
    for (const entry of this.#list) if (lot.has(0.5)) entry.text = lot.pick(entry.texts);
    const more = this.#later.splice(0, lot.has(0.5) ? lot.whole(0, this.#later.length) : 0);
    // Names are by the list's order until a journal has them.
    const isFree = this.#claims() !== undefined && lot.has(0.4);
    this.#list = isFree ? lot.shuffled([...this.#list, ...more]) : [...this.#list, ...more];
  }

  /** What a power cut may leave: see ARCHITECTURE.md, Resume. */
  #cutPower() {
    const lot = this.#lot;
    if (readClaims(this.#journal) === undefined) return;
    this.powerCuts += 1;
    const text = readFileSync(this.#journal, 'utf8').replaceAll(
      /("boot":)"[^"]*"/g,
      `$1"${LOST_BOOT}"`,
    );
    // What was synced is there, and names: without them another order of the list would give others.
    const synced = this.#world.isDurable
      ? /"plan"|"named"|"done"|"version":""/
      : /"plan"|"named"|"version":""/;
    const lines = text.split(/(?<=\n)/);
    const kept = lines.slice(0, lines.findLastIndex((line) => synced.test(line)) + 1).join('');
    const cut = lot.has(0.5) ? text.length : lot.whole(kept.length, text.length);
    writeFileSync(this.#journal, text.slice(0, Math.max(cut, 1)));
    this.log.push(`  power cut: ${cut} of ${text.length} bytes of the journal are left`);

    const claims = readClaims(this.#journal);
    const began = new Map([...(claims?.began.values() ?? [])].map((line) => [line.name, line]));
    for (const [name, size] of this.#evidence.parts) {
      const line = began.get(name);
      if (line === undefined) this.#evidence.adrift.add(name);
      const durable = Math.min(size, line?.durable ?? 0);
      const part = join(this.#out, `${name}.part`);
      const from = lot.whole(durable, size);
      const fate = lot.pick(['kept', 'cut', 'zeros', 'rubbish']);
      this.log.push(`  ${name}.part: ${fate}, from ${from} of ${size}, ${durable} durable`);
      if (fate === 'cut') truncateSync(part, from);
      else if (fate !== 'kept')
        overwrite(part, from, size, fate === 'zeros' ? 0 : lot.whole(1, 255));
    }
    for (const [serial, { name }] of claims?.plans ?? []) {
      const path = join(this.#out, name);
      if (!this.#evidence.whole.has(name)) continue;
      const { ino, size } = statSync(path);
      const isDone = claims?.done.has(serial) === true;
      const isHarmed = !this.#world.isDurable && size > 0 && lot.has(isDone ? 0.1 : 0.5);
      if (!isHarmed) continue;
      const harm = lot.pick(isDone ? ['gone', 'cut'] : ['gone', 'cut', 'empty']);
      this.log.push(`  ${name} is ${harm}, its end ${isDone ? '' : 'not '}in the journal`);
      if (harm === 'gone') rmSync(path);
      if (harm === 'cut') truncateSync(path, lot.whole(0, size - 1));
      if (harm === 'empty') truncateSync(path, 0);
      this.#evidence.lost.set(name, harm === 'gone' ? undefined : ino);
      this.#evidence.whole.delete(name);
    }
    this.#evidence.doubt(claims);
  }

  /** Somebody tidies up. */
  #meddle() {
    const lot = this.#lot;
    for (const [name, size] of this.#evidence.parts) {
      if (!lot.has(0.5)) continue;
      this.log.push(`  ${name}.part is made shorter`);
      if (lot.has(0.3)) rmSync(join(this.#out, `${name}.part`));
      else truncateSync(join(this.#out, `${name}.part`), lot.whole(0, size));
    }
  }

  // ---- The end ----

  /** The names that were told, by line. @param {string} stdout of a run that succeeded */
  #namesIn(stdout) {
    /** @type {Map<number, string>} */
    const names = new Map();
    for (const text of stdout.split('\n').filter((line) => line !== '')) {
      const { type, line, filename_effective } = JSON.parse(text);
      if (type !== 'done' && type !== 'skip') throw new Violation(`exit 0 with ${text}`);
      if (names.has(line)) throw new Violation(`line ${line} ended twice`);
      names.set(line, filename_effective.slice('out/'.length));
    }
    return names;
  }

  /** What others had left is there. @param {Claims} before @param {string} stdout */
  #checkRest({ plans, open }, stdout) {
    this.#namesIn(stdout);
    const found = [...this.#evidence.whole.values()].flatMap(({ contents }) => contents);
    for (const serial of open) {
      const key = plans.get(serial)?.key;
      const entry = this.#list.find(({ text }) => keyOf(text) === key);
      if (!found.some(({ file }) => file === entry?.file)) {
        throw new Violation(`${key} was not done, and is not there after --only-failed`);
      }
    }
  }

  /** Files are as old as the server said. */
  #checkTimes() {
    for (const [name, { contents }] of this.#evidence.whole) {
      if (!contents.every(({ file }) => DATED.includes(file.validators))) continue;
      const seconds = Math.floor(statSync(join(this.#out, name)).mtimeMs / 1000);
      if (!contents.some(({ version }) => Math.floor(+version.modified / 1000) === seconds)) {
        throw new Violation(`${name} has another date than the server said`);
      }
    }
  }

  /** @param {string} stdout */
  #checkEnd(stdout) {
    const { whole, parts, others, names } = this.#evidence;
    const { journal, options } = this.#world;
    const nameByLine = this.#namesIn(stdout);
    let line = 1;
    /** @type {Map<string, Set<string>>} */
    const namesNow = new Map();
    for (const { file, text } of this.#list) {
      const name = nameByLine.get(line);
      if (name === undefined) throw new Violation(`exit 0, and nothing is told of ${text}`);
      if (!whole.get(name)?.contents.some((content) => content.file === file)) {
        throw new Violation(`${name} is not of ${text}`);
      }
      const given = file.givenName?.replace('.bin', '');
      if (given && !text.includes('out=') && !RegExp(`^${given}(\\.\\d+)?\\.bin$`).test(name)) {
        throw new Violation(`${name} should be named after ${file.givenName}`);
      }
      const key = keyOf(text);
      namesNow.set(key, (namesNow.get(key) ?? new Set()).add(name));
      line += text.split('\n').length;
    }
    const given = new Set(nameByLine.values());
    if (given.size !== this.#list.length) {
      throw new Violation(`${this.#list.length} entries have ${given.size} names`);
    }
    for (const name of whole.keys()) {
      if (!given.has(name)) throw new Violation(`${name} is nobody's`);
    }
    if (options.includes('--remote-time')) this.#checkTimes();
    const named = new Set(this.#world.files.filter((file) => file.givenName !== undefined));
    for (const [key, planned] of names) {
      const entry = this.#list.find(({ text }) => keyOf(text) === key);
      if (entry === undefined) throw new Violation(`the journal had ${key}, which no list had`);
      for (const name of named.has(entry.file) ? [] : planned) {
        if (!namesNow.get(key)?.has(name)) throw new Violation(`${key} lost its name ${name}`);
      }
    }
    // Without a journal nothing tells that a small file was once a large one.
    const left = [...(journal === 'none' ? [] : parts.keys()), ...others];
    if (left.length > 0) throw new Violation(`left behind: ${left.join(', ')}`);
    if (journal === 'named') {
      const { done } = readClaims(this.#journal) ?? {};
      if (done?.size !== this.#list.length) {
        throw new Violation(`the journal has ${done?.size} of ${this.#list.length} entries done`);
      }
    }
    if (this.#world.hasManifest) {
      const args = ['--check', '--strict', '--quiet', 'manifest.txt'];
      const { status, stderr } = spawnSync('sha256sum', args, {
        cwd: this.#directory,
        encoding: 'utf8',
      });
      if (status !== 0) throw new Violation(`the manifest is wrong: ${stderr}`);
      const lines = readFileSync(join(this.#directory, 'manifest.txt'), 'utf8').match(/\n/g) ?? [];
      if (lines.length !== this.#list.length)
        throw new Violation(`the manifest has ${lines.length} lines`);
    }
  }
}

/** Bytes; 0 when there is no such file. */
function sizeOf(/** @type {string} */ path) {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** @param {string} path @param {number} from @param {number} to @param {number} byte */
function overwrite(path, from, to, byte) {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.alloc(to - from, byte), 0, to - from, from);
  closeSync(fd);
}
