/** `fetchAll`: a job as an async iterable of outcomes. */
import { SAMPLE_HEADER, SAMPLE_SIZE } from '../native/binding.ts';
import { checkInputs } from './inputs.ts';
import { checkOptions, type FetchOptions, type Inputs } from './options.ts';
import type { JobStats, Outcome, Sample, Transfer } from './outcome.ts';
import { openPlace, type Place } from './place.ts';
import { withoutUserinfo } from './plan.ts';
import { Conductor } from './run.ts';

/** Outcomes not yet taken, beyond which nothing more is read: neither inputs nor what the loops have finished. */
const MOST_WAITING = 1024;

/**
 * Fetches URLs, each into a file of its own that has its name only when it is whole: the job that `mcurl fetch` runs.
 * It starts at once; any number may run side by side, also in worker threads.
 *
 * The outcomes come as the targets end, in that order. Nothing more is read while a thousand of them wait to be taken.
 * Leaving the loop early stops the job, and the loops' threads have ended when the iteration is over. A job that nobody
 * iterates goes on to its end, or to the thousandth outcome. A failed transfer is an outcome, not an exception: see `stats.exitCode`, or each outcome's `type`.
 *
 * ```ts
 * const job = fetchAll(['https://example.com/a.iso', { list: 'urls.txt' }], { directory: 'files' });
 * for await (const outcome of job) console.log(outcome.type, outcome.url);
 * ```
 *
 * @throws UsageError `ERR_MCURL_INPUT` when `inputs` or one of them is none, `ERR_MCURL_LIST` when a list cannot be read,
 *   `ERR_MCURL_OPTION` when an option makes no sense. (What an iterable gives later throws in the iteration.)
 * @throws McurlError `ERR_MCURL_DIRECTORY` when the output directory cannot be made or written, `ERR_MCURL_FILE` when a manifest
 *   or a list of failed entries cannot
 * @throws NativeError `ERR_MCURL_NOT_BUILT`, `ERR_MCURL_LOAD`, `ERR_MCURL_LAYOUT` when the core cannot be loaded,
 *   `ERR_MCURL_LOCKED` when another job is at work on the output directory or the journal, `ERR_MCURL_JOURNAL` when the journal
 *   cannot be opened (in the iteration, as UsageError: when it is none), `ERR_MCURL_UNSUPPORTED` when libcurl lacks what is asked, `ERR_MCURL_LIBCURL` when that libcurl cannot be used
 * @throws the signal's reason when it is aborted already
 */
export function fetchAll(inputs: Inputs, options: FetchOptions = {}): Job {
  options.signal?.throwIfAborted();
  checkOptions(options);
  checkInputs(inputs);
  const place = openPlace(inputs, options);
  try {
    return new Job(inputs, options, place);
  } catch (error) {
    place.close();
    throw error;
  }
}

/** A job under way, to be iterated once. */
export class Job implements AsyncIterableIterator<Outcome, void, void> {
  /** Transfers at once: as asked, or fewer when the limit of open files (`ulimit -n`) allows no more. */
  readonly jobs: number;
  readonly #conductor: Conductor;
  readonly #signal: AbortSignal | undefined;
  readonly #outcomes: AsyncGenerator<Outcome, void>;
  #waiting: Outcome[] = [];
  /** Outcomes told and not yet taken. */
  #count = 0;
  #isOver = false;
  #error: unknown;
  /** Wakes the iteration when it waits for an outcome. */
  #onChange: (() => void) | undefined;
  /** What `sample` says after the end. */
  #lastSample: Sample | undefined;
  #lacksAttributes = false;
  #closed: Promise<void> | undefined;

  /** @internal Call `fetchAll`. */
  constructor(inputs: Inputs, options: FetchOptions, place: Place) {
    this.#conductor = new Conductor(inputs, options, place, {
      isFull: () => this.#count >= MOST_WAITING,
      outcome: (outcome) => {
        this.#waiting.push(outcome);
        this.#count += 1;
        this.#onChange?.();
      },
      over: (error) => {
        this.#error ??= error;
        this.#isOver = true;
        this.#onChange?.();
        // Whoever never iterates is not to keep the process open; the iteration throws what fails here.
        this.close().catch(() => {});
      },
    });
    this.jobs = this.#conductor.engine.jobs;
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#onAbort);
    this.#outcomes = this.#iterate();
  }

  /** Live counts; read them, do not change them. */
  get stats(): Readonly<JobStats> {
    return this.#conductor.stats;
  }

  /**
   * What the job does at this moment; made to be called at the rate of a screen, not of transfers.
   *
   * @param most transfers to look at; default 0, which is cheap
   */
  sample(most = 0): Sample {
    if (this.#lastSample) return this.#lastSample;
    const { engine } = this.#conductor;
    const numbers = new Float64Array(SAMPLE_HEADER + most * SAMPLE_SIZE);
    const count = engine.sample(numbers);
    const [bytes = 0, running = 0] = numbers;
    const transfers: Transfer[] = [];
    for (let index = 0; index < count; index += 1) {
      const at = SAMPLE_HEADER + index * SAMPLE_SIZE;
      const [id = 0, received = 0, expected = -1, ageUs = 0] = numbers.subarray(
        at,
        at + SAMPLE_SIZE,
      );
      const target = this.#conductor.target(id);
      // It has ended meanwhile, and its record was read.
      if (target === undefined) continue;
      const { url, name } = target;
      const ageMs = ageUs / 1000;
      transfers.push({ id, url: withoutUserinfo(url), name, received, expected, ageMs });
    }
    return { bytes, running, transfers };
  }

  /** Ends running transfers and starts nothing more; the iteration gives what ended in time, and is over. */
  stop(): void {
    this.#conductor.stop();
  }

  /**
   * Stops, and resolves when the loops' threads have ended. A job does that by itself when every target has ended; outcomes
   * not yet taken stay.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { engine } = this.#conductor;
    this.#lastSample = { ...this.sample(), running: 0 };
    this.#lacksAttributes = engine.lacksAttributes;
    this.stop();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    await engine.close();
    await this.#conductor.finish();
  }

  /** What went wrong beside the targets, in lines for people; known when the iteration is over. */
  get notes(): readonly string[] {
    return this.#lacksAttributes
      ? [...this.#conductor.notes, 'the file system takes no extended attributes (--xattr)']
      : this.#conductor.notes;
  }

  /**
   * Ends the whole process at once with `code`, by `_exit`: no `exit` event, no destructor, nothing is flushed. It is the
   * way for a program to leave while transfers run; the library never calls it.
   */
  exit(code: number): never {
    return this.#conductor.engine.exit(code);
  }

  /**
   * The next outcome; done when every target has ended or was stopped.
   *
   * @throws what the inputs threw, the signal's reason, or the Error that is a defect of mcurl
   */
  next(): Promise<IteratorResult<Outcome, void>> {
    return this.#outcomes.next();
  }

  /** Stops and closes: what leaving a `for await` loop calls. */
  async return(): Promise<IteratorResult<Outcome, void>> {
    this.stop();
    await this.#outcomes.return();
    await this.close();
    return { done: true, value: undefined };
  }

  /** Itself: a job is iterated once. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  async *#iterate(): AsyncGenerator<Outcome, void> {
    try {
      while (!this.#isOver || this.#waiting.length > 0) {
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const outcome of waiting) {
          this.#count -= 1;
          if (this.#count === MOST_WAITING - 1) {
            this.#conductor.goOn();
          }
          yield outcome;
        }
        if (!this.#isOver && this.#waiting.length === 0) {
          await new Promise<void>((resolve) => {
            this.#onChange = resolve;
          });
        }
      }
    } finally {
      await this.close();
    }
    if (this.#error !== undefined) {
      throw this.#error;
    }
  }

  readonly #onAbort = (): void => {
    this.#error ??= this.#signal?.reason;
    this.stop();
  };
}
