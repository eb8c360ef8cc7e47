/** The end of a target, and the counts a job keeps of all its ends. */
import { EXIT, type ExitCode } from '../errors.ts';
import type { Details, RecordField } from '../native/binding.ts';
import { hostOf } from './plan.ts';

/** Bits of an outcome's `record.flags`, for who may not know the border. */
export { RECORD_FLAG } from '../native/binding.ts';

/** Failure classes, as the summary groups them and `--json` names them in `error_class`. */
export type FailureKind =
  | 'dns'
  | 'connect'
  | 'timeout'
  | 'truncated'
  | 'network'
  | 'tls'
  | 'auth'
  | 'protocol'
  | 'redirect'
  | 'address'
  | 'http'
  | 'local'
  | 'integrity'
  | 'list'
  | 'interrupted'
  | 'defect';

/** One target's end. Strings may come from a server: escape them for a terminal. */
export interface Outcome {
  readonly type: 'done' | 'skip' | 'fail';
  /** List file the entry came from; `-` is stdin; undefined for a URL given by itself. */
  readonly source: string | undefined;
  /** Line in that list, from 1; without a list the position among the inputs, from 1. */
  readonly line: number;
  /** Position among all targets, from 0 (curl's `urlnum`). */
  readonly urlnum: number;
  /** The entry as written. */
  readonly entry: string;
  /** The URL as requested, without user and password; the entry as written when it is no URL. */
  readonly url: string;
  /** Final name inside the output directory; undefined when the entry never got one. */
  readonly name: string | undefined;
  /** Why it was skipped: a file was there, and with `ifModified` it is still the server's. */
  readonly skipReason?: 'exists' | 'not-modified';
  readonly kind?: FailureKind;
  readonly exitCode: ExitCode;
  /** One sentence for people: the thing, the cause, the way out. */
  readonly message?: string;
  /** Further attempts that were made. */
  readonly retries: number;
  /** What libcurl and the core measured of the last transfer; undefined when none ran. */
  readonly record: Readonly<Record<RecordField, number>> | undefined;
  readonly details: Details | undefined;
}

/** An outcome that is a failure. */
export type FailedOutcome = Outcome & { readonly kind: FailureKind };

/** Who takes the outcomes. */
export interface Consumer {
  outcome(outcome: Outcome): void;
  /** So many outcomes lie about that neither entries nor records are read until there is room again. */
  isFull(): boolean;
  /** Nothing more comes: every target has ended or was stopped; an `error` is a defect of mcurl or of the inputs. */
  over(error?: unknown): void;
}

/** Failures of one kind on one host, with one example. */
export interface FailureGroup {
  readonly kind: FailureKind;
  readonly host: string;
  count: number;
  readonly example: Outcome;
}

/** Live counts of a job: what progress samples and the summary prints. */
export interface JobStats {
  readonly startedAtMs: number;
  /** Entries read so far (bad lines and skips included). */
  read: number;
  /** Entries in all inputs, when known: a plain file is counted ahead; stdin and gzip are not. */
  total: number | undefined;
  /** All input has been read. */
  readAll: boolean;
  done: number;
  skipped: number;
  failed: number;
  /** Failed, of a kind that may pass by itself. */
  mayPass: number;
  retries: number;
  /** Retries asleep now. */
  sleeping: number;
  /** Files published whose length nothing told. */
  unverified: number;
  /** Lowest exit code but 0 that occurred; 0 while all is well. */
  exitCode: ExitCode;
  readonly failures: Map<string, FailureGroup>;
}

/** One running transfer of a sample. */
export interface Transfer {
  /** Its target's, as long as that is in flight; later another's. */
  readonly id: number;
  /** Without user and password. */
  readonly url: string;
  readonly name: string;
  /** Body bytes. */
  readonly received: number;
  /** Body bytes to come in all; -1 when the server has not told. */
  readonly expected: number;
  readonly ageMs: number;
}

/** What a job does at one moment. */
export interface Sample {
  /** Body bytes delivered since the start. */
  readonly bytes: number;
  /** Transfers in flight. */
  readonly running: number;
  /** As many of them as were asked for. */
  readonly transfers: readonly Transfer[];
}

/** Failure groups at most; the failures of further hosts are one group a kind, `other`. */
const MAX_GROUPS = 10_000;

/** @param total entries in all inputs, if that is known already */
export function startStats(total: number | undefined): JobStats {
  return {
    startedAtMs: Date.now(),
    read: 0,
    total,
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
}

export function countFailure(stats: JobStats, outcome: FailedOutcome): void {
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
}
