/** Sizes, rates and durations: from what people type, to what people read. */

const SIZE_EXPONENT: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 };
const DURATION_MS: Readonly<Record<string, number>> = {
  '': 1000,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Bytes from `100`, `1.5k`, `20M`, `2G` (1024-based, either case). Undefined when it is no size.
 */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)b?$/i.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * 1024 ** (SIZE_EXPONENT[(match[2] ?? '').toLowerCase()] ?? 0);
  return Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : undefined;
}

/**
 * Milliseconds from seconds with decimals (`2.5`), or with a unit: `30s`, `10m`, `1h`. Undefined when it is no
 * duration, or one beyond 24 days, which no timer takes.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?|\.\d+)([smh]?)$/i.exec(text);
  if (match === null) return undefined;
  const delayMs = Math.round(
    Number(match[1]) * (DURATION_MS[(match[2] ?? '').toLowerCase()] ?? 1000),
  );
  return delayMs < 2 ** 31 ? delayMs : undefined;
}

/** `0 B`, `999 B`, `1.00 KiB`, `12.3 MiB`, `1023 GiB`: three digits or more, never wider than 8. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 'B';
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']) {
    if (value < 1023.5) break;
    value /= 1024;
    unit = next;
  }
  if (unit === 'B') return `${Math.round(value)} B`;
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${unit}`;
}

/** `12.3 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatSize(bytesPerSecond)}/s`;
}

/** `0.4 s`, `59 s`, `2:05`, `1:02:05`, `3 d 04 h`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 9950) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** `1,234,567`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 file`, `2 files`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
