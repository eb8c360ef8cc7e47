/** What one job is: everything the command line (or, later, the library) decides before it starts. */
import type { RequestOptions } from '../native/binding.ts';

/** Where entries come from, in the order given. */
export type Source =
  /** A URL given as an argument. */
  | { readonly kind: 'url'; readonly url: string }
  /** A list file, plain or gzip by content; `-` is stdin. */
  | { readonly kind: 'list'; readonly path: string };

/** Which failures are worth another attempt; see `job/retry.ts`. */
export interface RetryOptions {
  /** Further attempts after the first without progress. Default 5. */
  readonly attempts: number;
  /** HTTP status codes to retry. */
  readonly statuses: ReadonlySet<number>;
  /** Kinds of failure below HTTP to retry. */
  readonly kinds: ReadonlySet<'connect' | 'timeout' | 'truncated' | 'dns'>;
}

export interface JobOptions {
  readonly sources: readonly Source[];
  /** Output directory; made when missing. */
  readonly directory: string;
  /** Final name for a job of exactly one URL (`-o`), inside `directory`. */
  readonly outputName?: string;
  readonly jobs: number;
  readonly maxPerHost: number;
  /** 0: one a core. */
  readonly loops: number;
  readonly overwrite: boolean;
  /** Print what would be fetched to where, fetch nothing. */
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly request: RequestOptions;
  readonly retry: RetryOptions;
  /** Per target, retries and waiting between them included; 0 is none. */
  readonly maxTimeMs: number;
}
