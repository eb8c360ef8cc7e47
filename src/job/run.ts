/** The conductor: records out of the engine, retries back to it, outcomes out. What goes in is the reader's. */
import { constants } from 'node:os';
import { EXIT } from '../errors.ts';
import {
  type Details,
  REASON,
  RECORD,
  RECORD_FIELDS,
  RECORD_FLAG,
  RECORD_SIZE,
  type RecordField,
  SAMPLE_HEADER,
} from '../native/binding.ts';
import { Engine } from '../native/engine.ts';
import { nameFromContentDisposition } from './content-disposition.ts';
import { Ends } from './ends.ts';
import { knownTotal } from './inputs.ts';
import { Names, suffixOf } from './names.ts';
import type { FetchOptions, Inputs, RetryOptions } from './options.ts';
import { type Consumer, type FailedOutcome, type Outcome, startStats } from './outcome.ts';
import type { Place } from './place.ts';
import { withoutUserinfo } from './plan.ts';
import { Reader } from './read.ts';
import { decide, NO_HISTORY, RETRY_DEFAULTS } from './retry.ts';
import { type Evidence, resumable, subject, type Target, Targets, turned } from './target.ts';

/** Records in one `infoRead`. */
const RECORDS = 4096;
/** From a drain to the next look: at most 100 wakes a second. */
const DRAIN_MS = 10;

export class Conductor {
  readonly stats;
  readonly engine: Engine;

  readonly #options: FetchOptions;
  readonly #place: Place;
  readonly #consumer: Consumer;
  readonly #retry: RetryOptions;
  readonly #maxTimeMs: number;
  readonly #hasAllOutcomes: boolean;
  /** What succeeds is only counted, and its size written to the journal. */
  readonly #isPlain: boolean;
  readonly #names = new Names();
  readonly #ends: Ends;
  readonly #targets = new Targets();
  readonly #reader: Reader;
  /** Aborted by `stop`. */
  readonly #abort = new AbortController();
  #isOver = false;
  /** Before it was over. */
  #wasStopped = false;
  #error: unknown;
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
    this.stats = startStats(options.onlyFailed ? undefined : knownTotal(inputs));
    this.#ends = new Ends(options, this.stats);
    const { directory, journal } = place;
    const limits = { directory, jobs, maxPerHost, loops, overwrite, keepDetails, request };
    const files = { durable, keepBad, manifest, remoteTime, xattr, remoteName, ifModified };
    this.engine = new Engine(
      { ...limits, ...files, ...(journal === undefined ? undefined : { journal: journal.fd }) },
      () => this.#guarded(() => this.#drain()),
    );
    this.#reader = new Reader(inputs, {
      options,
      place,
      names: this.#names,
      stats: this.stats,
      targets: this.#targets,
      ends: this.#ends,
      engine: this.engine,
      consumer,
      signal: this.#abort.signal,
    });
    this.#reader.read().then(
      () => this.#endIfDone(),
      (error: unknown) => this.#stopBy(error),
    );
  }

  /** The target in flight with that id. */
  target(id: number): { readonly url: string; readonly name: string } | undefined {
    return this.#targets.get(id);
  }

  /** The consumer is no longer full. */
  goOn(): void {
    if (this.#isHeld) {
      this.#isHeld = false;
      this.#guarded(() => this.#drain());
    }
    this.#reader.wake();
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
    this.#reader.wake();
    this.engine.stop();
    this.#drainTimer ??= this.#drainLater();
  }

  /** What went wrong beside the targets, for people; complete after `finish`. */
  get notes(): string[] {
    return this.#ends.notes;
  }

  /** Writes what is left to be written, and leaves the place. To be called once, when the engine is closed. */
  async finish(): Promise<void> {
    await this.#reader.opened.catch(() => {}); // It was told by the reading.
    const { readAll, read, done, skipped, failed } = this.stats;
    // Who was told to run it again finds the names of this run, even when all was done just then.
    const hasTriedAll = readAll && done + skipped + failed === read && !this.#wasStopped;
    const hasAll = hasTriedAll && failed === 0;
    if (hasTriedAll && this.#options.overwrite) {
      this.#ends.journal?.renewed();
    }
    await this.#ends.finish();
    const isEmpty = this.#targets.isUnused && this.#ends.journal?.count === 0;
    // --only-failed looked neither at what is done nor at what the list may have beyond the journal.
    const isAll = hasAll && !this.#options.onlyFailed && !this.#ends.journal?.hasOthers;
    if (isEmpty || isAll) {
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
    this.#reader.wake();
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
    const isDone = this.stats.readAll && this.#targets.live === 0;
    if (isDone) {
      this.#end();
    }
    return isDone;
  }

  /** One record, at `at` in #records. */
  #take(at: number): void {
    const id = this.#records[at + RECORD.id] as number;
    const target = this.#targets.get(id);
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
        this.#targets.release(id);
        break;
      default:
        this.#failed(target, this.#evidence(target, at));
    }
  }

  #done(target: Target, at: number): void {
    const { id, serial, named = target.name } = target;
    const checksum = target.extras?.checksum;
    const flags = this.#records[at + RECORD.flags] as number;
    if (this.#isPlain && named === target.name) {
      const size = this.#records[at + RECORD.sizeDelivered] as number;
      this.#ends.done(serial, size, flags, checksum);
      this.#targets.release(id);
      return;
    }
    const evidence = this.#evidence(target, at);
    let { name } = target;
    if ((flags & RECORD_FLAG.unnamed) !== 0 && evidence.details !== undefined) {
      const publish = () =>
        this.#writeName(target, name) ??
        this.engine.publishAs(target.name, name, this.#mayReplace(target, name));
      name = this.#nameFor(target, evidence.details);
      let failure = publish();
      // Of another size, what has that name is another file: this one gets a name of its own.
      while (failure?.osErrno === constants.errno.EEXIST && name !== target.name) {
        const size = this.#ends.sizeOf(name);
        if (size === undefined || size === evidence.record.sizeDelivered) {
          break;
        }
        const given = nameFromContentDisposition(evidence.details.contentDisposition);
        name = this.#names.take(given ?? name);
        failure = publish();
      }
      if (failure?.osErrno === constants.errno.EEXIST) {
        this.#ends.dropPart(target.name);
        // The journal may have it done, but under another name.
        this.#skip({ ...target, name, isDone: false }, 'exists', at);
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
    this.#settle(id, outcome, this.#ends.writeDone(serial, outcome, checksum));
  }

  /** The name that the server gives to a body, made safe and its own. */
  #nameFor({ name, named, isChosen }: Target, { contentDisposition }: Details): string {
    const given = isChosen ? undefined : nameFromContentDisposition(contentDisposition);
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
      (name === target.name &&
        (target.extras?.doneBytes !== undefined || target.extras?.mayReplace === true))
    );
  }

  /** A file of that name was there. It is hashed first when it must have a checksum and the journal does not know that it has. */
  #skip(target: Target, skipReason: 'exists' | 'not-modified', at: number): void {
    const { id, serial, name, isDone } = target;
    const checksum = target.extras?.checksum;
    if (checksum === undefined || (isDone && this.#ends.journal?.digestOf(serial) === checksum)) {
      this.#skipped(target, skipReason, this.#isPlain ? undefined : this.#evidence(target, at));
      return;
    }
    const evidence = this.#evidence(target, at);
    const { signal } = this.#abort;
    const check = this.#ends.check(name, checksum, signal).catch(() => 'stopped' as const);
    this.#after(check, (failure) => {
      if (failure === undefined) {
        this.#skipped(target, skipReason, evidence, checksum);
      } else if (failure === 'stopped') {
        this.#targets.release(id);
      } else {
        this.#fail(target, failure, evidence);
      }
    });
  }

  /** @param evidence not needed when nothing is told but failures */
  #skipped(
    target: Target,
    skipReason: 'exists' | 'not-modified',
    evidence: Evidence | undefined,
    checksum?: string,
  ): void {
    const { id, name, isDone, extras } = target;
    // An earlier run may have begun to replace that file.
    const part = isDone ? undefined : extras?.version?.split('\t')[3];
    if (part !== undefined) {
      this.#ends.dropPart(name, part);
    }
    const before = this.#ends.writeSkip(target, checksum);
    if (evidence === undefined) {
      this.stats.skipped += 1;
      this.#targets.release(id);
      return;
    }
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
      this.#targets.release(id);
    };
    if (before === undefined) {
      tell();
    } else {
      this.#after(before, tell);
    }
  }

  /** Goes on with a target when what its end waits for is known. */
  #after<Known>(before: Promise<Known>, goOn: (known: Known) => void): void {
    this.#settling += 1;
    before.then(
      (known) => {
        this.#settling -= 1;
        this.#guarded(() => goOn(known));
        this.#reader.wake();
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
      this.#fail(target, { kind, exitCode, message }, evidence);
      return;
    }
    if (this.#abort.signal.aborted) {
      this.#targets.release(target.id);
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

  #fail(
    target: Target,
    failure: Pick<FailedOutcome, 'kind' | 'exitCode' | 'message'>,
    evidence: Evidence,
  ): void {
    const outcome = { type: 'fail', ...failure, ...subject(target), ...evidence } as const;
    this.#ends.fail(outcome, target);
    this.#consumer.outcome(outcome);
    this.#targets.release(target.id);
  }

  /** After `delayMs` the target goes back to the engine. */
  #sleep(target: Target, delayMs: number): void {
    const { id } = target;
    const wake = () => {
      this.#sleepers.delete(id);
      this.stats.sleeping = this.#sleepers.size;
      this.engine.add([target]);
    };
    this.#targets.set(target);
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
