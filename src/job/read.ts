/** The reading side of a job: entries in, targets to the engine, as long as there is room. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from '../list/entry.ts';
import type { Engine } from '../native/engine.ts';
import type { Journalled } from './earlier.ts';
import type { Ends } from './ends.ts';
import { type Batch, countInputs, readInputs } from './inputs.ts';
import { type Journal, openJournal } from './journal.ts';
import type { Names } from './names.ts';
import type { FetchOptions, Inputs } from './options.ts';
import type { Consumer, JobStats } from './outcome.ts';
import { type Place, reserveOurs } from './place.ts';
import { planEntry, schemesOf } from './plan.ts';
import { badEntry, extrasOf, type Target, type Targets } from './target.ts';

/** Targets not ended at most, sleeping retries included. */
const WINDOW = 32 * 1024;
/** Targets in one `add`: the first few at once, so that the first byte is early, then more and more. */
const FIRST_BATCH = 64;
const LAST_BATCH = 4096;

/** What a reader shares with its conductor. */
export interface Shared {
  readonly options: FetchOptions;
  readonly place: Place;
  readonly names: Names;
  readonly stats: JobStats;
  readonly targets: Targets;
  readonly ends: Ends;
  readonly engine: Engine;
  readonly consumer: Consumer;
  /** Ends the reading. */
  readonly signal: AbortSignal;
}

/** What a job reads: the inputs, or, with `onlyFailed` and none, what earlier runs did not finish. */
export async function* batchesOf(
  inputs: Inputs,
  { onlyFailed = false }: FetchOptions,
  earlier: Pick<Journal, 'unfinished'> | undefined,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  if (!(onlyFailed && Array.isArray(inputs) && inputs.length === 0)) {
    yield* readInputs(inputs, signal);
    return;
  }
  for await (const entries of earlier?.unfinished(signal) ?? []) {
    yield { source: undefined, entries };
  }
}

/** With `onlyFailed` an entry is passed over unless an earlier run planned it and did not finish it. */
export function isWanted(known: Journalled | undefined, { onlyFailed = false }: FetchOptions) {
  return !onlyFailed || known?.state === 'open' || known?.state === 'failed';
}

export class Reader {
  /** The journal's descriptor is in use until it resolves, or rejects as `openJournal`. */
  readonly opened: Promise<void>;
  readonly #inputs: Inputs;
  readonly #shared: Shared;
  readonly #schemes: ReadonlySet<string>;
  #isCounting = false;
  /** Wakes the reading when it waits for room. */
  #onRoom: (() => void) | undefined;

  /** Begins to read the journal. */
  constructor(inputs: Inputs, shared: Shared) {
    this.#inputs = inputs;
    this.#shared = shared;
    const { options, place, names } = shared;
    this.#schemes = schemesOf(options.request ?? {});
    reserveOurs(names, place.journal?.path ?? false, options);
    this.opened = this.#openJournal();
  }

  /** There may be room again, or the signal is aborted. */
  wake(): void {
    this.#onRoom?.();
  }

  async #openJournal(): Promise<void> {
    const { place, options, names, ends, signal } = this.#shared;
    const { journal } = place;
    if (journal !== undefined) {
      const keepValidators = options.ifModified === true;
      const renew = options.overwrite === true && options.onlyFailed !== true;
      const { fd, path } = journal;
      ends.journal = await openJournal(fd, path, names, { signal, keepValidators, renew });
    }
  }

  /** Resolves when all is read (`stats.readAll`), or the signal is aborted. @throws what the journal or the inputs throw */
  async read(): Promise<void> {
    await this.opened;
    const { options, stats, targets, ends, engine, consumer, signal } = this.#shared;
    let batchSize = FIRST_BATCH;
    const inputs = this.#inputs;
    for await (const { source, entries } of batchesOf(inputs, options, ends.journal, signal)) {
      for (let at = 0; at < entries.length; ) {
        if (targets.live === WINDOW || consumer.isFull()) {
          // The scheduler's spill file goes here: entries of a host that fills its share of the window.
          await this.#room();
        }
        if (signal.aborted) {
          return;
        }
        const end = Math.min(entries.length, at + batchSize, at + WINDOW - targets.live);
        const planned: Target[] = [];
        for (; at < end; at += 1) {
          this.#plan(entries[at] as Entry, source, planned);
        }
        if (planned.length > 0) {
          engine.add(planned);
          ends.journal?.planned();
        }
        batchSize = Math.min(batchSize * 2, LAST_BATCH);
      }
    }
    if (signal.aborted) {
      return;
    }
    stats.total = stats.read;
    stats.readAll = true;
  }

  /** Waits until a full window is half empty again, and the consumer takes outcomes. */
  async #room(): Promise<void> {
    this.#countAhead();
    const { stats, targets, consumer, signal } = this.#shared;
    while (!signal.aborted) {
      const waiting = targets.live - stats.sleeping;
      if (!consumer.isFull() && targets.live < WINDOW && waiting < WINDOW / 2) {
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
    const { options, stats, signal } = this.#shared;
    if (this.#isCounting || stats.total !== undefined || options.onlyFailed) {
      return;
    }
    this.#isCounting = true;
    countInputs(this.#inputs, signal).then(
      (total) => {
        if (!stats.readAll) {
          stats.total = total;
        }
      },
      () => {}, // The reading meets the same trouble.
    );
  }

  #plan(entry: Entry, source: string | undefined, into: Target[]): void {
    const { options, place, names, stats, targets, ends, consumer } = this.#shared;
    const planned = planEntry(entry, this.#schemes);
    if (typeof planned === 'string') {
      const outcome = badEntry(entry, source, stats.read, planned);
      stats.read += 1;
      ends.fail(outcome);
      consumer.outcome(outcome);
      return;
    }
    const { url, name, text, mirrors } = planned;
    const known = ends.journal?.take(text, name);
    if (!isWanted(known, options)) {
      return;
    }
    const urlnum = stats.read;
    stats.read += 1;
    const extras = extrasOf(planned, entry.checksum, known, options);
    const target = {
      id: targets.freeId(),
      url,
      name: place.isNamed ? name : (this.#knownName(known) ?? names.take(name)),
      timeoutMs: options.maxTimeMs ?? 0,
      isRetry: false,
      serial: known?.serial ?? -1,
      isJournalled: known?.text === text,
      isDone: known?.state === 'done',
      isChosen: entry.output !== undefined,
      named: known?.isNamed ? known.name : undefined,
      extras,
      // Never the slice itself: it would keep its whole chunk of the list in memory.
      entry: entry.text === url ? url : Buffer.from(entry.text).toString(),
      text,
      source,
      line: entry.line,
      urlnum,
      history: undefined,
      mirrors,
      untried: mirrors?.length ?? 0,
    };
    targets.set(target);
    into.push(target);
  }

  /** The name from an earlier run: the final one, unless the body still waits for it under another. */
  #knownName({ name, partName = name }: Partial<Journalled> = {}): string | undefined {
    const isWaiting =
      partName !== name && existsSync(join(this.#shared.place.directory, `${partName}.part`));
    return isWaiting ? partName : name;
  }
}
