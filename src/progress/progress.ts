/** What shows a job's progress on stderr: bars on a terminal, else a line now and then. */
import { isatty } from 'node:tty';
import type { Job } from '../job/run.ts';
import type { Output } from '../output.ts';
import { startLines } from './lines.ts';

export interface Progress {
  /** Puts one line on stderr, above whatever is being redrawn. It must be escaped already. */
  print(line: string): void;
  /** Ends the drawing and takes it off the screen. */
  stop(): void;
}

/** @param isVerbose the core writes to stderr too, which bars would not survive */
export async function startProgress(
  job: Job,
  isVerbose: boolean,
  stderr: Output,
): Promise<Progress> {
  if (!isVerbose && isatty(2) && process.env['TERM'] !== 'dumb') {
    const { startBars } = await import('./bars.ts');
    return startBars(job, process.stderr, stderr);
  }
  return startLines(job, stderr);
}
