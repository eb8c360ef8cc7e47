/** `--json`: one NDJSON line an outcome, with the names and units of curl's `-w`. Fields are only ever added. */
import { join } from 'node:path';
import { quoteJson } from '../escape.ts';
import type { FailureKind, Outcome } from '../job/outcome.ts';

/** libcurl's CURL_HTTP_VERSION_* as curl's `%{http_version}` writes them. */
const HTTP_VERSIONS: Readonly<Record<number, string>> = {
  1: '1',
  2: '1.1',
  3: '2',
  30: '3',
  31: '3',
};

/** CURLcodes for failures that libcurl itself did not decide: what curl's tool would give. */
const CURL_CODES: Partial<Readonly<Record<FailureKind, number>>> = {
  list: 3,
  http: 22,
  auth: 22,
  local: 23,
  redirect: 47,
};
const CURLE_ABORTED_BY_CALLBACK = 42;

/** Bit of a record's `flags` (`RECORD_FLAG`): nothing told the body's length. */
const UNVERIFIED = 1;

/**
 * One line, newline included.
 *
 * @param ts when it ended, ISO 8601
 * @param directory the output directory as the user wrote it
 */
export function outcomeLine(outcome: Outcome, directory: string, ts: string): string {
  const { record, details } = outcome;
  const url = details?.urlEffective || outcome.url;
  const colon = url.indexOf('://');
  const status = record?.['responseCode'] ?? null;
  const head =
    `{"type":"${outcome.type}","ts":"${ts}","line":${outcome.line},"source":${text(outcome.source)}` +
    `,"url":${quoteJson(outcome.url)},"url_effective":${record ? quoteJson(url) : null}` +
    `,"urlnum":${outcome.urlnum},"filename_effective":${place(directory, outcome.name)}` +
    `,"http_code":${status},"response_code":${status},"exitcode":${curlCode(outcome)}` +
    `,"errormsg":${text(outcome.type === 'fail' ? outcome.message : undefined)}` +
    `,"error_class":${text(outcome.kind)},"reason":${text(outcome.skipReason)}` +
    `,"unverified":${isUnverified(outcome)},"num_retries":${outcome.retries}`;
  if (record === undefined) {
    return `${head},"size_download":null,"size_delivered":null,"speed_download":null,"num_redirects":null,"num_connects":null,"http_version":null,"remote_ip":null,"remote_port":null,"scheme":null,"method":null,"content_type":null,"time_queue":null,"time_namelookup":null,"time_connect":null,"time_appconnect":null,"time_pretransfer":null,"time_starttransfer":null,"time_redirect":null,"time_total":null}\n`;
  }
  const number = (field: string) => record[field] ?? 0;
  const total = number('timeTotalUs');
  const speed = total > 0 ? Math.round((number('sizeDownload') * 1e6) / total) : 0;
  return (
    `${head},"size_download":${number('sizeDownload')},"size_delivered":${number('sizeDelivered')}` +
    `,"speed_download":${speed},"num_redirects":${number('numRedirects')}` +
    `,"num_connects":${number('numConnects')},"http_version":"${HTTP_VERSIONS[number('httpVersion')] ?? '0'}"` +
    `,"remote_ip":${text(details?.remoteIp)},"remote_port":${number('remotePort')}` +
    `,"scheme":${colon > 0 ? quoteJson(url.slice(0, colon).toLowerCase()) : null},"method":"GET"` +
    `,"content_type":${text(details?.contentType)}` +
    `,"time_queue":${seconds(number('timeQueueUs'))},"time_namelookup":${seconds(number('timeNamelookupUs'))}` +
    `,"time_connect":${seconds(number('timeConnectUs'))},"time_appconnect":${seconds(number('timeAppconnectUs'))}` +
    `,"time_pretransfer":${seconds(number('timePretransferUs'))}` +
    `,"time_starttransfer":${seconds(number('timeStarttransferUs'))}` +
    `,"time_redirect":${seconds(number('timeRedirectUs'))},"time_total":${seconds(total)}}\n`
  );
}

/** One target of a dry run. */
export interface Plan {
  readonly source: string | undefined;
  readonly line: number;
  readonly url: string;
  readonly name: string;
  /** A file of that name is there, so nothing would be fetched. */
  readonly exists: boolean;
}

/** A dry run's line with `--json`, newline included. */
export function planLine(plan: Plan, directory: string): string {
  return (
    `{"type":"plan","line":${plan.line},"source":${text(plan.source)},"url":${quoteJson(plan.url)}` +
    `,"filename_effective":${place(directory, plan.name)},"exists":${plan.exists}}\n`
  );
}

/** Microseconds as seconds with 6 decimals; much faster than toFixed. */
function seconds(us: number): string {
  const rest = us % 1_000_000;
  return `${(us - rest) / 1_000_000}.${String(rest + 1_000_000).slice(1)}`;
}

function text(value: string | null | undefined): string | null {
  return value === undefined || value === null || value === '' ? null : quoteJson(value);
}

function place(directory: string, name: string | undefined): string | null {
  return name === undefined ? null : quoteJson(directory === '.' ? name : join(directory, name));
}

function isUnverified(outcome: Outcome): boolean {
  return ((outcome.record?.['flags'] ?? 0) & UNVERIFIED) !== 0;
}

function curlCode({ type, kind, record }: Outcome): number {
  if (type !== 'fail') return 0;
  return record?.['result'] || (CURL_CODES[kind ?? 'defect'] ?? CURLE_ABORTED_BY_CALLBACK);
}
