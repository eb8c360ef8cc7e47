/** The words of progress: pure functions from numbers to one line. */
import { escapeText } from '../escape.ts';
import type { JobStats, Transfer } from '../job/outcome.ts';
import { formatCount, formatDuration, formatRate, formatSize } from '../units.ts';

export interface Totals {
  readonly stats: JobStats;
  readonly bytes: number;
  readonly bytesPerS: number;
  readonly etaMs: number | undefined;
}

/** Entries that have ended, one way or another. */
export function endedOf(stats: JobStats): number {
  return stats.done + stats.skipped + stats.failed;
}

/** All entries, once that is known. */
export function totalOf(stats: JobStats): number | undefined {
  return stats.readAll ? stats.read : stats.total;
}

/** The job in numbers, joined by `glue`; parts at the end go when it would be wider than `width` columns. */
export function totalText(totals: Totals, glue: string, width = Number.POSITIVE_INFINITY): string {
  const { stats, bytes, bytesPerS, etaMs } = totals;
  const total = totalOf(stats);
  const of = total === undefined ? `${formatCount(stats.read)}+` : formatCount(total);
  const parts = [
    `${formatCount(endedOf(stats))} of ${of} files`,
    stats.failed > 0 ? `${formatCount(stats.failed)} failed` : '',
    formatSize(bytes),
    formatRate(bytesPerS),
    etaMs === undefined ? '' : `ETA ${formatDuration(etaMs)}`,
    stats.retries > 0 ? `${formatCount(stats.retries)} retried` : '',
    stats.sleeping > 0 ? `${formatCount(stats.sleeping)} asleep` : '',
  ].filter((part) => part !== '');
  while (parts.length > 1 && parts.join(glue).length > width) parts.pop();
  return parts.join(glue);
}

/** A transfer's line, never wider than `width` columns; `bar` is its drawn bar. */
export function transferText(
  { name, received, expected }: Transfer,
  bytesPerS: number,
  bar: string,
  width: number,
): string {
  const percent = expected > 0 ? Math.min(Math.floor((received * 100) / expected), 100) : undefined;
  const tail =
    percent === undefined
      ? formatSize(received).padStart(12)
      : `${percent}%`.padStart(4) + formatSize(expected).padStart(10);
  const speed = formatRate(bytesPerS).padStart(12);
  const drawn = percent === undefined || width < 60 ? '' : ` [${bar}]`;
  const end = `${drawn}${tail}${speed}`;
  const room = Math.max(width - end.length, 8);
  const shown = cut(name, room);
  return cut(shown + ' '.repeat(room - columnsOf(shown)) + end, width);
}

/**
 * Columns of a terminal that text takes at most. Characters beyond U+10FF count as two, which is right for East
 * Asian ones and too careful for others: a line that is too long would break the screen.
 */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += (character.codePointAt(0) ?? 0) > 0x10ff ? 2 : 1;
  return columns;
}

/** Escaped, and cut to `width` columns. */
export function cut(text: string, width: number): string {
  const safe = escapeText(text);
  if (columnsOf(safe) <= width) return safe;
  const dots = width > 3 ? '...' : '';
  let kept = '';
  let columns = dots.length;
  for (const character of safe) {
    columns += columnsOf(character);
    if (columns > width) break;
    kept += character;
  }
  return kept + dots;
}
