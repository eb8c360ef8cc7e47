/** What stands on stderr at the end: what came, what did not and why, and what to do next. */

import { join } from 'node:path';
import { escapeText } from '../escape.ts';
import type { Plan } from '../job/options.ts';
import type { FailureGroup, FailureKind, JobStats, Outcome } from '../job/outcome.ts';
import { formatCount, formatDuration, formatRate, formatSize, plural } from '../units.ts';

const MOST_GROUPS = 20;

/** `list:line: URL: message`, escaped: how every single failure is told. */
export function failureText(outcome: Outcome): string {
  const where = outcome.source === undefined ? '' : `${outcome.source}:${outcome.line}: `;
  return escapeText(`${where}${outcome.url}: ${outcome.message ?? 'failed'}`);
}

/** A dry run's line: `URL -> path`, escaped, newline included. */
export function planText(plan: Plan, directory: string): string {
  const { url, name, exists } = plan;
  return `${escapeText(`${url} -> ${join(directory, name)}`)}${exists ? ' (exists)' : ''}\n`;
}

/**
 * The summary's lines.
 *
 * @param bytes body bytes delivered
 * @param wasStopped a signal ended the job before its list did
 */
export function summaryLines(
  stats: JobStats,
  bytes: number,
  durationMs: number,
  wasStopped: boolean,
): string[] {
  const rate = formatRate((bytes * 1000) / Math.max(durationMs, 1));
  const counts = [
    stats.skipped > 0 ? `${formatCount(stats.skipped)} skipped (exist)` : '',
    stats.unverified > 0 ? `${formatCount(stats.unverified)} unverified (no length told)` : '',
    stats.retries === 1 ? '1 retry' : '',
    stats.retries > 1 ? `${formatCount(stats.retries)} retries` : '',
    stats.failed > 0 ? `${formatCount(stats.failed)} failed` : '',
  ].filter((count) => count !== '');
  const lines = [
    `mcurl: ${[
      `${plural(stats.done, 'file')}, ${formatSize(bytes)} in ${formatDuration(durationMs)} (${rate})`,
      ...counts,
    ].join('; ')}`,
  ];
  const groups = [...stats.failures.values()].sort((a, b) => b.count - a.count);
  lines.push(...groups.slice(0, MOST_GROUPS).map(groupText));
  const others = groups.slice(MOST_GROUPS);
  if (others.length > 0) {
    const more = others.reduce((count, group) => count + group.count, 0);
    lines.push(`  and ${formatCount(more)} more of ${others.length} other kinds or hosts`);
  }
  const next = nextStep(stats, groups, wasStopped);
  if (next !== undefined) lines.push(next);
  return lines;
}

function groupText({ count, kind, host, example }: FailureGroup): string {
  const where = host === '' ? '' : ` at ${escapeText(host)}`;
  return `  ${formatCount(count)} x ${kind}${where}, for example ${failureText(example)}`;
}

/** One sentence, or nothing when there is nothing to do, or only what each failure says by itself. */
function nextStep(
  stats: JobStats,
  groups: readonly FailureGroup[],
  wasStopped: boolean,
): string | undefined {
  const again = 'run the same command again; what is here is not fetched again';
  if (wasStopped) return `mcurl: stopped; to continue, ${again}`;
  const has = (kind: FailureKind) => groups.some((group) => group.kind === kind);
  if (has('local')) return `mcurl: once the local trouble is over, ${again}`;
  if (stats.mayPass > 0) return `mcurl: to try the failed ones once more, ${again}`;
  if (has('list')) return `mcurl: correct the bad lines, then ${again}`;
  return undefined;
}
