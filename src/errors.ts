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
