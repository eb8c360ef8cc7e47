/** The conductor: entries in, targets to the engine, records back, retries, outcomes out. */
import { existsSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { EXIT } from '../errors.ts';
import type { Entry } from '../list/entry.ts';
import {
  type Details,
  type NativeTarget,
  REASON,
  RECORD,
  RECORD_FIELDS,
  RECORD_FLAG,
  RECORD_SIZE,
  type RecordField,
  SAMPLE_HEADER,
  type TargetExtras,
} from '../native/binding.ts';
import { Engine } from '../native/engine.ts';
import { nameFromContentDisposition } from './content-disposition.ts';
import { Ends } from './ends.ts';
import { type Batch, countInputs, knownTotal, readInputs } from './inputs.ts';
import { type Journalled, openJournal } from './journal.ts';
import { Names, suffixOf } from './names.ts';
import type { FetchOptions, Inputs, RetryOptions } from './options.ts';
import { type FailedOutcome, type Outcome, startStats } from './outcome.ts';
import type { Place } from './place.ts';
import { type PlannedEntry, planEntry, redacted, schemesOf, withoutUserinfo } from './plan.ts';
import { decide, type History, NO_HISTORY, RETRY_DEFAULTS } from './retry.ts';

/** Who takes the outcomes. */
export interface Consumer {
  outcome(outcome: Outcome): void;
  /** So many outcomes lie about that neither entries nor records are read before `Conductor.goOn`. */
  isFull(): boolean;
  /** Nothing more comes: every target has ended or was stopped; an `error` is a defect of mcurl or of the inputs. */
  over(error?: unknown): void;
}

/** A target in flight, as the engine takes it and with what an outcome tells of it. */
interface Target extends NativeTarget {
  /** As written. */
  readonly entry: string;
  /** What the journal knows it by. */
  readonly key: string;
  readonly serial: number;
  /** The journal has it done. */
  readonly isDone: boolean;
  /** The name that a server gave it in an earlier run, which is what the journal has; undefined when none did. */
  readonly named: string | undefined;
  readonly source: string | undefined;
  readonly line: number;
  readonly urlnum: number;
  /** Undefined until the first failure. */
  readonly history: History | undefined;
  /** Its other URLs, the next one first; undefined when it has none. */
  readonly mirrors: readonly string[] | undefined;
  /** Of those, how many were not tried yet. */
  readonly untried: number;
}

/** Which target an outcome is about. */
type Subject = Pick<Outcome, 'source' | 'line' | 'urlnum' | 'entry' | 'url' | 'name'>;

/** What is known of a target's last attempt. */
type Evidence = Pick<Outcome, 'retries' | 'details'> & {
  readonly record: Readonly<Record<RecordField, number>>;
};

/** Targets not ended at most, sleeping retries included. */
const WINDOW = 64 * 1024;
/** Targets in one `add`: the first few at once, so that the first byte is early, then more and more. */
const FIRST_BATCH = 64;
const LAST_BATCH = 4096;
/** Records in one `infoRead`. */
const RECORDS = 4096;
/** From a drain to the next look: at most 100 wakes a second. */
const DRAIN_MS = 10;

export class Conductor {
  readonly stats;
  readonly engine: Engine;

  readonly #inputs: Inputs;
  readonly #options: FetchOptions;
  readonly #place: Place;
  readonly #consumer: Consumer;
  readonly #retry: RetryOptions;
  readonly #maxTimeMs: number;
  readonly #hasAllOutcomes: boolean;
  /** What succeeds is only counted, and its size written to the journal. */
  readonly #isPlain: boolean;
  readonly #schemes: ReadonlySet<string>;
  readonly #names = new Names();
  readonly #ends: Ends;
  /** Aborted by `stop`. */
  readonly #abort = new AbortController();
  /** The journal's descriptor is in use until it resolves. */
  readonly #opening: Promise<void>;
  #isOver = false;
  /** Before it was over. */
  #wasStopped = false;
  #error: unknown;
  #isCounting = false;
  /** Wakes the reader when it waits for room. */
  #onRoom: (() => void) | undefined;
  /** The targets not ended, each at the index that is its id. */
  readonly #targets: (Target | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #sleepers = new Map<number, NodeJS.Timeout>();
  /** Targets whose end is known, and something is yet to be written before it is told. */
  #settling = 0;
  readonly #records = new Float64Array(RECORDS * RECORD_SIZE);
  readonly #counters = new Float64Array(SAMPLE_HEADER);
  #drainTimer: NodeJS.Timeout | undefined;
  /** The consumer was full when records waited. */
  #isHeld = false;

  /**
   * Makes the engine and begins to read.
   *
   * @param place is the conductor's from here on
   * @throws NativeError as `Engine`'s constructor, McurlError as `Ends`'
   */
  constructor(inputs: Inputs, options: FetchOptions, place: Place, consumer: Consumer) {
    this.#inputs = inputs;
    this.#options = options;
    this.#place = place;
    this.#consumer = consumer;
    this.#retry = { ...RETRY_DEFAULTS, ...options.retry };
    this.#maxTimeMs = options.maxTimeMs ?? 0;
    this.#hasAllOutcomes = options.outcomes !== 'failures';
    const { jobs = 64, maxPerHost = 16, loops = 0, request = {}, overwrite = false } = options;
    const { durable = false, keepBad = false, remoteTime = false, xattr = false } = options;
    const { remoteName = false, ifModified = false } = options;
    const manifest = options.manifest !== undefined;
    // A journal that stays tells versions, by which a later run asks.
    const isKept = typeof options.journal === 'string';
    const keepDetails = this.#hasAllOutcomes || manifest || remoteName || isKept;
    this.#isPlain = !keepDetails && !durable;
    this.#schemes = schemesOf(request);
    this.stats = startStats(options.onlyFailed ? undefined : knownTotal(inputs));
    this.#ends = new Ends(options, this.stats);
    const { directory, journal } = place;
    const limits = { directory, jobs, maxPerHost, loops, overwrite, keepDetails, request };
    const files = { durable, keepBad, manifest, remoteTime, xattr, remoteName, ifModified };
    this.engine = new Engine(
      { ...limits, ...files, ...(journal === undefined ? undefined : { journal: journal.fd }) },
      () => this.#guarded(() => this.#drain()),
    );
    // Files of ours that lie among the downloads are none of them.
    for (const path of [journal?.path, options.manifest, options.failedOut]) {
      if (path !== undefined && dirname(resolve(path)) === resolve(directory)) {
        this.#names.reserve(basename(path));
      }
    }
    this.#opening = this.#openJournal();
    this.#read().catch((error: unknown) => this.#stopBy(error));
  }

  /** The target in flight with that id. */
  target(id: number): { readonly url: string; readonly name: string } | undefined {
    return this.#targets[id];
  }

  /** The consumer is no longer full. */
  goOn(): void {
    if (this.#isHeld) {
      this.#isHeld = false;
      this.#guarded(() => this.#drain());
    }
    this.#onRoom?.();
  }

  /** Ends running transfers; `Consumer.over` still comes. */
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
    this.engine.stop();
    this.#drainTimer ??= this.#drainLater();
  }

  /** What went wrong beside the targets, for people; complete after `finish`. */
  get notes(): string[] {
    return this.#ends.notes;
  }

  /** Writes what is left to be written, and leaves the place. To be called once, when the engine is closed. */
  async finish(): Promise<void> {
    await this.#opening.catch(() => {}); // It was told by the reading.
    await this.#ends.finish();
    // Who was told to run it again finds the names of this run, even when all was done just then.
    const { readAll, read, done, skipped } = this.stats;
    const hasAll = readAll && done + skipped === read && !this.#wasStopped;
    const isEmpty = this.#targets.length === 0 && this.#ends.journal?.count === 0;
    if (isEmpty || (hasAll && !this.#options.onlyFailed)) {
      this.#place.forget();
    }
    this.#place.close();
  }

  /** The inputs threw: what ends in time is still told. */
  #stopBy(error: unknown): void {
    if (!this.#abort.signal.aborted) {
      this.#error = error;
      this.stop();
    }
  }

  // ---- Entries in ----

  async #openJournal(): Promise<void> {
    const { journal } = this.#place;
    if (journal !== undefined) {
      const { signal } = this.#abort;
      const keepValidators = this.#options.ifModified === true;
      const { fd, path } = journal;
      this.#ends.journal = await openJournal(fd, path, this.#names, { signal, keepValidators });
    }
  }

  async #read(): Promise<void> {
    await this.#opening;
    const { signal } = this.#abort;
    let batchSize = FIRST_BATCH;
    for await (const { source, entries } of this.#batches(signal)) {
      for (let at = 0; at < entries.length; ) {
        if (this.#live === WINDOW || this.#consumer.isFull()) {
          // The scheduler's spill file goes here: entries of a host that fills its share of the window.
          await this.#room();
        }
        if (signal.aborted) {
          return;
        }
        const end = Math.min(entries.length, at + batchSize, at + WINDOW - this.#live);
        const targets: Target[] = [];
        for (; at < end; at += 1) {
          this.#plan(entries[at] as Entry, source, targets);
        }
        if (targets.length > 0) {
          this.engine.add(targets);
        }
        batchSize = Math.min(batchSize * 2, LAST_BATCH);
      }
    }
    if (signal.aborted) {
      return;
    }
    this.stats.total = this.stats.read;
    this.stats.readAll = true;
    this.#endIfDone();
  }

  #batches(signal: AbortSignal): AsyncIterable<Batch> {
    const inputs = this.#inputs;
    return this.#options.onlyFailed && Array.isArray(inputs) && inputs.length === 0
      ? this.#failedBefore(signal)
      : readInputs(inputs, signal);
  }

  async *#failedBefore(signal: AbortSignal): AsyncGenerator<Batch> {
    for await (const entries of this.#ends.journal?.failedEntries(signal) ?? []) {
      yield { source: undefined, entries };
    }
  }

  /** Waits until a full window is half empty again, and the consumer takes outcomes. */
  async #room(): Promise<void> {
    this.#countAhead();
    while (!this.#abort.signal.aborted) {
      const waiting = this.#live - this.#sleepers.size;
      if (!this.#consumer.isFull() && this.#live < WINDOW && waiting < WINDOW / 2) {
        return;
      }
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve;
      });
      this.#onRoom = undefined;
    }
  }

  /** Begun when the window is full: until then the first reader is as fast as a second one. */
  #countAhead(): void {
    if (this.#isCounting || this.stats.total !== undefined || this.#options.onlyFailed) {
      return;
    }
    this.#isCounting = true;
    countInputs(this.#inputs, this.#abort.signal).then(
      (total) => {
        if (!this.stats.readAll) {
          this.stats.total = total;
        }
      },
      (error: unknown) => this.#stopBy(error),
    );
  }

  #plan(entry: Entry, source: string | undefined, targets: Target[]): void {
    const planned = planEntry(entry, this.#schemes);
    if (typeof planned === 'string') {
      const outcome = badEntry(entry, source, this.stats.read, planned);
      this.stats.read += 1;
      this.#ends.fail(outcome);
      this.#consumer.outcome(outcome);
      return;
    }
    const { url, name, key, mirrors } = planned;
    const known = this.#ends.journal?.take(key, name);
    if (this.#options.onlyFailed && known?.state !== 'failed') {
      return;
    }
    const urlnum = this.stats.read;
    this.stats.read += 1;
    const extras = this.#extras(planned, entry.checksum, known);
    const id = this.#free.pop() ?? this.#targets.length;
    const target = {
      id,
      url,
      name: this.#place.isNamed ? name : (this.#knownName(known) ?? this.#names.take(name)),
      timeoutMs: this.#maxTimeMs,
      isRetry: false,
      serial: known?.serial ?? -1,
      isJournalled: known !== undefined && known.state !== 'new',
      isDone: known?.state === 'done',
      named: known?.isNamed ? known.name : undefined,
      extras,
      // Never the slice itself: it would keep its whole chunk of the list in memory.
      entry: entry.text === url ? url : Buffer.from(entry.text).toString(),
      key,
      source,
      line: entry.line,
      urlnum,
      history: undefined,
      mirrors,
      untried: mirrors?.length ?? 0,
    };
    this.#targets[id] = target;
    targets.push(target);
  }

  /** The name from an earlier run: the final one, unless the body still waits for it under another. */
  #knownName({ name, partName = name }: Partial<Journalled> = {}): string | undefined {
    const isWaiting =
      partName !== name && existsSync(join(this.#place.directory, `${partName}.part`));
    return isWaiting ? partName : name;
  }

  /** What the core is to know of an entry that has options, or that an earlier run knew. */
  #extras(
    { url, key }: PlannedEntry,
    checksum: string | undefined,
    known: Journalled | undefined,
  ): TargetExtras | undefined {
    const { version, trustedBytes, doneBytes, doneVersion } = known ?? {};
    const { overwrite, resumeBy } = this.#options;
    const hasEarlier = version !== undefined || doneBytes !== undefined;
    if (key === url && checksum === undefined && !hasEarlier) {
      return undefined;
    }
    return {
      ...(key === url ? undefined : { entry: key }),
      ...(checksum === undefined ? undefined : { checksum }),
      ...(version === undefined ? undefined : { version }),
      ...(version === undefined || resumeBy !== 'size' ? undefined : { resumeBy }),
      ...(trustedBytes === undefined ? undefined : { trustedBytes }),
      ...(doneBytes === undefined || overwrite ? undefined : { doneBytes }),
      ...(doneVersion === undefined ? undefined : { knownVersion: doneVersion }),
    };
  }

  /** Targets not ended. */
  get #live(): number {
    return this.#targets.length - this.#free.length;
  }

  // ---- Records out ----

  /** The engine stays silent until an `infoRead` returns 0, so each look that found some owes another. */
  #drain(): void {
    clearTimeout(this.#drainTimer);
    this.#drainTimer = undefined;
    const isStopping = this.#abort.signal.aborted;
    if (this.#isOver) {
      return;
    }
    const isIdle = isStopping && this.#isIdle();
    let isEmpty = true;
    let count: number;
    do {
      if (this.#consumer.isFull() && !isStopping) {
        this.#isHeld = true;
        return;
      }
      count = this.engine.infoRead(this.#records);
      isEmpty &&= count === 0;
      for (let at = 0; at < count * RECORD_SIZE; at += RECORD_SIZE) {
        this.#take(at);
      }
    } while (count === RECORDS);
    this.#onRoom?.();
    if (isIdle && isEmpty) {
      this.#end();
    } else if (!this.#endIfDone() && (!isEmpty || isStopping)) {
      this.#drainTimer = this.#drainLater();
    }
  }

  #drainLater(): NodeJS.Timeout {
    return setTimeout(() => this.#guarded(() => this.#drain()), DRAIN_MS);
  }

  /** Whether a stopped engine has nothing more to say than what `infoRead` has now. */
  #isIdle(): boolean {
    this.engine.sample(this.#counters);
    const [, running, waiting, finishing] = this.#counters;
    return running === 0 && waiting === 0 && finishing === 0 && this.#settling === 0;
  }

  #endIfDone(): boolean {
    const isDone = this.stats.readAll && this.#live === 0;
    if (isDone) {
      this.#end();
    }
    return isDone;
  }

  /** One record, at `at` in #records. */
  #take(at: number): void {
    const id = this.#records[at + RECORD.id] as number;
    const target = this.#targets[id];
    if (target === undefined) {
      throw new Error(`the engine gave a record of target ${id}, which is not in flight`);
    }
    switch (this.#records[at + RECORD.reason]) {
      case REASON.done:
        this.#done(target, at);
        break;
      case REASON.exists:
        this.#skip(target, 'exists', at);
        break;
      case REASON.notModified:
        this.#skip(target, 'not-modified', at);
        break;
      case REASON.stopped:
        this.#release(id);
        break;
      default:
        this.#failed(target, this.#evidence(target, at));
    }
  }

  #done(target: Target, at: number): void {
    const { id, serial, named = target.name } = target;
    const flags = this.#records[at + RECORD.flags] as number;
    if (this.#isPlain && named === target.name) {
      this.#ends.done(serial, this.#records[at + RECORD.sizeDelivered] as number, flags);
      this.#release(id);
      return;
    }
    const evidence = this.#evidence(target, at);
    let { name } = target;
    if ((flags & RECORD_FLAG.unnamed) !== 0 && evidence.details !== undefined) {
      name = this.#nameFor(target, evidence.details);
      const failure =
        this.#writeName(target, name) ??
        this.engine.publishAs(target.name, name, this.#mayReplace(target, name));
      if (failure?.osErrno === constants.errno.EEXIST) {
        rmSync(join(this.#place.directory, `${target.name}.part`), { force: true });
        this.#skip({ ...target, name }, 'exists', at);
        return;
      }
      if (failure !== undefined) {
        const { osErrno, error } = failure;
        const record = { ...evidence.record, reason: REASON.local, osErrno };
        this.#failed(target, { ...evidence, record, details: { ...evidence.details, error } });
        return;
      }
    } else {
      // It did not wait for the name that a server gave it before.
      this.#writeName(target, name);
    }
    const outcome = {
      type: 'done',
      exitCode: EXIT.ok,
      ...subject(target),
      name,
      ...evidence,
    } as const;
    this.#settle(id, outcome, this.#ends.writeDone(serial, outcome));
  }

  /** The name that the server gives to a body, made safe and its own. */
  #nameFor({ name, named }: Target, { contentDisposition }: Details): string {
    const given = nameFromContentDisposition(contentDisposition);
    if (given === undefined || given === name) {
      return name;
    }
    const isSame = named !== undefined && suffixOf(given, named) !== undefined;
    return isSame ? named : this.#names.take(given);
  }

  /** The journal has a name before a file has it. Returns what went wrong. */
  #writeName({ serial, name, named = name }: Target, final: string) {
    try {
      if (final !== named) {
        this.#ends.writeName(serial, final);
      }
      return undefined;
    } catch (error) {
      const { errno = 0, message } = error as NodeJS.ErrnoException;
      return { osErrno: -errno, error: `cannot write the journal: ${message}` };
    }
  }

  #mayReplace(target: Target, name: string): boolean {
    return (
      this.#options.overwrite === true ||
      (name === target.name && target.extras?.doneBytes !== undefined)
    );
  }

  #skip(target: Target, skipReason: 'exists' | 'not-modified', at: number): void {
    const { id, serial, isDone } = target;
    const before = this.#ends.writeSkip(target, serial, isDone);
    if (this.#isPlain) {
      this.stats.skipped += 1;
      this.#release(id);
      return;
    }
    const evidence = this.#evidence(target, at);
    const end = { type: 'skip', skipReason, exitCode: EXIT.ok } as const;
    this.#settle(id, { ...end, ...subject(target), ...evidence }, before);
  }

  /** Counts and tells what succeeded, at once or when what comes before has been written. */
  #settle(id: number, outcome: Outcome, before: Promise<void> | undefined): void {
    const tell = () => {
      this.#ends.count(outcome);
      if (this.#hasAllOutcomes) {
        this.#consumer.outcome(outcome);
      }
      this.#release(id);
    };
    if (before === undefined) {
      tell();
      return;
    }
    this.#settling += 1;
    before.then(
      () => {
        this.#settling -= 1;
        this.#guarded(tell);
        this.#onRoom?.();
        this.#endIfDone();
      },
      (error: unknown) => this.#end(error),
    );
  }

  /** Puts a failed target to sleep, or tells its end. */
  #failed(target: Target, evidence: Evidence): void {
    const { record, details } = evidence;
    const { mirrors, untried } = target;
    const decision = decide(
      { record, error: details?.error ?? '' },
      target.history ?? NO_HISTORY,
      this.#retry,
      this.#maxTimeMs,
      Math.random,
      mirrors && { count: mirrors.length, untried },
    );
    if (decision.type === 'fail') {
      const { kind, exitCode, message, mayPass } = decision;
      if (mayPass) {
        this.stats.mayPass += 1;
      }
      const end = { type: 'fail', kind, exitCode, message } as const;
      const outcome = { ...end, ...subject(target), ...evidence };
      this.#ends.fail(outcome, target);
      this.#consumer.outcome(outcome);
      this.#release(target.id);
      return;
    }
    if (this.#abort.signal.aborted) {
      this.#release(target.id);
      return;
    }
    const { history, delayMs, pauseHostMs, message } = decision;
    if (pauseHostMs > 0) {
      this.engine.pauseHost(details?.urlEffective || target.url, pauseHostMs);
    }
    // At least 1: 0 would lift the limit.
    const timeoutMs =
      this.#maxTimeMs === 0 ? 0 : Math.max(1, Math.ceil(this.#maxTimeMs - history.totalMs));
    const again = turned(target, decision.turn);
    const extras = resumable(target, again.url, evidence, this.#options.resumeBy);
    this.#sleep({ ...again, extras, history, timeoutMs, isRetry: true }, delayMs);
    this.stats.retries += 1;
    const attempt = history.retries + 1;
    this.#options.onRetry?.({ url: withoutUserinfo(target.url), attempt, delayMs, message });
  }

  /** After `delayMs` the target goes back to the engine. */
  #sleep(target: Target, delayMs: number): void {
    const { id } = target;
    const wake = () => {
      this.#sleepers.delete(id);
      this.stats.sleeping = this.#sleepers.size;
      this.engine.add([target]);
    };
    this.#targets[id] = target;
    this.#sleepers.set(
      id,
      setTimeout(() => this.#guarded(wake), delayMs),
    );
    this.stats.sleeping = this.#sleepers.size;
  }

  // ---- Outcomes ----

  #evidence({ id, history }: Target, at: number): Evidence {
    const record = {} as Record<RecordField, number>;
    for (const [index, field] of RECORD_FIELDS.entries()) {
      record[field] = this.#records[at + index] as number;
    }
    const details = this.engine.details(id);
    return {
      retries: history?.retries ?? 0,
      record,
      details: details && { ...details, urlEffective: withoutUserinfo(details.urlEffective) },
    };
  }

  #release(id: number): void {
    this.#targets[id] = undefined;
    this.#free.push(id);
  }

  #end(error = this.#error): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#wasStopped = this.#abort.signal.aborted;
      this.#consumer.over(error);
    }
  }

  /** What runs outside of any promise must not throw past the job. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#end(error);
    }
  }
}

/** The target with the URL whose turn it is. */
function turned(target: Target, turn: 'stay' | 'next' | 'drop'): Target {
  const [next, ...others] = target.mirrors ?? [];
  if (next === undefined || turn === 'stay') {
    return target;
  }
  const mirrors = turn === 'next' ? [...others, target.url] : others;
  return { ...target, url: next, mirrors, untried: Math.max(target.untried - 1, 0) };
}

/** What the next attempt, at `url`, may continue of what the last one left. */
function resumable(
  target: Target,
  url: string,
  { record, details }: Evidence,
  resumeBy: FetchOptions['resumeBy'],
): TargetExtras {
  const { trustedBytes, version: _, ...extras } = target.extras ?? {};
  const version = record.reason === REASON.integrity ? '' : (details?.version ?? '');
  const by = resumeBy === 'size' ? { resumeBy } : undefined;
  // What this attempt wrote is trusted; what it did not touch, as before.
  const trusted =
    trustedBytes === undefined || record.sizeDelivered > 0 ? undefined : { trustedBytes };
  if (url === target.url) {
    return { ...extras, ...by, ...trusted, version };
  }
  // RFC 9110 8.8.3 and 8.8.2.2: a date is one server's own; a strong ETag may be compared, a checksum settles it.
  if (extras.checksum !== undefined) {
    return { ...extras, ...trusted, version, resumeBy: 'size' };
  }
  const [total = '', etag = ''] = version.split('\t');
  return { ...extras, ...trusted, version: etag === '' ? '' : `${total}\t${etag}\t` };
}

function subject({ source, line, urlnum, entry, url: href, name }: Target): Subject {
  const url = withoutUserinfo(href);
  // An entry that may have a password is shown as its URL without.
  return { source, line, urlnum, entry: entry.includes('@') ? url : entry, url, name };
}

/** The end of an entry that cannot be a target. */
export function badEntry(
  { line, text }: Entry,
  source: string | undefined,
  urlnum: number,
  message: string,
): FailedOutcome {
  const shown = redacted(text);
  return {
    type: 'fail',
    source,
    line,
    urlnum,
    entry: shown,
    url: shown,
    name: undefined,
    kind: 'list',
    exitCode: EXIT.usage,
    message,
    retries: 0,
    record: undefined,
    details: undefined,
  };
}
