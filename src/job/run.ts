/** The conductor: entries in, targets to the engine, records back, retries, outcomes out. */
import { EXIT } from '../errors.ts';
import type { Entry } from '../list/entry.ts';
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
import { countInputs, knownTotal, readInputs } from './inputs.ts';
import { Names } from './names.ts';
import type { FetchOptions, Inputs, RetryOptions } from './options.ts';
import { countFailure, type FailedOutcome, type Outcome, startStats } from './outcome.ts';
import { planEntry, redacted, schemesOf, withoutUserinfo } from './plan.ts';
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
  readonly entry: string;
  readonly source: string | undefined;
  readonly line: number;
  readonly urlnum: number;
  /** Undefined until the first failure. */
  readonly history: History | undefined;
}

/** Which target an outcome is about. */
type Subject = Pick<Outcome, 'source' | 'line' | 'urlnum' | 'entry' | 'url' | 'name'>;

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
  readonly #consumer: Consumer;
  readonly #retry: RetryOptions;
  readonly #maxTimeMs: number;
  readonly #hasAllOutcomes: boolean;
  readonly #onRetry: FetchOptions['onRetry'];
  readonly #schemes: ReadonlySet<string>;
  readonly #names = new Names();
  /** Aborted by `stop`. */
  readonly #abort = new AbortController();
  #isOver = false;
  #error: unknown;
  #isCounting = false;
  /** Wakes the reader when it waits for room. */
  #onRoom: (() => void) | undefined;
  /** The targets not ended, each at the index that is its id. */
  readonly #targets: (Target | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #sleepers = new Map<number, NodeJS.Timeout>();
  readonly #records = new Float64Array(RECORDS * RECORD_SIZE);
  readonly #counters = new Float64Array(SAMPLE_HEADER);
  #drainTimer: NodeJS.Timeout | undefined;
  /** The consumer was full when records waited. */
  #isHeld = false;

  /** Makes the engine and begins to read. @throws NativeError as `Engine`'s constructor */
  constructor(inputs: Inputs, options: FetchOptions, consumer: Consumer) {
    this.#inputs = inputs;
    this.#consumer = consumer;
    this.#retry = { ...RETRY_DEFAULTS, ...options.retry };
    this.#maxTimeMs = options.maxTimeMs ?? 0;
    this.#hasAllOutcomes = options.outcomes !== 'failures';
    this.#onRetry = options.onRetry;
    const { directory = '.', jobs = 64, maxPerHost = 16, loops = 0, request = {} } = options;
    this.#schemes = schemesOf(request);
    this.stats = startStats(knownTotal(inputs));
    const { overwrite = false } = options;
    const keepDetails = this.#hasAllOutcomes;
    this.engine = new Engine(
      { directory, jobs, maxPerHost, loops, overwrite, keepDetails, request },
      () => this.#guarded(() => this.#drain()),
    );
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

  /** The inputs threw: what ends in time is still told. */
  #stopBy(error: unknown): void {
    if (!this.#abort.signal.aborted) {
      this.#error = error;
      this.stop();
    }
  }

  // ---- Entries in ----

  async #read(): Promise<void> {
    let batchSize = FIRST_BATCH;
    for await (const { source, entries } of readInputs(this.#inputs, this.#abort.signal)) {
      for (let at = 0; at < entries.length; ) {
        if (this.#live === WINDOW || this.#consumer.isFull()) {
          // The scheduler's spill file goes here: entries of a host that fills its share of the window.
          await this.#room();
        }
        if (this.#abort.signal.aborted) {
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
    this.stats.total = this.stats.read;
    this.stats.readAll = true;
    this.#endIfDone();
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
    if (this.#isCounting || this.stats.total !== undefined) {
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
    const urlnum = this.stats.read;
    this.stats.read += 1;
    const planned = planEntry(entry, this.#schemes, this.#names);
    if (typeof planned === 'string') {
      this.#fail(badEntry(entry, source, urlnum, planned));
      return;
    }
    const { href, name } = planned;
    const id = this.#free.pop() ?? this.#targets.length;
    const target = {
      id,
      url: href,
      name,
      timeoutMs: this.#maxTimeMs,
      isRetry: false,
      // Never the slice itself: it would keep its whole chunk of the list in memory.
      entry: entry.text === href ? href : Buffer.from(entry.text).toString(),
      source,
      line: entry.line,
      urlnum,
      history: undefined,
    };
    this.#targets[id] = target;
    targets.push(target);
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
    return running === 0 && waiting === 0 && finishing === 0;
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
        this.stats.done += 1;
        if (((this.#records[at + RECORD.flags] as number) & RECORD_FLAG.unverified) !== 0) {
          this.stats.unverified += 1;
        }
        if (this.#hasAllOutcomes) {
          const end = { type: 'done', exitCode: EXIT.ok } as const;
          this.#consumer.outcome({ ...end, ...subject(target), ...this.#evidence(target, at) });
        }
        break;
      case REASON.exists:
        this.stats.skipped += 1;
        if (this.#hasAllOutcomes) {
          const end = { type: 'skip', skipReason: 'exists', exitCode: EXIT.ok } as const;
          this.#consumer.outcome({ ...end, ...subject(target), ...this.#evidence(target, at) });
        }
        break;
      case REASON.stopped:
        break;
      default:
        if (this.#retries(target, at)) {
          return;
        }
    }
    this.#targets[id] = undefined;
    this.#free.push(id);
  }

  /** Puts a failed target to sleep, or tells its end. Returns whether it is still in flight. */
  #retries(target: Target, at: number): boolean {
    const evidence = this.#evidence(target, at);
    const { record, details } = evidence;
    const decision = decide(
      { record, error: details?.error ?? '' },
      target.history ?? NO_HISTORY,
      this.#retry,
      this.#maxTimeMs,
      Math.random,
    );
    if (decision.type === 'fail') {
      const { kind, exitCode, message, mayPass } = decision;
      if (mayPass) {
        this.stats.mayPass += 1;
      }
      this.#fail({ type: 'fail', kind, exitCode, message, ...subject(target), ...evidence });
      return false;
    }
    if (this.#abort.signal.aborted) {
      return false;
    }
    const { history, delayMs, pauseHostMs, message } = decision;
    if (pauseHostMs > 0) {
      this.engine.pauseHost(details?.urlEffective || target.url, pauseHostMs);
    }
    // At least 1: 0 would lift the limit.
    const timeoutMs =
      this.#maxTimeMs === 0 ? 0 : Math.max(1, Math.ceil(this.#maxTimeMs - history.totalMs));
    this.#sleep({ ...target, history, timeoutMs, isRetry: true }, delayMs);
    this.stats.retries += 1;
    const attempt = history.retries + 1;
    this.#onRetry?.({ url: withoutUserinfo(target.url), attempt, delayMs, message });
    return true;
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

  #evidence({ id, history }: Target, at: number) {
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

  #fail(outcome: FailedOutcome): void {
    countFailure(this.stats, outcome);
    this.#consumer.outcome(outcome);
  }

  #end(error = this.#error): void {
    if (!this.#isOver) {
      this.#isOver = true;
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

function subject({ source, line, urlnum, entry, url: href, name }: Target): Subject {
  const url = withoutUserinfo(href);
  // An entry with a password is shown as its URL without.
  return { source, line, urlnum, entry: url === href ? entry : url, url, name };
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
