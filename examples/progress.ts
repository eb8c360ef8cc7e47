/** Downloads the URLs of its command line into ./downloads, with one bar for all: `node examples/progress.ts URL...` */
import cliProgress from 'cli-progress';
import { fetchAll } from 'mcurl';

const job = fetchAll(process.argv.slice(2), { directory: 'downloads' });

// The job is asked at the rate of the screen; it never calls for a piece of a body.
const bar = new cliProgress.SingleBar({
  format: '{bar} {value} of {total} files, {running} in flight, {mebibytes} MiB',
  noTTYOutput: true,
});
const look = () => {
  const { bytes, running } = job.sample();
  const { done, skipped, failed, total, read } = job.stats;
  bar.setTotal(total ?? read);
  bar.update(done + skipped + failed, { running, mebibytes: (bytes / 2 ** 20).toFixed(1) });
};
bar.start(job.stats.total ?? 0, 0, { running: 0, mebibytes: '0.0' });
const timer = setInterval(look, 100);

const failed: string[] = [];
for await (const outcome of job) {
  if (outcome.type === 'fail') failed.push(`${outcome.url}: ${outcome.message}`);
}

clearInterval(timer);
look();
bar.stop();
for (const line of failed) console.error(line);
process.exitCode = job.stats.exitCode;
