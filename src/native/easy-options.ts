/**
 * Options and infos of an easy handle by name: libcurl's names without `CURLOPT_` and `CURLINFO_`. Which value an option
 * takes is typed here and checked when it is set; what an option means is in libcurl's manual, `CURLOPT_URL(3)` and so on.
 *
 * Left out are options that want a pointer or a FILE (`WRITEDATA`, `STDERR`, `SHARE`, `MIMEPOST`, …), functions other
 * than those of `EasyFunctions`, and what makes no sense here: `NOSIGNAL` is always 1, for signals belong to Node;
 * `CONNECT_ONLY` leaves a connection that nothing here can use.
 */
import type { CURL_READFUNC_ABORT, CURL_READFUNC_PAUSE } from './easy-values.ts';

// biome-ignore format: a table
const NUMBERS = [
  'ACCEPTTIMEOUT_MS', 'ADDRESS_SCOPE', 'ALTSVC_CTRL', 'APPEND', 'AUTOREFERER', 'BUFFERSIZE',
  'CA_CACHE_TIMEOUT', 'CERTINFO', 'CONNECTTIMEOUT', 'CONNECTTIMEOUT_MS', 'COOKIESESSION',
  'CRLF', 'DIRLISTONLY', 'DISALLOW_USERNAME_IN_URL', 'DNS_CACHE_TIMEOUT',
  'DNS_SHUFFLE_ADDRESSES', 'DOH_SSL_VERIFYHOST', 'DOH_SSL_VERIFYPEER', 'DOH_SSL_VERIFYSTATUS',
  'EXPECT_100_TIMEOUT_MS', 'FAILONERROR', 'FILETIME', 'FOLLOWLOCATION', 'FORBID_REUSE',
  'FRESH_CONNECT', 'FTPSSLAUTH', 'FTP_CREATE_MISSING_DIRS', 'FTP_FILEMETHOD',
  'FTP_SKIP_PASV_IP', 'FTP_SSL_CCC', 'FTP_USE_EPRT', 'FTP_USE_EPSV', 'FTP_USE_PRET',
  'GSSAPI_DELEGATION', 'HAPPY_EYEBALLS_TIMEOUT_MS', 'HAPROXYPROTOCOL', 'HEADER', 'HEADEROPT',
  'HSTS_CTRL', 'HTTP09_ALLOWED', 'HTTPAUTH', 'HTTPGET', 'HTTPPROXYTUNNEL',
  'HTTP_CONTENT_DECODING', 'HTTP_TRANSFER_DECODING', 'HTTP_VERSION', 'IGNORE_CONTENT_LENGTH',
  'INFILESIZE', 'IPRESOLVE', 'KEEP_SENDING_ON_ERROR', 'LOCALPORT', 'LOCALPORTRANGE',
  'LOW_SPEED_LIMIT', 'LOW_SPEED_TIME', 'MAIL_RCPT_ALLLOWFAILS', 'MAXAGE_CONN', 'MAXCONNECTS',
  'MAXFILESIZE', 'MAXLIFETIME_CONN', 'MAXREDIRS', 'MIME_OPTIONS', 'NETRC',
  'NEW_DIRECTORY_PERMS', 'NEW_FILE_PERMS', 'NOBODY', 'NOPROGRESS', 'PATH_AS_IS', 'PIPEWAIT',
  'PORT', 'POST', 'POSTFIELDSIZE', 'POSTREDIR', 'PROTOCOLS', 'PROXYAUTH', 'PROXYPORT',
  'PROXYTYPE', 'PROXY_SSLVERSION', 'PROXY_SSL_OPTIONS', 'PROXY_SSL_VERIFYHOST',
  'PROXY_SSL_VERIFYPEER', 'PROXY_TRANSFER_MODE', 'QUICK_EXIT', 'REDIR_PROTOCOLS', 'RESUME_FROM',
  'RTSP_CLIENT_CSEQ', 'RTSP_REQUEST', 'RTSP_SERVER_CSEQ', 'SASL_IR', 'SERVER_RESPONSE_TIMEOUT',
  'SOCKS5_AUTH', 'SOCKS5_GSSAPI_NEC', 'SSH_AUTH_TYPES', 'SSH_COMPRESSION', 'SSLENGINE_DEFAULT',
  'SSLVERSION', 'SSL_ENABLE_ALPN', 'SSL_ENABLE_NPN', 'SSL_FALSESTART', 'SSL_OPTIONS',
  'SSL_SESSIONID_CACHE', 'SSL_VERIFYHOST', 'SSL_VERIFYPEER', 'SSL_VERIFYSTATUS',
  'SUPPRESS_CONNECT_HEADERS', 'TCP_FASTOPEN', 'TCP_KEEPALIVE', 'TCP_KEEPIDLE', 'TCP_KEEPINTVL',
  'TCP_NODELAY', 'TFTP_BLKSIZE', 'TFTP_NO_OPTIONS', 'TIMECONDITION', 'TIMEOUT', 'TIMEOUT_MS',
  'TIMEVALUE', 'TRANSFERTEXT', 'TRANSFER_ENCODING', 'UNRESTRICTED_AUTH', 'UPKEEP_INTERVAL_MS',
  'UPLOAD', 'UPLOAD_BUFFERSIZE', 'USE_SSL', 'VERBOSE',
  'INFILESIZE_LARGE', 'MAXFILESIZE_LARGE', 'MAX_RECV_SPEED_LARGE', 'MAX_SEND_SPEED_LARGE',
  'POSTFIELDSIZE_LARGE', 'RESUME_FROM_LARGE', 'TIMEVALUE_LARGE',
] as const;

// biome-ignore format: a table
const STRINGS = [
  'ABSTRACT_UNIX_SOCKET', 'ACCEPT_ENCODING', 'ALTSVC', 'AWS_SIGV4', 'CAINFO', 'CAPATH',
  'COOKIE', 'COOKIEFILE', 'COOKIEJAR', 'COOKIELIST', 'CRLFILE', 'CUSTOMREQUEST',
  'DEFAULT_PROTOCOL', 'DNS_INTERFACE', 'DNS_LOCAL_IP4', 'DNS_LOCAL_IP6', 'DNS_SERVERS',
  'DOH_URL', 'FTPPORT', 'FTP_ACCOUNT', 'FTP_ALTERNATIVE_TO_USER', 'HSTS', 'INTERFACE',
  'ISSUERCERT', 'KEYPASSWD', 'KRBLEVEL', 'LOGIN_OPTIONS', 'MAIL_AUTH', 'MAIL_FROM',
  'NETRC_FILE', 'NOPROXY', 'PASSWORD', 'PINNEDPUBLICKEY', 'PRE_PROXY', 'PROTOCOLS_STR', 'PROXY',
  'PROXYPASSWORD', 'PROXYUSERNAME', 'PROXYUSERPWD', 'PROXY_CAINFO', 'PROXY_CAPATH',
  'PROXY_CRLFILE', 'PROXY_ISSUERCERT', 'PROXY_KEYPASSWD', 'PROXY_PINNEDPUBLICKEY',
  'PROXY_SERVICE_NAME', 'PROXY_SSLCERT', 'PROXY_SSLCERTTYPE', 'PROXY_SSLKEY',
  'PROXY_SSLKEYTYPE', 'PROXY_SSL_CIPHER_LIST', 'PROXY_TLS13_CIPHERS', 'PROXY_TLSAUTH_PASSWORD',
  'PROXY_TLSAUTH_TYPE', 'PROXY_TLSAUTH_USERNAME', 'RANGE', 'REDIR_PROTOCOLS_STR', 'REFERER',
  'REQUEST_TARGET', 'RTSP_SESSION_ID', 'RTSP_STREAM_URI', 'RTSP_TRANSPORT', 'SASL_AUTHZID',
  'SERVICE_NAME', 'SOCKS5_GSSAPI_SERVICE', 'SSH_HOST_PUBLIC_KEY_MD5',
  'SSH_HOST_PUBLIC_KEY_SHA256', 'SSH_KNOWNHOSTS', 'SSH_PRIVATE_KEYFILE', 'SSH_PUBLIC_KEYFILE',
  'SSLCERT', 'SSLCERTTYPE', 'SSLENGINE', 'SSLKEY', 'SSLKEYTYPE', 'SSL_CIPHER_LIST',
  'SSL_EC_CURVES', 'TLS13_CIPHERS', 'TLSAUTH_PASSWORD', 'TLSAUTH_TYPE', 'TLSAUTH_USERNAME',
  'UNIX_SOCKET_PATH', 'URL', 'USERAGENT', 'USERNAME', 'USERPWD', 'XOAUTH2_BEARER',
] as const;

// biome-ignore format: a table
const LISTS = [
  'CONNECT_TO', 'HTTP200ALIASES', 'HTTPHEADER', 'MAIL_RCPT', 'POSTQUOTE', 'PREQUOTE',
  'PROXYHEADER', 'QUOTE', 'RESOLVE', 'TELNETOPTIONS',
] as const;

// biome-ignore format: a table
const BLOBS = [
  'CAINFO_BLOB', 'ISSUERCERT_BLOB', 'PROXY_CAINFO_BLOB', 'PROXY_ISSUERCERT_BLOB',
  'PROXY_SSLCERT_BLOB', 'PROXY_SSLKEY_BLOB', 'SSLCERT_BLOB', 'SSLKEY_BLOB',
] as const;

const FUNCTIONS = [
  'WRITEFUNCTION',
  'HEADERFUNCTION',
  'READFUNCTION',
  'SEEKFUNCTION',
  'XFERINFOFUNCTION',
  'DEBUGFUNCTION',
] as const;

const BODIES = ['POSTFIELDS', 'COPYPOSTFIELDS'] as const;

/** Options that take an integer; libcurl's units and numbers. `true` and `false` stand for 1 and 0. */
export type NumberOption = (typeof NUMBERS)[number];
/** Options that take text without NUL, or null for libcurl's default. Files are named by it too. */
export type StringOption = (typeof STRINGS)[number];
/** Options that take a list of texts (libcurl's `curl_slist`), or null for none. */
export type ListOption = (typeof LISTS)[number];
/** Options that take bytes, which libcurl copies, or null for none. */
export type BlobOption = (typeof BLOBS)[number];
/** Options that take a function, or null for libcurl's own. */
export type FunctionOption = (typeof FUNCTIONS)[number];
/** The request's body, copied: bytes, or text as UTF-8; null for none. Sets `POSTFIELDSIZE_LARGE`, too. */
export type BodyOption = (typeof BODIES)[number];

/**
 * The functions that libcurl may call while a transfer runs. None may be async. What one throws never crosses libcurl:
 * it is in `Easy.error`, and in `cause` of the message that tells the transfer's end.
 */
export interface EasyFunctions {
  /**
   * Takes a piece of the body, at most 16 KiB (CURLOPT_WRITEFUNCTION). The buffer is the function's own. Returning
   * nothing says that all was taken; `CURL_WRITEFUNC_PAUSE` that none was and the transfer is to pause; any number other
   * than the length, or an exception, ends the transfer with CURLE_WRITE_ERROR (23). Default: libcurl writes to stdout.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a function without `return` is the usual one.
  WRITEFUNCTION: (data: Buffer) => number | void;
  /**
   * Takes one header line with its line end, status lines, the empty last line and trailers included
   * (CURLOPT_HEADERFUNCTION). Returns and fails as WRITEFUNCTION, but cannot pause.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: as above.
  HEADERFUNCTION: (line: Buffer) => number | void;
  /**
   * Gives the next piece of an upload, at most `bytes` long; null, 0 or an empty one ends it (CURLOPT_READFUNCTION).
   * `CURL_READFUNC_PAUSE` pauses; `CURL_READFUNC_ABORT`, an exception or anything else ends the transfer with
   * CURLE_ABORTED_BY_CALLBACK (42). Default: libcurl reads stdin, which blocks the thread.
   */
  READFUNCTION: (
    bytes: number,
  ) => Uint8Array | 0 | typeof CURL_READFUNC_ABORT | typeof CURL_READFUNC_PAUSE | null;
  /**
   * Goes to `offset` bytes from the start (`origin` 0; libcurl asks for nothing else) of an upload that must be sent again
   * (CURLOPT_SEEKFUNCTION). Nothing or 0: done; 1: failed, as by an exception; 2: cannot.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: as above.
  SEEKFUNCTION: (offset: number, origin: number) => number | void;
  /**
   * Is told bytes so far and in all, 0 for unknown, about once a second and whenever data came
   * (CURLOPT_XFERINFOFUNCTION); needs `NOPROGRESS` 0. Nothing or 0: go on; `CURL_PROGRESSFUNC_CONTINUE`: go on, and
   * libcurl draws its own meter on stderr, too; another number, or an exception, ends the transfer with
   * CURLE_ABORTED_BY_CALLBACK (42).
   */
  XFERINFOFUNCTION: (
    downloadTotal: number,
    downloaded: number,
    uploadTotal: number,
    uploaded: number,
    // biome-ignore lint/suspicious/noConfusingVoidType: as above.
  ) => number | void;
  /**
   * Is told what libcurl does (CURLOPT_DEBUGFUNCTION); needs `VERBOSE` 1. `type` is libcurl's `curl_infotype`: 0 text,
   * 1 and 2 headers in and out, 3 and 4 data in and out, 5 and 6 TLS data. It cannot end a transfer. Default: stderr.
   */
  DEBUGFUNCTION: (type: number, data: Buffer) => void;
}

/**
 * What `Easy.setopt` takes, by libcurl's name without `CURLOPT_`; see its manual (`CURLOPT_URL(3)` and so on) for meanings,
 * units and defaults. A number is a whole one, `true` and `false` stand for 1 and 0. null is libcurl's default. Text has
 * no NUL. Lists and bytes are copied.
 *
 * @interface
 */
export type EasyOptions = { [Name in NumberOption]: number | boolean } & {
  [Name in StringOption]: string | null;
} & { [Name in ListOption]: readonly string[] | null } & {
  [Name in BlobOption]: Uint8Array | null;
} & { [Name in BodyOption]: Uint8Array | string | null } & {
  [Name in keyof EasyFunctions]: EasyFunctions[Name] | null;
} & {
  /** Any value of the program's own; `getinfo('PRIVATE')` gives it back. libcurl never sees it. */
  PRIVATE: unknown;
};

export type OptionKind = 'number' | 'string' | 'list' | 'blob' | 'function' | 'body' | 'private';

/** The kind of every option that can be set. */
export const OPTION_KINDS: ReadonlyMap<string, OptionKind> = new Map<string, OptionKind>([
  ...NUMBERS.map((name) => [name, 'number'] as const),
  ...STRINGS.map((name) => [name, 'string'] as const),
  ...LISTS.map((name) => [name, 'list'] as const),
  ...BLOBS.map((name) => [name, 'blob'] as const),
  ...FUNCTIONS.map((name) => [name, 'function'] as const),
  ...BODIES.map((name) => [name, 'body'] as const),
  ['PRIVATE', 'private'],
]);

const STRING = 0x100000;
const LONG = 0x200000;
const DOUBLE = 0x300000;
const SLIST = 0x400000;
const SOCKET = 0x500000;
const OFF_T = 0x600000;

const STRING_INFOS = {
  EFFECTIVE_URL: STRING + 1,
  CONTENT_TYPE: STRING + 18,
  FTP_ENTRY_PATH: STRING + 30,
  REDIRECT_URL: STRING + 31,
  PRIMARY_IP: STRING + 32,
  RTSP_SESSION_ID: STRING + 36,
  LOCAL_IP: STRING + 41,
  SCHEME: STRING + 49,
  EFFECTIVE_METHOD: STRING + 58,
  REFERER: STRING + 60,
  CAINFO: STRING + 61,
  CAPATH: STRING + 62,
} as const;

const NUMBER_INFOS = {
  RESPONSE_CODE: LONG + 2,
  TOTAL_TIME: DOUBLE + 3,
  NAMELOOKUP_TIME: DOUBLE + 4,
  CONNECT_TIME: DOUBLE + 5,
  PRETRANSFER_TIME: DOUBLE + 6,
  SIZE_UPLOAD: DOUBLE + 7,
  SIZE_UPLOAD_T: OFF_T + 7,
  SIZE_DOWNLOAD: DOUBLE + 8,
  SIZE_DOWNLOAD_T: OFF_T + 8,
  SPEED_DOWNLOAD: DOUBLE + 9,
  SPEED_DOWNLOAD_T: OFF_T + 9,
  SPEED_UPLOAD: DOUBLE + 10,
  SPEED_UPLOAD_T: OFF_T + 10,
  HEADER_SIZE: LONG + 11,
  REQUEST_SIZE: LONG + 12,
  SSL_VERIFYRESULT: LONG + 13,
  FILETIME: LONG + 14,
  FILETIME_T: OFF_T + 14,
  CONTENT_LENGTH_DOWNLOAD: DOUBLE + 15,
  CONTENT_LENGTH_DOWNLOAD_T: OFF_T + 15,
  CONTENT_LENGTH_UPLOAD: DOUBLE + 16,
  CONTENT_LENGTH_UPLOAD_T: OFF_T + 16,
  STARTTRANSFER_TIME: DOUBLE + 17,
  REDIRECT_TIME: DOUBLE + 19,
  REDIRECT_COUNT: LONG + 20,
  HTTP_CONNECTCODE: LONG + 22,
  HTTPAUTH_AVAIL: LONG + 23,
  PROXYAUTH_AVAIL: LONG + 24,
  OS_ERRNO: LONG + 25,
  NUM_CONNECTS: LONG + 26,
  APPCONNECT_TIME: DOUBLE + 33,
  CONDITION_UNMET: LONG + 35,
  RTSP_CLIENT_CSEQ: LONG + 37,
  RTSP_SERVER_CSEQ: LONG + 38,
  RTSP_CSEQ_RECV: LONG + 39,
  PRIMARY_PORT: LONG + 40,
  LOCAL_PORT: LONG + 42,
  ACTIVESOCKET: SOCKET + 44,
  HTTP_VERSION: LONG + 46,
  PROXY_SSL_VERIFYRESULT: LONG + 47,
  TOTAL_TIME_T: OFF_T + 50,
  NAMELOOKUP_TIME_T: OFF_T + 51,
  CONNECT_TIME_T: OFF_T + 52,
  PRETRANSFER_TIME_T: OFF_T + 53,
  STARTTRANSFER_TIME_T: OFF_T + 54,
  REDIRECT_TIME_T: OFF_T + 55,
  APPCONNECT_TIME_T: OFF_T + 56,
  RETRY_AFTER: OFF_T + 57,
  PROXY_ERROR: LONG + 59,
} as const;

const LIST_INFOS = { SSL_ENGINES: SLIST + 27, COOKIELIST: SLIST + 28 } as const;

/**
 * What `Easy.getinfo` gives, by libcurl's name without `CURLINFO_`; see `CURLINFO_RESPONSE_CODE(3)` and so on. Strings come from the server: escape them before a terminal sees them. Names ending
 * in `_TIME` are seconds, in `_TIME_T` microseconds.
 *
 * @interface
 */
export type EasyInfos = { [Name in keyof typeof STRING_INFOS]: string | null } & {
  [Name in keyof typeof NUMBER_INFOS]: number;
} & { [Name in keyof typeof LIST_INFOS]: string[] } & {
  /** For each certificate of the chain its fields as `name:value`; needs the option `CERTINFO`. */
  CERTINFO: string[][];
  /** What `setopt('PRIVATE', …)` was given; undefined before. */
  PRIVATE: unknown;
};

/** libcurl's number of every info but PRIVATE. */
export const INFO_NUMBERS: Readonly<Record<Exclude<keyof EasyInfos, 'PRIVATE'>, number>> = {
  ...STRING_INFOS,
  ...NUMBER_INFOS,
  ...LIST_INFOS,
  CERTINFO: SLIST + 34,
};
