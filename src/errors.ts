/** Error classes with stable `code`s, and the exit code table. */

/** Exit codes; the lowest that occurred wins. 130 and 143 are added by signals. */
export const EXIT = {
  ok: 0,
  defect: 1,
  usage: 2,
  local: 3,
  network: 4,
  tls: 5,
  auth: 6,
  protocol: 7,
  server: 8,
  integrity: 9,
} as const;

/** One of EXIT's numbers. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Base of all errors that mcurl throws; `code` is stable, the message is for people. */
export class McurlError extends Error {
  override name = 'McurlError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The command line or a list cannot be understood; the message says what to type. Exit code 2. */
export class UsageError extends McurlError {
  override name = 'UsageError';
}

/** The native core is missing, does not load, or was misused. */
export class NativeError extends McurlError {
  override name = 'NativeError';
}

/** A call of `Multi` failed: `code` is libcurl's name of the CURLMcode ('CURLM_BAD_HANDLE', …), the message has its words. */
export class MultiError extends McurlError {
  override name = 'MultiError';
}

/**
 * A call of `Easy` failed: `code` is libcurl's name of the CURLcode ('CURLE_UNKNOWN_OPTION', …), `CURLE_` and its number
 * where options seldom fail so ('CURLE_36'), or one of mcurl's own.
 */
export class EasyError extends McurlError {
  override name = 'EasyError';
}
