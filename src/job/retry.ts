/** What to do about a failed transfer: one pure function, and the tables it reads. */
import { constants } from 'node:os';
import { EXIT, type ExitCode, UsageError } from '../errors.ts';
import { REASON, type RecordField } from '../native/binding.ts';
import type { RetryOptions } from './options.ts';
import type { FailureKind } from './outcome.ts';

/** Kinds of failure below HTTP that `--retry-on` names. */
type RetryKind = 'connect' | 'timeout' | 'truncated' | 'dns';

const RETRY_KINDS: readonly RetryKind[] = ['connect', 'timeout', 'truncated', 'dns'];

/** Unless asked otherwise. */
export const RETRY_DEFAULTS: RetryOptions = {
  attempts: 5,
  statuses: new Set([408, 425, 429, 500, 502, 503, 504, 522, 524]),
  kinds: new Set(RETRY_KINDS),
};

const BASE_MS = 1000;
const CAP_MS = 60_000;
/** Sleeping and trying without progress, per target. */
const BUDGET_MS = 600_000;
/** An attempt that delivers so much is progress: the counting starts anew. */
const PROGRESS_BYTES = 1024 * 1024;
/** Attempts in a row that may count as progress and yet come no further: a body may always break at one place. */
const MAX_STUCK = 20;
/** Attempts that a replaced CURLM ended, free of charge. */
const FREE_INTERRUPTIONS = 3;

/** What became of a target's attempts so far. */
export interface History {
  /** Further attempts made, all told. */
  readonly retries: number;
  /** Further attempts made since the last progress. */
  readonly charged: number;
  readonly interruptions: number;
  /** Slept and tried since the last progress. */
  readonly spentMs: number;
  /** Slept and tried since the start. */
  readonly totalMs: number;
  /** The furthest that an attempt came, and the attempts since that came no further by as much as progress. */
  readonly bestBytes: number;
  readonly stuck: number;
  /** A continued file had the wrong checksum, and was begun anew. */
  readonly hasBegunAnew: boolean;
}

export const NO_HISTORY: History = {
  retries: 0,
  charged: 0,
  interruptions: 0,
  spentMs: 0,
  totalMs: 0,
  bestBytes: 0,
  stuck: 0,
  hasBegunAnew: false,
};

/** The record of a failed transfer, with the words of `details().error`. */
export interface Failure {
  readonly record: Readonly<Record<RecordField, number>>;
  readonly error: string;
}

export type Decision =
  | {
      readonly type: 'retry';
      readonly delayMs: number;
      /** The server asked for this pause; it holds for its whole host. 0: it did not. */
      readonly pauseHostMs: number;
      readonly history: History;
      readonly message: string;
      /** Which of the target's URLs comes now; `drop`: the next one, and this one never again. */
      readonly turn: 'stay' | 'next' | 'drop';
    }
  | {
      readonly type: 'fail';
      readonly kind: FailureKind;
      readonly exitCode: ExitCode;
      readonly message: string;
      /** Of a kind that is tried again, or would be by default: the same command may fetch it later. */
      readonly mayPass: boolean;
    };

/** The other URLs of a target. */
export interface Mirrors {
  readonly count: number;
  /** Those that were not tried yet. */
  readonly untried: number;
}

const NO_MIRRORS: Mirrors = { count: 0, untried: 0 };

/** What a failure is, whatever is done about it. `retryAs` undefined: another attempt cannot help. */
interface Verdict {
  readonly kind: FailureKind;
  readonly exitCode: ExitCode;
  readonly message: string;
  readonly retryAs: RetryKind | 'http' | 'interrupted' | 'anew' | undefined;
}

type CurlRow = readonly [
  name: string,
  kind: FailureKind,
  exitCode: ExitCode,
  text: string,
  retryAs?: RetryKind,
];

/** The CURLcodes we act on; any other is a network failure that is not retried. */
const CURL_CODES: { readonly [code: number]: CurlRow } = {
  1: ['CURLE_UNSUPPORTED_PROTOCOL', 'protocol', EXIT.protocol, 'libcurl here lacks the protocol'],
  3: ['CURLE_URL_MALFORMAT', 'list', EXIT.usage, 'libcurl cannot read the URL'],
  5: [
    'CURLE_COULDNT_RESOLVE_PROXY',
    'dns',
    EXIT.network,
    "the proxy's name does not resolve",
    'dns',
  ],
  6: ['CURLE_COULDNT_RESOLVE_HOST', 'dns', EXIT.network, "the host's name does not resolve", 'dns'],
  7: ['CURLE_COULDNT_CONNECT', 'connect', EXIT.network, 'no connection', 'connect'],
  8: ['CURLE_WEIRD_SERVER_REPLY', 'protocol', EXIT.protocol, 'the answer is not understood'],
  9: ['CURLE_REMOTE_ACCESS_DENIED', 'protocol', EXIT.server, 'the server denies access'],
  16: ['CURLE_HTTP2', 'protocol', EXIT.protocol, 'HTTP/2 framing error', 'connect'],
  18: ['CURLE_PARTIAL_FILE', 'truncated', EXIT.network, 'the body ended early', 'truncated'],
  19: ['CURLE_FTP_COULDNT_RETR_FILE', 'protocol', EXIT.server, 'the server does not give the file'],
  23: ['CURLE_WRITE_ERROR', 'local', EXIT.local, 'the body cannot be written'],
  26: ['CURLE_READ_ERROR', 'local', EXIT.local, 'a local file cannot be read'],
  27: ['CURLE_OUT_OF_MEMORY', 'local', EXIT.local, 'out of memory'],
  28: ['CURLE_OPERATION_TIMEDOUT', 'timeout', EXIT.network, 'timed out', 'timeout'],
  33: ['CURLE_RANGE_ERROR', 'protocol', EXIT.protocol, 'the server cannot send a range'],
  35: ['CURLE_SSL_CONNECT_ERROR', 'tls', EXIT.tls, 'the TLS handshake failed', 'connect'],
  42: ['CURLE_ABORTED_BY_CALLBACK', 'defect', EXIT.defect, 'ended by mcurl without a reason'],
  43: ['CURLE_BAD_FUNCTION_ARGUMENT', 'defect', EXIT.defect, 'libcurl was misused'],
  45: ['CURLE_INTERFACE_FAILED', 'connect', EXIT.network, 'the interface of --interface fails'],
  47: ['CURLE_TOO_MANY_REDIRECTS', 'redirect', EXIT.protocol, 'too many redirects'],
  51: ['CURLE_PEER_FAILED_VERIFICATION', 'tls', EXIT.tls, 'the certificate is not trusted'],
  52: [
    'CURLE_GOT_NOTHING',
    'network',
    EXIT.network,
    'the server closed without an answer',
    'connect',
  ],
  53: ['CURLE_SSL_ENGINE_NOTFOUND', 'tls', EXIT.tls, 'no such TLS engine'],
  54: ['CURLE_SSL_ENGINE_SETFAILED', 'tls', EXIT.tls, 'the TLS engine cannot be set'],
  55: [
    'CURLE_SEND_ERROR',
    'network',
    EXIT.network,
    'the connection broke while sending',
    'connect',
  ],
  56: ['CURLE_RECV_ERROR', 'network', EXIT.network, 'the connection broke', 'connect'],
  58: ['CURLE_SSL_CERTPROBLEM', 'tls', EXIT.tls, 'the client certificate of --cert cannot be used'],
  59: ['CURLE_SSL_CIPHER', 'tls', EXIT.tls, 'no such cipher'],
  60: ['CURLE_PEER_FAILED_VERIFICATION', 'tls', EXIT.tls, 'the certificate is not trusted'],
  61: ['CURLE_BAD_CONTENT_ENCODING', 'protocol', EXIT.protocol, 'the content encoding is broken'],
  63: ['CURLE_FILESIZE_EXCEEDED', 'protocol', EXIT.protocol, 'the file is too large'],
  64: ['CURLE_USE_SSL_FAILED', 'tls', EXIT.tls, 'the server does not do TLS'],
  65: [
    'CURLE_SEND_FAIL_REWIND',
    'network',
    EXIT.network,
    'the request cannot be sent again',
    'connect',
  ],
  66: ['CURLE_SSL_ENGINE_INITFAILED', 'tls', EXIT.tls, 'the TLS engine does not start'],
  67: ['CURLE_LOGIN_DENIED', 'auth', EXIT.auth, 'the login is denied'],
  77: ['CURLE_SSL_CACERT_BADFILE', 'tls', EXIT.tls, 'the CA file cannot be read'],
  78: ['CURLE_REMOTE_FILE_NOT_FOUND', 'protocol', EXIT.server, 'no such file on the server'],
  80: ['CURLE_SSL_SHUTDOWN_FAILED', 'tls', EXIT.tls, 'TLS did not shut down'],
  82: ['CURLE_SSL_CRL_BADFILE', 'tls', EXIT.tls, 'the CRL file cannot be read'],
  83: ['CURLE_SSL_ISSUER_ERROR', 'tls', EXIT.tls, "the certificate's issuer is wrong"],
  90: ['CURLE_SSL_PINNEDPUBKEYNOTMATCH', 'tls', EXIT.tls, 'the pinned key does not match'],
  91: ['CURLE_SSL_INVALIDCERTSTATUS', 'tls', EXIT.tls, "the certificate's status is invalid"],
  92: ['CURLE_HTTP2_STREAM', 'protocol', EXIT.protocol, 'HTTP/2 stream error', 'connect'],
  94: ['CURLE_AUTH_ERROR', 'auth', EXIT.auth, 'authentication failed'],
  95: ['CURLE_HTTP3', 'protocol', EXIT.protocol, 'HTTP/3 error', 'connect'],
  96: ['CURLE_QUIC_CONNECT_ERROR', 'connect', EXIT.network, 'no QUIC connection', 'connect'],
  97: ['CURLE_PROXY', 'network', EXIT.network, 'the proxy refuses'],
  98: ['CURLE_SSL_CLIENTCERT', 'tls', EXIT.tls, 'the server wants a client certificate'],
};

/** Broken after the headers came, these are truncated bodies. */
const BREAKS_BODY = new Set([16, 55, 56, 92, 95]);

/** What OpenSSL and GnuTLS say in a CURLE_SSL_CONNECT_ERROR that the next handshake will meet again. */
const LASTING_TLS = /certificate|alert|version|unsupported|cipher|legacy|fallback|unknown ca/i;

/** What they say of a certificate that no CA would make good. */
const LASTING_CERTIFICATE = /expired|not yet valid|revoked|match/i;
/** A CURLE_SSL_CLIENTCERT; with TLS 1.3 the alert may come after the handshake, as a CURLE_RECV_ERROR. */
const CERTIFICATE_REQUIRED = /alert certificate required/i;

/** The machine's own limits, which libcurl reports as a failed connection. */
const LOCAL_ERRNOS = new Map<number, string>([
  [constants.errno.EMFILE, 'too many open files: raise ulimit -n or lower --jobs'],
  [constants.errno.ENFILE, 'too many open files on this machine: lower --jobs'],
  [constants.errno.ENOBUFS, 'no buffer space for another socket: lower --jobs'],
  [constants.errno.ENOMEM, 'no memory for another socket: lower --jobs'],
]);

const STATUS_HINTS: { readonly [status: number]: string } = {
  401: ': give a user and password with -u or -n',
  407: ': give the proxy a user and password in -x',
  429: ': ask less of it with --max-per-host',
};

/** The way out of a TLS failure, after libcurl's words; empty where nothing but another attempt is known. */
function tlsHint(result: number, error: string): string {
  switch (result) {
    case 51:
    case 60:
      return LASTING_CERTIFICATE.test(error)
        ? ": that is the server's to mend; -k would accept any certificate, which is unsafe"
        : ': trust a private CA with --cacert FILE; -k would accept any certificate, which is unsafe';
    case 58:
      return ': check the files of --cert and --key';
    case 77:
      return ': name a PEM file that can be read with --cacert';
    case 98:
      return ': give it one with --cert FILE and --key FILE';
    default:
      return '';
  }
}

/** The name of a CURLcode; only those we act on have one of their own. */
export function curlName(result: number): string {
  return CURL_CODES[result]?.[0] ?? `CURLE_${result}`;
}

function judge({ record, error }: Failure): Verdict {
  switch (record.reason) {
    case REASON.http:
      return judgeStatus(record.responseCode);
    case REASON.local:
      return {
        kind: 'local',
        exitCode: EXIT.local,
        message: error || `local error ${record.osErrno}`,
        retryAs: undefined,
      };
    case REASON.redirect:
      return {
        kind: 'redirect',
        exitCode: EXIT.protocol,
        message: error || 'the redirect is refused',
        retryAs: undefined,
      };
    case REASON.address:
      return {
        kind: 'address',
        exitCode: EXIT.protocol,
        message: error || '--no-private refuses the address',
        retryAs: undefined,
      };
    case REASON.interrupted:
      return {
        kind: 'interrupted',
        exitCode: EXIT.defect,
        message: error || 'libcurl failed as a whole and was started anew',
        retryAs: 'interrupted',
      };
    case REASON.url:
      return {
        kind: 'list',
        exitCode: EXIT.usage,
        message: error || 'libcurl reads this URL otherwise than the URL standard',
        retryAs: undefined,
      };
    case REASON.integrity:
      return {
        kind: 'integrity',
        exitCode: EXIT.integrity,
        message: `${error || 'the checksum is wrong'}: it came damaged, or the checksum is of another version`,
        // Of what was continued the earlier part may be at fault.
        retryAs: record.resumedFrom > 0 ? 'anew' : undefined,
      };
    case REASON.transfer:
      return judgeTransfer(record, error);
    default:
      return {
        kind: 'defect',
        exitCode: EXIT.defect,
        message: `a record has the unknown reason ${record.reason}`,
        retryAs: undefined,
      };
  }
}

function judgeStatus(status: number): Verdict {
  const isAuth = status === 401 || status === 407;
  return {
    kind: isAuth ? 'auth' : 'http',
    exitCode: isAuth ? EXIT.auth : EXIT.server,
    message: `the server answered ${status}${STATUS_HINTS[status] ?? ''}`,
    retryAs: 'http',
  };
}

function judgeTransfer(record: Failure['record'], error: string): Verdict {
  const { osErrno, responseCode } = record;
  const result = CERTIFICATE_REQUIRED.test(error) ? 98 : record.result;
  const limit = LOCAL_ERRNOS.get(osErrno);
  if (limit !== undefined) {
    return { kind: 'local', exitCode: EXIT.local, message: limit, retryAs: undefined };
  }
  const row = CURL_CODES[result] ?? ['', 'network', EXIT.network, 'the transfer failed'];
  const [, kind, exitCode, text, retryAs] = row;
  const message = `${error || text} (${curlName(result)})${tlsHint(result, error)}`;
  if (BREAKS_BODY.has(result) && responseCode > 0) {
    return { kind: 'truncated', exitCode: EXIT.network, message, retryAs: 'truncated' };
  }
  if (result === 35 && LASTING_TLS.test(error)) {
    return { kind, exitCode, message, retryAs: undefined };
  }
  return { kind, exitCode, message, retryAs };
}

function isWanted(verdict: Verdict, status: number, options: RetryOptions): boolean {
  switch (verdict.retryAs) {
    case undefined:
      return false;
    case 'interrupted':
    case 'anew':
      return true;
    case 'http':
      return options.statuses.has(status);
    default:
      return options.kinds.has(verdict.retryAs);
  }
}

/**
 * Decides what happens to a target whose transfer failed.
 *
 * @param maxTimeMs for all its attempts and the sleep between them; 0 is no limit
 * @param random as Math.random
 * @param mirrors its other URLs: the next one comes at once, until all were tried
 */
export function decide(
  failure: Failure,
  history: History,
  options: RetryOptions,
  maxTimeMs: number,
  random: () => number,
  mirrors = NO_MIRRORS,
): Decision {
  const { record } = failure;
  const verdict = judge(failure);
  const isTried =
    isWanted(verdict, record.responseCode, options) &&
    !(verdict.retryAs === 'anew' && history.hasBegunAnew);
  const mayPass = isTried || isWanted(verdict, record.responseCode, RETRY_DEFAULTS);
  const fail = (addition: string): Decision => ({
    type: 'fail',
    kind: verdict.kind,
    exitCode: verdict.exitCode,
    message: verdict.message + addition,
    mayPass,
  });
  const triedMs = record.timeTotalUs / 1000;
  const totalMs = history.totalMs + triedMs;
  const leftMs = maxTimeMs === 0 ? Number.POSITIVE_INFINITY : maxTimeMs - totalMs;
  const mayTurn = mirrors.count > 0 && verdict.kind !== 'local' && verdict.kind !== 'defect';
  if (leftMs <= 0 && (isTried || mayTurn)) {
    return fail(`; --max-time of ${seconds(maxTimeMs)} is over${tried(history.retries)}`);
  }
  const drop = (): Decision => ({
    type: 'retry',
    delayMs: 0,
    pauseHostMs: 0,
    message: verdict.message,
    turn: 'drop',
    history: { ...history, retries: history.retries + 1, charged: 0, totalMs },
  });
  if (!isTried) {
    return mayTurn ? drop() : fail(tried(history.retries));
  }

  const bytes = record.reason === REASON.transfer ? record.sizeDelivered : 0;
  const isFurther = bytes >= history.bestBytes + PROGRESS_BYTES;
  const stuck = isFurther ? 0 : history.stuck + 1;
  const hasProgressed = bytes - record.resumedFrom >= PROGRESS_BYTES && stuck <= MAX_STUCK;
  const charged = hasProgressed ? 0 : history.charged;
  const spentMs = hasProgressed ? 0 : history.spentMs + triedMs;
  const isFree =
    verdict.retryAs === 'anew' ||
    (verdict.retryAs === 'interrupted' && history.interruptions < FREE_INTERRUPTIONS);
  if (!isFree && charged >= options.attempts) {
    return mayTurn ? drop() : fail(tried(history.retries));
  }
  const hasAsked = verdict.retryAs === 'http' && record.retryAfterMs >= 0;
  const isAtOnce = verdict.retryAs === 'anew' || (mayTurn && mirrors.untried > 0);
  const sleepMs = hasAsked
    ? record.retryAfterMs
    : Math.floor(random() * Math.min(CAP_MS, BASE_MS * 2 ** charged));
  const delayMs = isAtOnce ? 0 : sleepMs;
  if (spentMs + delayMs > BUDGET_MS) {
    return fail(
      hasAsked
        ? `; its Retry-After of ${seconds(delayMs)} is more than is left of the ${seconds(BUDGET_MS)} for retries${tried(history.retries)}`
        : `; the ${seconds(BUDGET_MS)} for retries are over${tried(history.retries)}`,
    );
  }
  if (delayMs >= leftMs) {
    return fail(`; another attempt could not start within --max-time${tried(history.retries)}`);
  }
  return {
    type: 'retry',
    delayMs,
    pauseHostMs: hasAsked ? sleepMs : 0,
    message: verdict.message,
    turn: mayTurn && verdict.retryAs !== 'anew' ? 'next' : 'stay',
    history: {
      retries: history.retries + 1,
      charged: isFree ? charged : charged + 1,
      interruptions: history.interruptions + (verdict.retryAs === 'interrupted' ? 1 : 0),
      spentMs: spentMs + delayMs,
      totalMs: totalMs + delayMs,
      bestBytes: isFurther ? bytes : history.bestBytes,
      stuck,
      hasBegunAnew: history.hasBegunAnew || verdict.retryAs === 'anew',
    },
  };
}

function tried(retries: number): string {
  return retries === 0 ? '' : `; gave up after ${retries} ${retries === 1 ? 'retry' : 'retries'}`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}

/**
 * Reads `--retry-on`: HTTP codes (`429`), classes of them (`5xx`), and `connect`, `timeout`, `truncated`, `dns`,
 * separated by commas. It replaces the default; an empty value retries nothing.
 *
 * @throws UsageError `ERR_MCURL_OPTION` for any other word
 */
export function parseRetryOn(value: string): Pick<RetryOptions, 'statuses' | 'kinds'> {
  const statuses = new Set<number>();
  const kinds = new Set<RetryKind>();
  for (const word of value.split(',').map((part) => part.trim().toLowerCase())) {
    const kind = RETRY_KINDS.find((name) => name === word);
    if (kind !== undefined) {
      kinds.add(kind);
    } else if (/^[45]xx$/.test(word)) {
      const first = Number(word[0]) * 100;
      for (let status = first; status < first + 100; status += 1) {
        statuses.add(status);
      }
    } else if (/^[45]\d\d$/.test(word)) {
      statuses.add(Number(word));
    } else if (word !== '') {
      throw new UsageError(
        'ERR_MCURL_OPTION',
        `--retry-on ${word}: expected HTTP codes from 400 to 599, 4xx, 5xx, connect, timeout, truncated or dns, separated by commas`,
      );
    }
  }
  return { statuses, kinds };
}
