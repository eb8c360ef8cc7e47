/** Speed, time left, and which transfers are worth a bar: pure, from samples alone. */
import type { Transfer } from '../job/outcome.ts';

interface Point {
  readonly nowMs: number;
  readonly bytes: number;
  readonly files: number;
}

/** Speeds over the last seconds, from samples of growing totals. */
export class Rates {
  readonly #windowMs: number;
  #points: Point[] = [];

  constructor(windowMs = 8000) {
    this.#windowMs = windowMs;
  }

  add(point: Point): void {
    this.#points.push(point);
    // One point as old as the window stays, so that rare samples have a distance too.
    const since = point.nowMs - this.#windowMs;
    const keep = this.#points.findLastIndex((old) => old.nowMs <= since);
    if (keep > 0) this.#points = this.#points.slice(keep);
  }

  /** 0 before the second sample. */
  get bytesPerS(): number {
    return this.#rate('bytes');
  }

  get filesPerS(): number {
    return this.#rate('files');
  }

  #rate(field: 'bytes' | 'files'): number {
    const first = this.#points[0];
    const last = this.#points.at(-1);
    if (first === undefined || last === undefined || last.nowMs <= first.nowMs) return 0;
    return ((last[field] - first[field]) * 1000) / (last.nowMs - first.nowMs);
  }
}

export interface Remaining {
  /** Entries that have not ended; undefined while the total is not known. */
  readonly files: number | undefined;
  /** Transfers in flight, a part of `files`. */
  readonly running: number;
  /** Bytes that the transfers in flight still expect. */
  readonly bytes: number;
  readonly filesPerS: number;
  readonly bytesPerS: number;
}

/**
 * Milliseconds to the end, or undefined when nothing tells. What waits is reckoned by files a second, what runs
 * by bytes a second; the later of the two is the end.
 */
export function etaMs({
  files,
  running,
  bytes,
  filesPerS,
  bytesPerS,
}: Remaining): number | undefined {
  if (files === undefined || files === 0) return undefined;
  const byFiles = filesPerS > 0 ? (files * 1000) / filesPerS : undefined;
  const byBytes = bytes > 0 && bytesPerS > 0 ? (bytes * 1000) / bytesPerS : undefined;
  // A few last, large files: their bytes say more than the pace of the small ones before them.
  if (files <= running && byBytes !== undefined) return byBytes;
  if (byFiles === undefined) return undefined;
  return Math.max(byFiles, byBytes ?? 0);
}

const YOUNG_MS = 500;

/**
 * The transfers that deserve a bar, at most `most`: those already `shown` keep their place, the rest goes to the
 * largest remaining, then the longest running. Young ones get none: most are gone before they can be read.
 */
export function pickTransfers(
  running: readonly Transfer[],
  shown: readonly (number | undefined)[],
  most: number,
): (Transfer | undefined)[] {
  const byId = new Map(running.map((transfer) => [transfer.id, transfer]));
  const picked = Array.from({ length: most }, (_, slot) => {
    const id = shown[slot];
    return id === undefined ? undefined : byId.get(id);
  });
  for (const transfer of picked) if (transfer) byId.delete(transfer.id);
  const free = [...byId.values()].filter((transfer) => transfer.ageMs >= YOUNG_MS);
  const left = (transfer: Transfer) => Math.max(transfer.expected - transfer.received, 0);
  free.sort((a, b) => left(b) - left(a) || b.ageMs - a.ageMs || a.id - b.id);
  let next = 0;
  return picked.map((transfer) => transfer ?? free[next++]);
}
