/** The library as programs have it: by its name, with its types, against a real server. */
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { useConsumer } from './support/consumer.ts';
import { content, useOrigin } from './support/origin.ts';
import { namesIn } from './support/run-cli.ts';
import { useTmp } from './support/tmp.ts';

const library = fileURLToPath(new URL('../dist/index.js', import.meta.url));
const { fetchAll } = (await import(library)) as typeof import('../src/index.ts');

const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const [, snippet = ''] = /\n## As a library\n.*?```ts\n(.*?)```/s.exec(README) ?? [];

test('its types hold in a strict project, and the README uses them well', () => {
  expect(snippet).toContain('fetchAll');
  const consumer = useConsumer({
    'readme.ts': snippet,
    'good.ts': `
      import { EXIT, fetchAll, type FetchOptions, McurlError, type Outcome } from 'mcurl';
      const options: FetchOptions = { directory: 'x', retry: { attempts: 1 }, outcomes: 'failures' };
      const outcomes: Outcome[] = [];
      const job = fetchAll(['http://h/a', new URL('http://h/b'), { list: 'urls.txt' }], options);
      for await (const outcome of job) {
        outcomes.push(outcome);
        const bytes: number | undefined = outcome.record?.sizeDelivered;
        if (outcome.exitCode === EXIT.network) console.log(bytes, outcome.details?.remoteIp);
      }
      const name: string | undefined = job.sample(10).transfers[0]?.name;
      if (name === '') throw new McurlError('E', 'x');
      // @ts-expect-error there is no such option
      fetchAll([], { folder: 'x' });
      // @ts-expect-error a number is no input
      fetchAll([42]);
    `,
  });
  expect(consumer.typeErrors()).toBe('');
}, 120_000);

test('ends no process and holds none open: a program leaves by itself', async () => {
  const origin = await useOrigin();
  const consumer = useConsumer({
    'program.ts': `
      import { fetchAll } from 'mcurl';
      process.on('exit', () => console.log('left'));
      for await (const { type, name } of fetchAll([process.argv[2] ?? ''])) console.log(type, name);
      for await (const _ of fetchAll([process.argv[3] ?? '', process.argv[2] ?? ''], { overwrite: true })) break;
    `,
  });
  const { code, stdout, stderr } = await consumer.run(
    'program.ts',
    origin.url('/a'),
    origin.url('/b?hold'),
  );
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'done a\nleft\n', stderr: '' });
});

describe('a job that nobody iterates', () => {
  test.each(['nothing', 'stop', 'abort', 'close'])(
    'and %s ends holds no process open',
    async (how) => {
      const origin = await useOrigin();
      const consumer = useConsumer({
        'program.ts': `
        import { readdirSync } from 'node:fs';
        import { setTimeout as sleep } from 'node:timers/promises';
        import { fetchAll } from 'mcurl';
        const [url = '', how = ''] = process.argv.slice(2);
        const abort = new AbortController();
        const job = fetchAll([url], { directory: 'files', signal: abort.signal });
        process.on('exit', () => console.log(job.stats.done, job.jobs, readdirSync('files')));
        while (how !== 'nothing' && job.sample().running === 0) await sleep(1);
        if (how === 'stop') job.stop();
        if (how === 'abort') abort.abort();
        if (how === 'close') await job.close();
      `,
      });
      const path = how === 'nothing' ? '/a' : '/a?hold';
      const { code, stdout, stderr } = await consumer.run('program.ts', origin.url(path), how);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toBe(how === 'nothing' ? "1 64 [ 'a' ]\n" : "0 64 [ '.mcurl-journal' ]\n");
    },
  );
});

describe('two jobs at once', () => {
  test('in one process know nothing of each other', async () => {
    const origin = await useOrigin();
    const runs = await Promise.all(
      ['x', 'y'].map(async (job) => {
        const directory = join(useTmp(), job);
        const urls = Array.from({ length: 200 }, (_, index) => origin.url(`/${job}${index}`));
        const names = new Set();
        for await (const { type, name } of fetchAll(urls, { directory })) {
          expect(type).toBe('done');
          names.add(name);
        }
        return { directory, names };
      }),
    );
    for (const [index, { directory, names }] of runs.entries()) {
      expect(namesIn(directory)).toEqual([...names].sort());
      expect(names.size).toBe(200);
      const name = index === 0 ? 'x7' : 'y7';
      expect(readFileSync(join(directory, name)).equals(content(`/${name}`))).toBe(true);
    }
  });

  test('in a worker and on the main thread; the worker may end in the middle', async () => {
    const origin = await useOrigin();
    const cwd = useTmp();
    writeFileSync(
      join(cwd, 'worker.mjs'),
      `import { parentPort, workerData } from 'node:worker_threads';
       const { fetchAll } = await import(workerData.library);
       const job = fetchAll(workerData.urls, { directory: workerData.directory });
       const { value } = await job.next();
       parentPort.postMessage(value.name);`,
    );
    const workerData = {
      library,
      urls: [origin.url('/w'), origin.url('/z?hold')],
      directory: join(cwd, 'worker'),
    };
    const worker = new Worker(join(cwd, 'worker.mjs'), { workerData });
    const [message] = await once(worker, 'message');
    expect(message).toBe('w');
    const directory = join(cwd, 'main');
    for await (const outcome of fetchAll([origin.url('/m')], { directory })) {
      expect(outcome).toMatchObject({ type: 'done', name: 'm' });
    }
    expect(await worker.terminate()).toBe(1);
    expect(readdirSync(join(cwd, 'worker'))).toContain('w');
  });
});
