/** Progress for a log or a pipe: one plain line every 10 s. */
import type { Job } from '../job/fetch.ts';
import type { Output } from '../output.ts';
import type { Progress } from './progress.ts';
import { etaMs, Rates } from './stats.ts';
import { endedOf, totalOf, totalText } from './text.ts';

const INTERVAL_MS = 10_000;

export function startLines(job: Job, output: Output): Progress {
  const print = (line: string) => output.write(`${line}\n`);
  const { stats } = job;
  const rates = new Rates(INTERVAL_MS);
  const sample = () => {
    const { bytes, running } = job.sample();
    rates.add({ nowMs: performance.now(), bytes, files: endedOf(stats) });
    return { bytes, running };
  };
  sample();
  const timer = setInterval(() => {
    const { bytes, running } = sample();
    const total = totalOf(stats);
    const eta = etaMs({
      files: total === undefined ? undefined : total - endedOf(stats),
      running,
      bytes: 0,
      filesPerS: rates.filesPerS,
      bytesPerS: rates.bytesPerS,
    });
    print(`mcurl: ${totalText({ stats, bytes, bytesPerS: rates.bytesPerS, etaMs: eta }, ', ')}`);
  }, INTERVAL_MS);
  timer.unref();
  return { print, stop: () => clearInterval(timer) };
}
