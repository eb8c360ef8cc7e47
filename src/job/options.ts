/** What one job is: what goes in, and everything that is decided before it starts. */
import { UsageError } from '../errors.ts';
import type { RequestOptions } from '../native/binding.ts';
import type { Outcome } from './outcome.ts';

/** One thing to fetch, or a list of them. A string is a URL. */
export type Input = string | URL | EntryInput | ListInput;

/** What a job reads: an array is looked at as a whole before it starts; anything else is read as there is room. */
export type Inputs = Iterable<Input> | AsyncIterable<Input>;

/** A URL with options of its own. */
export interface EntryInput {
  readonly url: string | URL;
  /** Further URLs of the same file, tried in turn when one fails. */
  readonly mirrors?: readonly (string | URL)[];
  /** Final name inside the output directory: no path, no control characters, not in `.part`, 250 bytes at most. Default: from the URL. */
  readonly output?: string;
  /** What the file must be: `TYPE=HEX`; sha-256, sha-512, sha-1 or md5. */
  readonly checksum?: string;
}

/** A list file, one entry a line, plain or gzip by content; `-` is stdin. It is streamed, however long it is. */
export interface ListInput {
  readonly list: string;
}

/** Which failures are worth another attempt; see `RETRY_DEFAULTS`. */
export interface RetryOptions {
  /** Further attempts after the first without progress. Default 5. */
  readonly attempts: number;
  /** HTTP status codes to retry. Default 408, 425, 429, 500, 502, 503, 504, 522, 524. */
  readonly statuses: ReadonlySet<number>;
  /** Kinds of failure below HTTP to retry. Default all. */
  readonly kinds: ReadonlySet<'connect' | 'timeout' | 'truncated' | 'dns'>;
}

/** A target that sleeps before its next attempt. */
export interface Retry {
  /** Without user and password. */
  readonly url: string;
  /** Number of the attempt to come: 2 is the first retry. */
  readonly attempt: number;
  readonly delayMs: number;
  /** Why the last attempt failed. */
  readonly message: string;
}

/** Options of `fetchAll`; each has a default. */
export interface FetchOptions {
  /** Output directory; made when missing. Nothing is written outside it. Default: the working directory. */
  readonly directory?: string;
  /** Transfers at once; fewer when the limit of open files allows no more. Default 64. */
  readonly jobs?: number;
  /** Connections in use per host (scheme, host and port). Default 16. */
  readonly maxPerHost?: number;
  /** Event loops, each a thread. Default 0: one a core; fewer run while little waits. */
  readonly loops?: number;
  /** Fetch again and replace what exists. Default: a file that is there is skipped. */
  readonly overwrite?: boolean;
  /** What all requests have in common. */
  readonly request?: RequestOptions;
  /** Each field not given has its default. */
  readonly retry?: Partial<RetryOptions>;
  /**
   * The file that makes the job survive, or `false` for none. Default: `.mcurl-journal` in the output directory, or
   * `.NAME.mcurl-journal` when the inputs are an array of one entry with an `output`; the default one is removed when all that
   * is in it has succeeded. A second job on the same journal or output directory is refused.
   */
  readonly journal?: string | false;
  /** Sync file, directory and journal before a file counts as done. Default false: the system's own time. */
  readonly durable?: boolean;
  /**
   * What must agree before a `.part` is continued. Default `validator`: size and a strong ETag or Last-Modified.
   * `size`: size and, where both tell one, Last-Modified, for servers whose ETag changes with every request.
   */
  readonly resumeBy?: 'validator' | 'size';
  /**
   * Fetch only what earlier runs planned and did not finish, whether it failed or is open: of the inputs, or all of it when they
   * are an empty array. Default false.
   */
  readonly onlyFailed?: boolean;
  /** A file that gets the failed entries, with their options and passwords, as a list. Written when the job is over. */
  readonly failedOut?: string;
  /** A file that gets SHA-256 and path of every file, in the order of the inputs, as sha256sum writes and checks them. */
  readonly manifest?: string;
  /** Keep a file with a wrong checksum as NAME.bad. Default: it is removed. */
  readonly keepBad?: boolean;
  /** Give files the time of their Last-Modified. Default false. */
  readonly remoteTime?: boolean;
  /** Give files origin, type and version as extended attributes, as curl's `--xattr` does. Default false. */
  readonly xattr?: boolean;
  /**
   * Ask for files that are there, and fetch and replace those of which the server has another version than the journal or the
   * extended attributes tell. Default: they are skipped.
   */
  readonly ifModified?: boolean;
  /**
   * Take names from Content-Disposition where a server sends one (RFC 6266), made safe. A file of that name and size is taken
   * for the one that came; beside one of another size it gets a name of its own. Default false.
   */
  readonly remoteName?: boolean;
  /** Milliseconds a target may take, its retries and the waiting between them included. Default 0: no limit. */
  readonly maxTimeMs?: number;
  /**
   * Which outcomes the iteration gives. Default `all`. With `failures` what succeeds is only counted (in `stats`), and
   * costs no JavaScript object.
   */
  readonly outcomes?: 'all' | 'failures';
  /** Aborted, it stops the job; the iteration gives what ended in time, then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called for each attempt that failed and will be made again: for a log. */
  readonly onRetry?: (retry: Retry) => void;
}

/** What an object of options may have: of a number the least, a whole number. */
type Known<T> = { readonly [Name in keyof Required<T>]: number | undefined };

const OPTIONS: Known<FetchOptions> = {
  directory: undefined,
  jobs: 1,
  maxPerHost: 1,
  loops: 0,
  overwrite: undefined,
  request: undefined,
  retry: undefined,
  journal: undefined,
  durable: undefined,
  resumeBy: undefined,
  onlyFailed: undefined,
  failedOut: undefined,
  manifest: undefined,
  keepBad: undefined,
  remoteTime: undefined,
  xattr: undefined,
  ifModified: undefined,
  remoteName: undefined,
  maxTimeMs: 0,
  outcomes: undefined,
  signal: undefined,
  onRetry: undefined,
};
const RETRY: Known<RetryOptions> = { attempts: 0, statuses: undefined, kinds: undefined };
const REQUEST: Known<RequestOptions> = {
  headers: undefined,
  userAgent: undefined,
  referer: undefined,
  userpwd: undefined,
  cookie: undefined,
  cookieLines: undefined,
  proxy: undefined,
  insecure: undefined,
  ipVersion: undefined,
  netrc: undefined,
  cacert: undefined,
  cert: undefined,
  key: undefined,
  keyPassword: undefined,
  resolve: undefined,
  connectTo: undefined,
  interface: undefined,
  noPrivate: undefined,
  httpVersion: undefined,
  compressed: undefined,
  locationTrusted: undefined,
  protocols: undefined,
  connectTimeoutMs: 0,
  speedTimeS: 0,
  speedLimit: 0,
  maxRedirs: 0,
  maxFilesize: 0,
  verbose: undefined,
};

/** @throws UsageError `ERR_MCURL_OPTION` that names an option that there is not, or a number that is none or too small */
export function checkOptions(options: FetchOptions): void {
  checkNames('', options, OPTIONS);
  checkNames('retry.', options.retry ?? {}, RETRY);
  checkNames('request.', options.request ?? {}, REQUEST);
}

function checkNames(prefix: string, options: object, known: Known<object>): void {
  const leasts = new Map<string, number | undefined>(Object.entries(known));
  const given: readonly [string, unknown][] = Object.entries(options);
  for (const [name, value] of given) {
    const least = leasts.get(name);
    if (!leasts.has(name)) {
      const names = [...leasts.keys()].join(', ');
      throw new UsageError('ERR_MCURL_OPTION', `${prefix}${name} is no option: there are ${names}`);
    }
    if (
      value !== undefined &&
      least !== undefined &&
      !(Number.isInteger(value) && Number(value) >= least)
    ) {
      throw new UsageError(
        'ERR_MCURL_OPTION',
        `${prefix}${name} is ${String(value)}: expected a whole number, ${least} or more`,
      );
    }
  }
}

/** A dry run's word on one entry. */
export interface Plan {
  readonly type: 'plan';
  /** List file the entry came from; undefined for a URL. */
  readonly source: string | undefined;
  readonly line: number;
  /** Without user and password. */
  readonly url: string;
  readonly name: string;
  /** A file of that name is there, so nothing would be fetched. */
  readonly exists: boolean;
}

/** The options of `fetchAll` that a plan depends on. */
export type PlanOptions = Pick<
  FetchOptions,
  | 'directory'
  | 'overwrite'
  | 'journal'
  | 'onlyFailed'
  | 'failedOut'
  | 'manifest'
  | 'request'
  | 'signal'
>;

/** Entries that are no URLs end in a dry run, too. */
export type Planned = Plan | Outcome;
