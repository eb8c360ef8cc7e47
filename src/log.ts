/** The log: pino's JSON lines, to a file or wherever the caller's `write` puts them; never to stdout. */
import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** @param write gets whole lines */
export function openLog(level: string, write: (lines: string) => void): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
}
