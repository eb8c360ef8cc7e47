/** The conductor: lists in, targets to the engine, records back, retries, outcomes out. */
import { accessSync, constants, existsSync, lstatSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, McurlError, UsageError } from '../errors.ts';
import { countEntries } from '../list/count.ts';
import { checkList, type Entry, readList, textProblem } from '../list/lines.ts';
import {
  type NativeTarget,
  REASON,
  RECORD,
  RECORD_FIELDS,
  RECORD_FLAG,
  RECORD_SIZE,
  type RecordField,
  SAMPLE_HEADER,
} from '../native/binding.ts';
import { Engine } from '../native/engine.ts';
import { Names, nameFromPath } from './names.ts';
import type { JobOptions, Source } from './options.ts';
import type { FailureKind, JobStats, Outcome } from './outcome.ts';
import { hostOf, parseEntry, redacted, withoutUserinfo } from './plan.ts';
import { decide, type History, NO_HISTORY } from './retry.ts';

/** A job under way. */
export interface Job {
  /** Live; read it, do not change it. */
  readonly stats: JobStats;
  /** Undefined for a dry run. The job leaves it open: close it, or leave by its `exit`. */
  readonly engine: Engine | undefined;
  /** URL (without user and password) and name of a target in flight, for the bars; undefined once it ended. */
  describe(id: number): { readonly url: string; readonly name: string } | undefined;
  /** First signal: ends running transfers; `finished` still resolves. */
  stop(): void;
  /** Resolves when every target has ended (or was stopped). Rejects only for a defect of mcurl or unusable options. */
  readonly finished: Promise<void>;
}

/** What a job tells while it runs. `onOutcome` is called only for failures unless `everyOutcome`. */
export interface JobListener {
  readonly everyOutcome: boolean;
  onOutcome(outcome: Outcome): void;
  /** A target sleeps before its attempt number `attempt` (2 is the first retry); for the log. */
  onRetry?(target: { url: string; attempt: number; delayMs: number; message: string }): void;
  /** Dry run only: one planned target. */
  onPlan?(plan: {
    source: string | undefined;
    line: number;
    url: string;
    name: string;
    exists: boolean;
  }): void;
  /** Backpressure of the consumer of outcomes: nothing more is read while it is true. */
  isFull?(): boolean;
}

/** Targets not ended at most, sleeping retries included. */
const WINDOW = 64 * 1024;
/** Targets in one `add`: the first few at once, so that the first byte is early, then more and more. */
const FIRST_BATCH = 64;
const LAST_BATCH = 4096;
/** Records in one `infoRead`. */
const RECORDS = 4096;
/** From a drain to the next look: at most 100 wakes a second. */
const DRAIN_MS = 10;
/** How often a consumer that is full is asked again. */
const FULL_MS = 50;
/** Failure groups at most; the failures of further hosts are one group a kind, `other`. */
const MAX_GROUPS = 10_000;
/** `.part` must fit behind a name given by `-o`. */
const MAX_OUTPUT_NAME_BYTES = 250;

const DEFAULT_PROTOCOLS = ['http', 'https'];

/** Entries of one source; `source` is undefined for arguments. */
interface Batch {
  readonly source: string | undefined;
  readonly entries: readonly Entry[];
}

/** Which target an outcome is about. */
type Subject = Pick<Outcome, 'source' | 'line' | 'urlnum' | 'entry' | 'url' | 'name'>;

/**
 * Starts a job. The engine is left open at its end: close it, or end the process by its `exit`.
 *
 * @throws UsageError `ERR_MCURL_LIST` when a list cannot be read, `ERR_MCURL_OPTION` when options do not fit together
 * @throws McurlError `ERR_MCURL_DIRECTORY` when the output directory cannot be made or written
 * @throws NativeError as `Engine`'s constructor
 */
export function startJob(options: JobOptions, listener: JobListener): Job {
  checkSources(options);
  if (!options.dryRun) {
    makeDirectory(options.directory);
  }
  return new RunningJob(options, listener);
}

function checkSources({ sources, outputName }: JobOptions): void {
  if (outputName !== undefined) {
    checkOutputName(outputName);
    if (sources.length !== 1 || sources[0]?.kind !== 'url') {
      throw new UsageError(
        'ERR_MCURL_OPTION',
        '-o names the file of exactly one URL: for several, choose the directory with -d',
      );
    }
  }
  const lists = sources.filter((source) => source.kind === 'list');
  if (lists.filter(({ path }) => path === '-').length > 1) {
    throw new UsageError('ERR_MCURL_LIST', 'stdin (-) can be read only once: name it once');
  }
  for (const { path } of lists) {
    checkList(path);
  }
}

function checkOutputName(name: string): void {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
    throw new UsageError(
      'ERR_MCURL_OPTION',
      `-o ${name}: expected a file name without a path; choose the directory with -d`,
    );
  }
  if (/\.part$/i.test(name)) {
    throw new UsageError(
      'ERR_MCURL_OPTION',
      `-o ${name}: files that end in .part are those not yet whole; choose another name`,
    );
  }
  if (Buffer.byteLength(name) > MAX_OUTPUT_NAME_BYTES) {
    throw new UsageError(
      'ERR_MCURL_OPTION',
      `-o: the name is longer than ${MAX_OUTPUT_NAME_BYTES} bytes`,
    );
  }
}

function makeDirectory(directory: string): void {
  try {
    makeWithParents(directory);
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new McurlError(
      'ERR_MCURL_DIRECTORY',
      `cannot write to the output directory ${directory}: ${(cause as Error).message}; choose another with -d`,
      { cause },
    );
  }
}

/** Node's own recursive mkdir never ends below /proc. */
function makeWithParents(directory: string): void {
  try {
    mkdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const parent = dirname(directory);
    if (code === 'ENOENT' && !existsSync(parent)) {
      makeWithParents(parent);
      mkdirSync(directory);
    } else if (!existsSync(directory)) {
      throw error;
    }
  }
}

class RunningJob implements Job {
  readonly stats: JobStats;
  readonly engine: Engine | undefined;
  readonly finished: Promise<void>;

  readonly #options: JobOptions;
  readonly #listener: JobListener;
  readonly #schemes: ReadonlySet<string>;
  readonly #names = new Names();
  /** Aborted by `stop`. */
  readonly #abort = new AbortController();
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  /** Index of the source that is being read, and the entries before it. */
  #sourceIndex = 0;
  #readBefore = 0;
  #isCounting = false;
  /** Wakes the reader when it waits for room. */
  #onRoom: (() => void) | undefined;

  // The targets not ended, each at the index that is its id. A `url` of '' marks a free place.
  readonly #urls: string[] = [];
  readonly #targetNames: string[] = [];
  readonly #entries: string[] = [];
  readonly #sources: (string | undefined)[] = [];
  readonly #lines: number[] = [];
  readonly #urlnums: number[] = [];
  /** Undefined until the first failure. */
  readonly #histories: (History | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #sleepers = new Map<number, NodeJS.Timeout>();

  readonly #records = new Float64Array(RECORDS * RECORD_SIZE);
  readonly #counters = new Float64Array(SAMPLE_HEADER);
  #drainTimer: NodeJS.Timeout | undefined;

  constructor(options: JobOptions, listener: JobListener) {
    this.#options = options;
    this.#listener = listener;
    const { sources, directory, jobs, maxPerHost, loops, overwrite, request } = options;
    this.#schemes = new Set((request.protocols ?? DEFAULT_PROTOCOLS).map((name) => `${name}:`));
    this.stats = {
      startedAtMs: Date.now(),
      read: 0,
      total: sources.every(({ kind }) => kind === 'url') ? sources.length : undefined,
      readAll: false,
      done: 0,
      skipped: 0,
      failed: 0,
      mayPass: 0,
      retries: 0,
      sleeping: 0,
      unverified: 0,
      exitCode: EXIT.ok,
      failures: new Map(),
    };
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { everyOutcome: keepDetails } = listener;
    this.engine = options.dryRun
      ? undefined
      : new Engine({ directory, jobs, maxPerHost, loops, overwrite, keepDetails, request }, () =>
          this.#guarded(() => this.#drain()),
        );
    this.#read().catch((error: unknown) => {
      if (!this.#abort.signal.aborted) {
        this.#reject(error);
      }
    });
  }

  describe(id: number): { readonly url: string; readonly name: string } | undefined {
    const url = this.#urls[id] ?? '';
    return url === ''
      ? undefined
      : { url: withoutUserinfo(url), name: this.#targetNames[id] as string };
  }

  stop(): void {
    if (this.#abort.signal.aborted) {
      return;
    }
    this.#abort.abort();
    for (const timer of this.#sleepers.values()) {
      clearTimeout(timer);
    }
    this.#sleepers.clear();
    this.stats.sleeping = 0;
    this.#onRoom?.();
    this.engine?.stop();
    if (this.engine === undefined) {
      this.#resolve();
    } else {
      this.#drainTimer ??= this.#drainLater();
    }
  }

  // ---- Entries in ----

  async #read(): Promise<void> {
    let batchSize = FIRST_BATCH;
    for await (const { source, entries } of this.#batches()) {
      for (let at = 0; at < entries.length; ) {
        if (this.#live === WINDOW || this.#listener.isFull?.() === true) {
          // The scheduler's spill file goes here: entries of a host that fills its share of the window.
          await this.#room();
        }
        if (this.#abort.signal.aborted) {
          return;
        }
        const end = Math.min(entries.length, at + batchSize, at + WINDOW - this.#live);
        const targets: NativeTarget[] = [];
        for (; at < end; at += 1) {
          this.#plan(entries[at] as Entry, source, targets);
        }
        if (targets.length > 0) {
          this.engine?.add(targets);
        }
        batchSize = Math.min(batchSize * 2, LAST_BATCH);
      }
    }
    this.stats.total = this.stats.read;
    this.stats.readAll = true;
    this.#endIfDone();
  }

  async *#batches(): AsyncGenerator<Batch> {
    let urls: Entry[] = [];
    for (const [index, source] of this.#options.sources.entries()) {
      this.#sourceIndex = index;
      this.#readBefore = this.stats.read;
      if (source.kind === 'list') {
        for await (const entries of readList(source.path, this.#abort.signal)) {
          yield { source: source.path, entries };
        }
        continue;
      }
      urls.push({ line: index + 1, text: source.url, problem: textProblem(source.url) });
      if (this.#options.sources[index + 1]?.kind !== 'url') {
        yield { source: undefined, entries: urls };
        urls = [];
      }
    }
  }

  /** Waits until a full window is half empty again, and the consumer takes outcomes. */
  async #room(): Promise<void> {
    this.#countAhead();
    while (!this.#abort.signal.aborted) {
      const isFull = this.#listener.isFull?.() === true;
      const waiting = this.#live - this.#sleepers.size;
      if (!isFull && this.#live < WINDOW && waiting < WINDOW / 2) {
        return;
      }
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve;
        if (isFull) {
          setTimeout(resolve, FULL_MS);
        }
      });
      this.#onRoom = undefined;
    }
  }

  /** Begun when the window is full: until then the first reader is as fast as a second one. */
  #countAhead(): void {
    if (this.#isCounting || this.stats.total !== undefined) {
      return;
    }
    this.#isCounting = true;
    this.#count(this.#readBefore, this.#options.sources.slice(this.#sourceIndex)).then((total) => {
      if (!this.stats.readAll) {
        this.stats.total = total;
      }
    }, this.#reject);
  }

  async #count(before: number, sources: readonly Source[]): Promise<number | undefined> {
    let total = before;
    for (const source of sources) {
      const count = source.kind === 'url' ? 1 : await countEntries(source.path, this.#abort.signal);
      if (count === undefined) {
        return undefined;
      }
      total += count;
    }
    return total;
  }

  #plan(entry: Entry, source: string | undefined, targets: NativeTarget[]): void {
    const urlnum = this.stats.read;
    this.stats.read += 1;
    const { line, text } = entry;
    const url = entry.problem ?? parseEntry(text, this.#schemes);
    if (typeof url === 'string') {
      const shown = redacted(text);
      this.#end({
        type: 'fail',
        source,
        line,
        urlnum,
        entry: shown,
        url: shown,
        name: undefined,
        kind: 'list',
        exitCode: EXIT.usage,
        message: url,
        retries: 0,
        record: undefined,
        details: undefined,
      });
      return;
    }
    const { href } = url;
    const name = this.#names.take(this.#options.outputName ?? nameFromPath(url.pathname));
    if (this.engine === undefined) {
      const found = lstatSync(join(this.#options.directory, name), { throwIfNoEntry: false });
      const exists = !this.#options.overwrite && found?.isFile() === true;
      this.#listener.onPlan?.({ source, line, url: withoutUserinfo(href), name, exists });
      return;
    }
    const id = this.#free.pop() ?? this.#urls.length;
    this.#urls[id] = href;
    this.#targetNames[id] = name;
    // Never the slice itself: it would keep its whole chunk of the list in memory.
    this.#entries[id] = text === href ? href : Buffer.from(text).toString();
    this.#sources[id] = source;
    this.#lines[id] = line;
    this.#urlnums[id] = urlnum;
    this.#histories[id] = undefined;
    targets.push({ id, url: href, name, timeoutMs: this.#options.maxTimeMs, isRetry: false });
  }

  /** Targets not ended. */
  get #live(): number {
    return this.#urls.length - this.#free.length;
  }

  // ---- Records out ----

  /** The engine stays silent until an `infoRead` returns 0, so each look that found some owes another. */
  #drain(): void {
    clearTimeout(this.#drainTimer);
    this.#drainTimer = undefined;
    const engine = this.engine as Engine;
    const isIdle = this.#abort.signal.aborted && this.#isIdle();
    let isEmpty = true;
    let count: number;
    do {
      count = engine.infoRead(this.#records);
      isEmpty &&= count === 0;
      for (let at = 0; at < count * RECORD_SIZE; at += RECORD_SIZE) {
        this.#take(at);
      }
    } while (count === RECORDS);
    this.#onRoom?.();
    if (isIdle && isEmpty) {
      this.#resolve();
    } else if (!this.#endIfDone() && (!isEmpty || this.#abort.signal.aborted)) {
      this.#drainTimer = this.#drainLater();
    }
  }

  #drainLater(): NodeJS.Timeout {
    return setTimeout(() => this.#guarded(() => this.#drain()), DRAIN_MS);
  }

  /** Whether a stopped engine has nothing more to say than what `infoRead` has now. */
  #isIdle(): boolean {
    this.engine?.sample(this.#counters);
    const [, running, waiting, finishing] = this.#counters;
    return running === 0 && waiting === 0 && finishing === 0;
  }

  #endIfDone(): boolean {
    const isDone = this.stats.readAll && this.#live === 0;
    if (isDone) {
      this.#resolve();
    }
    return isDone;
  }

  /** One record, at `at` in #records. */
  #take(at: number): void {
    const id = this.#records[at + RECORD.id] as number;
    if ((this.#urls[id] ?? '') === '') {
      throw new Error(`the engine gave a record of target ${id}, which is not in flight`);
    }
    switch (this.#records[at + RECORD.reason]) {
      case REASON.done:
        this.stats.done += 1;
        if (((this.#records[at + RECORD.flags] as number) & RECORD_FLAG.unverified) !== 0) {
          this.stats.unverified += 1;
        }
        if (this.#listener.everyOutcome) {
          const end = { type: 'done', exitCode: EXIT.ok } as const;
          this.#listener.onOutcome({ ...end, ...this.#subject(id), ...this.#evidence(id, at) });
        }
        break;
      case REASON.exists:
        this.stats.skipped += 1;
        if (this.#listener.everyOutcome) {
          const end = { type: 'skip', skipReason: 'exists', exitCode: EXIT.ok } as const;
          this.#listener.onOutcome({ ...end, ...this.#subject(id), ...this.#evidence(id, at) });
        }
        break;
      case REASON.stopped:
        break;
      default:
        if (this.#retries(id, at)) {
          return;
        }
    }
    this.#release(id);
  }

  /** Puts a failed target to sleep, or tells its end. Returns whether it is still in flight. */
  #retries(id: number, at: number): boolean {
    const evidence = this.#evidence(id, at);
    const { record, details } = evidence;
    const { retry, maxTimeMs } = this.#options;
    const decision = decide(
      { record, error: details?.error ?? '' },
      this.#histories[id] ?? NO_HISTORY,
      retry,
      maxTimeMs,
      Math.random,
    );
    if (decision.type === 'fail') {
      const { kind, exitCode, message, mayPass } = decision;
      if (mayPass) {
        this.stats.mayPass += 1;
      }
      this.#end({ type: 'fail', kind, exitCode, message, ...this.#subject(id), ...evidence });
      return false;
    }
    if (this.#abort.signal.aborted) {
      return false;
    }
    const { history, delayMs, pauseHostMs, message } = decision;
    const url = this.#urls[id] as string;
    if (pauseHostMs > 0) {
      this.engine?.pauseHost(details?.urlEffective || url, pauseHostMs);
    }
    this.#histories[id] = history;
    this.#sleepers.set(
      id,
      setTimeout(() => this.#guarded(() => this.#wake(id, history)), delayMs),
    );
    this.stats.sleeping = this.#sleepers.size;
    this.stats.retries += 1;
    const attempt = history.retries + 1;
    this.#listener.onRetry?.({ url: withoutUserinfo(url), attempt, delayMs, message });
    return true;
  }

  /** A sleeping target goes back to the engine. */
  #wake(id: number, history: History): void {
    this.#sleepers.delete(id);
    this.stats.sleeping = this.#sleepers.size;
    const { maxTimeMs } = this.#options;
    const url = this.#urls[id] as string;
    const name = this.#targetNames[id] as string;
    // At least 1: 0 would lift the limit.
    const timeoutMs = maxTimeMs === 0 ? 0 : Math.max(1, Math.ceil(maxTimeMs - history.totalMs));
    this.engine?.add([{ id, url, name, timeoutMs, isRetry: true }]);
  }

  #release(id: number): void {
    this.#urls[id] = '';
    this.#targetNames[id] = '';
    this.#entries[id] = '';
    this.#histories[id] = undefined;
    this.#free.push(id);
  }

  // ---- Outcomes ----

  #subject(id: number): Subject {
    const href = this.#urls[id] as string;
    const url = withoutUserinfo(href);
    const entry = this.#entries[id] as string;
    return {
      source: this.#sources[id],
      line: this.#lines[id] as number,
      urlnum: this.#urlnums[id] as number,
      // An entry with a password is shown as its URL without.
      entry: url === href ? entry : url,
      url,
      name: this.#targetNames[id],
    };
  }

  #evidence(id: number, at: number) {
    const record = {} as Record<RecordField, number>;
    for (const [index, field] of RECORD_FIELDS.entries()) {
      record[field] = this.#records[at + index] as number;
    }
    const details = this.engine?.details(id);
    return {
      retries: this.#histories[id]?.retries ?? 0,
      record,
      details: details && { ...details, urlEffective: withoutUserinfo(details.urlEffective) },
    };
  }

  /** Counts and tells a failure. */
  #end(outcome: Outcome & { readonly kind: FailureKind }): void {
    const { stats } = this;
    stats.failed += 1;
    if (stats.exitCode === EXIT.ok || outcome.exitCode < stats.exitCode) {
      stats.exitCode = outcome.exitCode;
    }
    const { kind } = outcome;
    let host = kind === 'list' ? '' : hostOf(outcome.details?.urlEffective || outcome.url);
    if (stats.failures.size >= MAX_GROUPS && !stats.failures.has(`${kind} ${host}`)) {
      host = 'other';
    }
    const group = stats.failures.get(`${kind} ${host}`);
    if (group === undefined) {
      stats.failures.set(`${kind} ${host}`, { kind, host, count: 1, example: outcome });
    } else {
      group.count += 1;
    }
    this.#listener.onOutcome(outcome);
  }

  /** What runs outside of any promise must not throw past the job. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#reject(error);
    }
  }
}
