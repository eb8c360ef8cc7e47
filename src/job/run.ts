/** The conductor: lists in, targets to the engine, records back, retries, outcomes out. */
import type { Engine } from '../native/engine.ts';
import type { JobOptions } from './options.ts';
import type { JobStats, Outcome } from './outcome.ts';

/** A job under way. */
export interface Job {
  /** Live; read it, do not change it. */
  readonly stats: JobStats;
  /** Undefined for a dry run. */
  readonly engine: Engine | undefined;
  /** URL and name of a target in flight, for the bars; undefined once it ended. */
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
  /** A target sleeps before another attempt; for the log. */
  onRetry?(target: { url: string; attempt: number; delayMs: number; message: string }): void;
  /** Dry run only: one planned target. */
  onPlan?(plan: { source: string | undefined; line: number; url: string; name: string; exists: boolean }): void;
  /** Backpressure of the consumer of outcomes: nothing more is read while it is true. */
  isFull?(): boolean;
}

/** Starts a job. @throws UsageError / McurlError when it cannot start (no such list, no such directory …). */
export declare function startJob(options: JobOptions, listener: JobListener): Job;
