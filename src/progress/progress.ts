/** What shows a job's progress on stderr: bars on a terminal, else a line now and then. */
import { isatty } from 'node:tty';
import type { Job } from '../job/fetch.ts';
import type { Output } from '../output.ts';
import { startLines } from './lines.ts';

export interface Progress {
  /** Puts one line on stderr, above whatever is being redrawn. It must be escaped already. */
  print(line: string): void;
  /** Ends the drawing and takes it off the screen. */
  stop(): void;
}

/**
 * Loads what suits stderr, and returns what starts it.
 *
 * @param isShared others write to the same terminal, which bars would not survive
 */
export async function loadProgress(
  isShared: boolean,
): Promise<(job: Job, stderr: Output) => Progress> {
  if (isShared || !isatty(2) || process.env['TERM'] === 'dumb') return startLines;
  const { startBars } = await import('./bars.ts');
  return (job, stderr) => startBars(job, process.stderr, stderr);
}
