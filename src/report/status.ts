/** `mcurl status`: what a journal tells, for people and as one line of JSON. */
import { escapeText, quoteJson } from '../escape.ts';
import type { EntryCounts, JournalStatus } from '../job/journal-status.ts';
import { formatCount, formatSize, plural } from '../units.ts';

const MOST_HOSTS = 20;
const MOST_FAILURES = 20;
const HEADER = ['host', 'done', 'failed', 'open', 'size'];

/** The text, newline at its end included: a sentence, a table by host, the failures by kind and host. */
export function statusText(status: JournalStatus): string {
  const { path, done, failed, open, bytes, badLines, hosts, failures } = status;
  const count = done + failed + open;
  const lines = [
    `${escapeText(path)}: ${formatCount(count)} ${count === 1 ? 'entry' : 'entries'}: ${formatCount(done)} done (${formatSize(bytes)}), ` +
      `${formatCount(failed)} failed, ${formatCount(open)} open`,
  ];
  if (hosts.length > 0) {
    const rows = hosts.slice(0, MOST_HOSTS).map((each) => [escapeText(each.host), ...cells(each)]);
    lines.push('', ...table([HEADER, ...rows]));
    if (hosts.length > MOST_HOSTS) {
      lines.push(`  and ${formatCount(hosts.length - MOST_HOSTS)} more hosts: --json tells all`);
    }
  }
  if (failures.length > 0) {
    lines.push('', 'Failed:');
    for (const { kind, host, count, message } of failures.slice(0, MOST_FAILURES)) {
      lines.push(
        escapeText(`  ${formatCount(count)} x ${kind} at ${host}, for example ${message}`),
      );
    }
    if (failures.length > MOST_FAILURES) {
      lines.push(
        `  and ${formatCount(failures.length - MOST_FAILURES)} more kinds: --json tells all`,
      );
    }
  }
  if (badLines > 0) {
    lines.push(
      '',
      `${plural(badLines, 'line')} made no sense: a kill tears one, a full disk several`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function cells({ done, failed, open, bytes }: EntryCounts): string[] {
  return [...[done, failed, open].map(formatCount), formatSize(bytes)];
}

/** Columns as wide as they must be; numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADER.map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
}

/** One line, newline included; names as `--json` of a job has them. */
export function statusLine(status: JournalStatus): string {
  const { path, badLines, exitCode, hosts, failures } = status;
  const ofHosts = hosts.map((each) => `{"host":${quoteJson(each.host)},${counts(each)}}`);
  const ofFailures = failures.map(
    ({ kind, host, count, code, message }) =>
      `{"error_class":${quoteJson(kind)},"host":${quoteJson(host)},"count":${count}` +
      `,"exit_code":${code},"errormsg":${quoteJson(message)}}`,
  );
  return (
    `{"type":"status","journal":${quoteJson(path)},${counts(status)},"bad_lines":${badLines}` +
    `,"exit_code":${exitCode},"hosts":[${ofHosts.join()}],"failures":[${ofFailures.join()}]}\n`
  );
}

function counts({ done, failed, open, bytes }: EntryCounts): string {
  return `"done":${done},"failed":${failed},"open":${open},"bytes":${bytes}`;
}
