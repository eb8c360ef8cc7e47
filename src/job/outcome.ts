/** The end of a target, and the counts a job keeps of all its ends. */
import type { ExitCode } from '../errors.ts';

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
  | 'http'
  | 'local'
  | 'integrity'
  | 'list'
  | 'interrupted'
  | 'defect';

/** One target's end. Strings may come from a server: escape them for a terminal. */
export interface Outcome {
  readonly type: 'done' | 'skip' | 'fail';
  /** List file the entry came from; `-` is stdin; undefined for an argument. */
  readonly source: string | undefined;
  /** Line in that list, from 1; for arguments their position, from 1. */
  readonly line: number;
  /** Position among all targets, from 0 (curl's `urlnum`). */
  readonly urlnum: number;
  /** The entry as written. */
  readonly entry: string;
  /** The URL as requested, without user and password; the entry as written when it is no URL. */
  readonly url: string;
  /** Final name inside the output directory; undefined when the entry never got one. */
  readonly name: string | undefined;
  /** Why it was skipped: `exists`. */
  readonly skipReason?: 'exists';
  readonly kind?: FailureKind;
  readonly exitCode: ExitCode;
  /** One sentence for people: the thing, the cause, the way out. */
  readonly message?: string;
  /** Further attempts that were made. */
  readonly retries: number;
  /** The last transfer's record (`RECORD_FIELDS` as properties); undefined when none ran. */
  readonly record: Readonly<Record<string, number>> | undefined;
  readonly details: import('../native/binding.ts').Details | undefined;
}

/** Failures of one kind on one host, with one example. */
export interface FailureGroup {
  readonly kind: FailureKind;
  readonly host: string;
  count: number;
  readonly example: Outcome;
}

/** Live counts of a job: what progress samples and the summary prints. Bytes are body bytes delivered. */
export interface JobStats {
  readonly startedAtMs: number;
  /** Entries read so far (bad lines and skips included). */
  read: number;
  /** Entries in all sources, when known: a plain file is counted ahead; stdin and gzip are not. */
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
