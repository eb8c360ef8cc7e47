/**
 * Loads the addon and types the whole border between JavaScript and the core.
 * Nothing else may load the addon. Record layouts are checked against the core's at load.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { NativeError } from '../errors.ts';

/** Fields of a record, in the order of the core's `struct Record`; every one is a double. */
export const RECORD_FIELDS = [
  'id',
  'reason',
  'result',
  'responseCode',
  'osErrno',
  'flags',
  'sizeDelivered',
  'sizeDownload',
  'contentLength',
  'retryAfterMs',
  'numConnects',
  'numRedirects',
  'httpVersion',
  'remotePort',
  'timeQueueUs',
  'timeNamelookupUs',
  'timeConnectUs',
  'timeAppconnectUs',
  'timePretransferUs',
  'timeStarttransferUs',
  'timeRedirectUs',
  'timeTotalUs',
  'resumedFrom',
] as const;

/** The name of a field of a record. */
export type RecordField = (typeof RECORD_FIELDS)[number];

/** Doubles in one record. */
export const RECORD_SIZE = RECORD_FIELDS.length;

/** Offset of each field within a record. */
export const RECORD = Object.fromEntries(RECORD_FIELDS.map((name, index) => [name, index])) as {
  readonly [Field in RecordField]: number;
};

/** Why a transfer ended: the core's own word, beside libcurl's CURLcode in `result`. */
export const REASON = {
  /** The whole body has its final name. */
  done: 0,
  /** A regular file of that name was there before the run; nothing was fetched. */
  exists: 1,
  /** libcurl ended the transfer: see `result`. */
  transfer: 2,
  /** The server's answer is no success: see `responseCode`. */
  http: 3,
  /** A local file could not be opened, written or published: see `osErrno` and `details().error`. */
  local: 4,
  /** A redirect was refused (too many, a circle, https to http, a scheme not allowed): see `details().error`. */
  redirect: 5,
  /** `stop()` ended it. */
  stopped: 6,
  /** The CURLM had to be replaced; nothing is known against this target: retry it. */
  interrupted: 7,
  /** libcurl reads the URL's scheme, host or port otherwise than WHATWG, or not at all. */
  url: 8,
  /** The body is whole, but its hash is not the expected one; it has no name: see `details().error`. */
  integrity: 9,
  /** 304: the file that was there is still the server's. */
  notModified: 10,
  /** `noPrivate` refuses every address that there is: see `details().error`. */
  address: 11,
} as const;

export type Reason = (typeof REASON)[keyof typeof REASON];

/** Bits of a record's `flags`. */
export const RECORD_FLAG = {
  /** Nothing told the body's length, so its end could not be verified. */
  unverified: 1,
  /** A reused connection died before the first byte and the transfer was tried again for free. */
  freshRetry: 2,
  /** The body lies whole in NAME.part and waits for `publishAs`; see `details().contentDisposition`. */
  unnamed: 4,
} as const;

/** Doubles before the first slot in what `sample` writes: bytes delivered so far, running, waiting, finishing. */
export const SAMPLE_HEADER = 4;
/** Doubles in one slot of `sample`: id, bytes received, bytes expected (-1 not known), microseconds since its start. */
export const SAMPLE_SIZE = 4;

/** What every request of an engine has in common. Omitted means libcurl's default unless noted. */
export interface RequestOptions {
  /** Raw header lines as curl's `-H` takes them (`Name: value`, `Name:` removes, `Name;` sends it empty). */
  readonly headers?: readonly string[];
  readonly userAgent?: string;
  readonly referer?: string;
  /** `user:password`. */
  readonly userpwd?: string;
  /** `name=value; …`, sent to the first origin only. */
  readonly cookie?: string;
  /** Lines of a cookie file, Netscape format or `Set-Cookie:` lines; each target starts with them. */
  readonly cookieLines?: readonly string[];
  readonly proxy?: string;
  readonly insecure?: boolean;
  readonly ipVersion?: 4 | 6;
  readonly netrc?: boolean;
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Opens `cert` and `key`. */
  readonly keyPassword?: string;
  /** Lines as CURLOPT_RESOLVE takes them. */
  readonly resolve?: readonly string[];
  /** Lines as CURLOPT_CONNECT_TO takes them. */
  readonly connectTo?: readonly string[];
  readonly interface?: string;
  /**
   * Connect to public addresses only, whatever the URL or a redirect calls them: none that is loopback, private, link-local or
   * otherwise reserved (RFC 6890). A proxy's own address counts; what lies behind the proxy cannot be seen. Default false.
   */
  readonly noPrivate?: boolean;
  /** `1.1`, `2`, `3`; omitted lets the core choose by libcurl's version. */
  readonly httpVersion?: '1.1' | '2' | '3';
  readonly compressed?: boolean;
  readonly locationTrusted?: boolean;
  /** Schemes that may be fetched, in lower case. Default http, https. */
  readonly protocols?: readonly string[];
  /** Default 30,000; 0 is libcurl's own 300 s. */
  readonly connectTimeoutMs?: number;
  /** Seconds below `speedLimit` bytes/s after which a transfer counts as stalled. Default 60; 0 turns it off. */
  readonly speedTimeS?: number;
  /** Default 1. */
  readonly speedLimit?: number;
  /** Redirects followed at most. Default 20. */
  readonly maxRedirs?: number;
  /** Bytes; a larger file, or one that grows beyond it, is a failure. 0: no limit. */
  readonly maxFilesize?: number;
  /** Writes each transfer's conversation to stderr, escaped, one write a line. */
  readonly verbose?: boolean;
}

export interface EngineOptions {
  /** The output directory; it must exist. Nothing is ever written outside it. */
  readonly directory: string;
  /** Transfers at once. */
  readonly jobs: number;
  /** Connections in use per host (scheme, host and port). */
  readonly maxPerHost: number;
  /** Loops at most. 0: one a core. Fewer run while little waits. */
  readonly loops: number;
  /** Fetch again and replace what exists. */
  readonly overwrite: boolean;
  /** Keep `details` of every record, not only of failures. */
  readonly keepDetails: boolean;
  /** Descriptor of the journal (`lock`), to which the loops append their lines; it stays the caller's. */
  readonly journal?: number;
  /** Files, their names and their journal lines are on the disk before a record says `done`. */
  readonly durable?: boolean;
  /** A body with a wrong hash is kept as NAME.bad. */
  readonly keepBad?: boolean;
  /** Every body is hashed by SHA-256, for `details().digest`. */
  readonly manifest?: boolean;
  /** Files get the time of their Last-Modified. */
  readonly remoteTime?: boolean;
  /** Files get `user.xdg.origin.url`, `user.mime_type` and their version as extended attributes. */
  readonly xattr?: boolean;
  /** Bodies with a Content-Disposition stay `unnamed`. */
  readonly remoteName?: boolean;
  /** Files that are there already are asked for by what is known of their version. */
  readonly ifModified?: boolean;
  readonly request: RequestOptions;
}

/** One target as it crosses the border. */
export interface NativeTarget {
  /** Chosen by the caller, unique among the targets not yet ended, below 2^32. */
  readonly id: number;
  /** WHATWG `href`. */
  readonly url: string;
  /** One safe path component inside `directory`. */
  readonly name: string;
  /** Time left for all its hops, from its start; 0 is no limit. */
  readonly timeoutMs: number;
  /** Goes to the front of its host's queue. */
  readonly isRetry: boolean;
  /** Its number in the journal. Default -1: it has none. */
  readonly serial?: number;
  /** The journal has its `plan` line already. Default false. */
  readonly isJournalled?: boolean;
  readonly extras?: TargetExtras | undefined;
}

/** What few targets need: those of an earlier run or attempt, and entries with options. */
export interface TargetExtras {
  /** The entry's list form, for the journal, when it is more than the URL. */
  readonly entry?: string;
  /**
   * What NAME.part holds bytes of: `version` of the last `began` line, or of the failed attempt's details; '' when
   * there may be a .part that cannot be continued.
   */
  readonly version?: string;
  /** `size`: the version's size (and date, if both tell one) is enough to continue. Default: its validators. */
  readonly resumeBy?: 'size';
  /** Bytes of NAME.part that may be believed. Default: all. */
  readonly trustedBytes?: number;
  /** The journal is done with it: a file of that size is whole, one of another size is replaced. */
  readonly doneBytes?: number;
  /** Nothing vouches for a file that is there: it is fetched again and replaced. Default false. */
  readonly mayReplace?: boolean;
  /** `sha-256=hex`; also sha-512, sha-1, md5. */
  readonly checksum?: string;
  /** Version of the file that is there, for `ifModified`; else its extended attribute tells. */
  readonly knownVersion?: string;
}

/** What a record cannot hold. Strings come from the server: escape them before a terminal sees them. */
export interface Details {
  readonly urlEffective: string;
  readonly remoteIp: string | null;
  readonly contentType: string | null;
  /** What libcurl or the system said of a failure; empty when there is none. */
  readonly error: string;
  /** Which version the server sent: total size, strong ETag, Last-Modified, with TABs between; and which .part has bytes of it. */
  readonly version: string;
  /** `sha-256=hex` of the whole body, when a hash was asked for; else empty. */
  readonly digest: string;
  /** As the server wrote it, of an `unnamed` body; else empty. */
  readonly contentDisposition: string;
}

/** The addon's own Engine; see `engine.ts` for the public one. */
export interface NativeEngine {
  readonly jobs: number;
  readonly lacksAttributes: boolean;
  add(
    numbers: Float64Array,
    strings: readonly string[],
    extras: readonly (TargetExtras & { readonly at: number })[] | undefined,
  ): void;
  publishAs(
    partOf: string,
    name: string,
    mayReplace: boolean,
  ): { readonly osErrno: number; readonly error: string } | null;
  infoRead(into: Float64Array): number;
  details(id: number): Details | undefined;
  sample(into: Float64Array): number;
  pauseHost(url: string, pauseMs: number): void;
  stop(): void;
  close(): Promise<void>;
  exit(code: number): never;
}

/** Gets what libcurl's callback of that name gets, pointers aside: numbers, bytes as a Buffer of its own. */
export type NativeFunction = (...args: unknown[]) => number | Uint8Array;

/**
 * The addon's easy handle; see `easy.ts` for the public one. Codes are libcurl's. libcurl's callbacks are properties that
 * the addon looks up at each call; they must not throw.
 */
export interface NativeEasy {
  /** The public object, which callbacks and messages tell of. */
  owner: object;
  WRITEFUNCTION?: NativeFunction | undefined;
  HEADERFUNCTION?: NativeFunction | undefined;
  READFUNCTION?: NativeFunction | undefined;
  SEEKFUNCTION?: NativeFunction | undefined;
  XFERINFOFUNCTION?: NativeFunction | undefined;
  DEBUGFUNCTION?: NativeFunction | undefined;
  readonly errorBuffer: string;
  /** The value must be of the option's type; of a function only whether there is one. */
  setopt(
    name: string,
    value: number | string | readonly string[] | Uint8Array | boolean | null,
  ): number;
  setBody(body: Uint8Array | null): number;
  getinfo(info: number): number | string | null | string[] | string[][] | undefined;
  pause(bitmask: number): number;
  reset(): void;
  cleanup(): void;
}

/** The addon's multi handle; see `multi.ts` for the public one. As above. */
export interface NativeMulti {
  onSocket?: (easy: object | undefined, sockfd: number, what: number, isAssigned: boolean) => void;
  onTimer?: (timeoutMs: number) => void;
  /** A call failed, and handles from before are still inside. */
  readonly failed: boolean;
  add(easy: NativeEasy): number;
  remove(easy: NativeEasy): number;
  /** The running count, or a code as a negative number. */
  socketAction(sockfd: number, evBitmask: number): number;
  assign(sockfd: number, isAssigned: boolean): number;
  timeout(): number;
  /** Owner, result, remaining. */
  infoRead(): [owner: object, result: number, remaining: number] | undefined;
  setopt(option: number, value: number): number;
  /** Every handle must have been removed. */
  cleanup(): void;
}

export interface Binding {
  readonly Engine: new (options: EngineOptions, onWake: () => void) => NativeEngine;
  readonly NativeEasy: { new (): NativeEasy; strerror(code: number): string };
  readonly NativeMulti: { new (): NativeMulti; strerror(code: number): string };
  readonly PollSocket: new (
    fd: number,
    what: number,
    callback: (evBitmask: number) => void,
  ) => { update(what: number): void; close(): void };
  readonly recordFields: readonly string[];
  /**
   * Opens and locks an output directory, or a journal (made when missing, mode 0600, to read and append), until the
   * descriptor is closed. Throws an Error with the code `ERR_MCURL_LOCKED` when another job has it.
   */
  lock(path: string, isDirectory: boolean): number;
  /** `curl_version()` of the libcurl in use. */
  readonly curlVersion: string;
  /** CPU time of the calling thread in microseconds (CLOCK_THREAD_CPUTIME_ID); the benchmark reads it. */
  threadCpuUs(): number;
}

/** Where the addon may lie, best first. */
const CANDIDATES = ['../../native/build/Release/mcurl.node', '../../native/build/Debug/mcurl.node'];

function load(): Binding {
  const file = CANDIDATES.map((path) => fileURLToPath(new URL(path, import.meta.url))).find(
    (path) => existsSync(path),
  );
  if (file === undefined) {
    throw new NativeError(
      'ERR_MCURL_NOT_BUILT',
      "the native core is not built: run 'npm run build' in mcurl's folder",
    );
  }
  let binding: Binding;
  try {
    if (process.platform === 'linux') {
      // Node exports its own OpenSSL, nghttp2, zlib and brotli; without RTLD_DEEPBIND libcurl would bind to
      // those instead of the libraries it was built for. musl ignores the flag.
      const module = { exports: {} };
      process.dlopen(module, file, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_DEEPBIND);
      binding = module.exports as Binding;
    } else {
      binding = createRequire(import.meta.url)(file) as Binding;
    }
  } catch (cause) {
    throw new NativeError(
      'ERR_MCURL_LOAD',
      `the native core does not load (${(cause as Error).message}): run 'npm run build' in mcurl's folder`,
      { cause },
    );
  }
  if (binding.recordFields.join() !== RECORD_FIELDS.join()) {
    throw new NativeError(
      'ERR_MCURL_LAYOUT',
      "the native core is of another version than its JavaScript: run 'npm run build' in mcurl's folder",
    );
  }
  return binding;
}

let loaded: Binding | undefined;

/** The addon, loaded on first use: it pulls about thirty libraries, and `--help` needs none. */
export function binding(): Binding {
  loaded ??= load();
  return loaded;
}
