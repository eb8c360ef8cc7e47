/**
 * The library: the job that `mcurl fetch` runs, for programs.
 *
 * @module mcurl
 */
export { EXIT, type ExitCode, McurlError, NativeError, UsageError } from './errors.ts';
export { planAll } from './job/dry-run.ts';
export { fetchAll, type Job } from './job/fetch.ts';
export type {
  EntryInput,
  FetchOptions,
  Input,
  Inputs,
  ListInput,
  Plan,
  Planned,
  PlanOptions,
  Retry,
  RetryOptions,
} from './job/options.ts';
export {
  type FailureGroup,
  type FailureKind,
  type JobStats,
  type Outcome,
  RECORD_FLAG,
  type Sample,
  type Transfer,
} from './job/outcome.ts';
export { RETRY_DEFAULTS } from './job/retry.ts';
export type { Details, RecordField, RequestOptions } from './native/binding.ts';
