/** The core as JavaScript has it: the wake protocol, misuse, and every way in which a thread may end under it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type EngineOptions,
  type NativeTarget,
  REASON,
  RECORD,
  RECORD_FLAG,
  RECORD_SIZE,
  SAMPLE_HEADER,
  SAMPLE_SIZE,
} from '../../src/native/binding.ts';
import { Engine } from '../../src/native/engine.ts';
import { content, useOrigin } from '../support/origin.ts';
import { useTmp } from '../support/tmp.ts';

const OPTIONS: Omit<EngineOptions, 'directory'> = {
  jobs: 8,
  maxPerHost: 8,
  loops: 2,
  overwrite: false,
  keepDetails: false,
  request: {},
};

/** An engine and its records by id, closed when the test is over. */
function useEngine(options: Partial<EngineOptions> = {}) {
  const directory = options.directory ?? useTmp();
  let wakes = 0;
  let wake = () => {};
  const engine = new Engine({ directory, ...OPTIONS, ...options }, () => {
    wakes += 1;
    wake();
  });
  onTestFinished(() => engine.close());
  const records = new Map<number, Float64Array>();
  const buffer = new Float64Array(RECORD_SIZE * 16);
  const read = () => {
    for (;;) {
      const count = engine.infoRead(buffer);
      if (count === 0) return;
      for (let index = 0; index < count; index += 1) {
        const record = buffer.slice(index * RECORD_SIZE, (index + 1) * RECORD_SIZE);
        const id = record[RECORD.id] ?? -1;
        expect(records.has(id), `target ${id} ended twice`).toBe(false);
        records.set(id, record);
      }
    }
  };
  /** Resolves when that many targets have ended. */
  const ended = async (count: number) => {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      read();
      if (records.size >= count) return records;
      await woken;
    }
  };
  return { engine, directory, records, read, ended, wakes: () => wakes };
}

const target = (id: number, url: string): NativeTarget => ({
  id,
  url,
  name: `${id}.bin`,
  timeoutMs: 0,
  isRetry: false,
});

describe('records', () => {
  it('tell of whole bodies, failures and unverified ends', async () => {
    const origin = await useOrigin();
    const { engine, directory, ended } = useEngine();
    engine.add([
      target(1, origin.url('/a?size=1000')),
      target(2, origin.url('/b?status=404')),
      target(3, origin.url('/c?size=300000&cut=1000')),
      target(4294967295, origin.url('/d?size=300000')),
    ]);
    const records = await ended(4);
    const field = (id: number, name: keyof typeof RECORD) => records.get(id)?.[RECORD[name]];
    expect(field(1, 'reason')).toBe(REASON.done);
    expect(field(1, 'sizeDelivered')).toBe(1000);
    expect(field(1, 'contentLength')).toBe(1000);
    expect(field(1, 'flags')).toBe(0);
    expect(field(2, 'reason')).toBe(REASON.http);
    expect(field(2, 'responseCode')).toBe(404);
    expect(field(3, 'reason')).toBe(REASON.transfer);
    expect(field(4294967295, 'reason')).toBe(REASON.done);
    expect(readdirSync(directory).sort()).toEqual(['1.bin', '3.bin.part', '4294967295.bin']);
    expect(readFileSync(join(directory, '4294967295.bin')).equals(content('/d', 300_000))).toBe(
      true,
    );
    expect(RECORD_FLAG.unverified).toBe(1);
  });

  it('have details until the next read, of failures always, of all when kept', async () => {
    const origin = await useOrigin();
    for (const keepDetails of [false, true]) {
      const { engine, ended } = useEngine({ keepDetails });
      engine.add([target(1, origin.url('/a?size=10')), target(2, origin.url('/b?status=500'))]);
      let found = 0;
      const seen = new Map<number, unknown>();
      const buffer = new Float64Array(RECORD_SIZE);
      while (found < 2) {
        if (engine.infoRead(buffer) === 0) {
          await new Promise(setImmediate);
          continue;
        }
        found += 1;
        const id = buffer[RECORD.id] ?? -1;
        seen.set(id, engine.details(id));
        expect(engine.details(id + 100)).toBeUndefined();
      }
      expect(seen.get(2)).toMatchObject({ urlEffective: origin.url('/b?status=500') });
      expect((seen.get(2) as { error: string }).error).toContain('500');
      if (keepDetails) expect(seen.get(1)).toMatchObject({ remoteIp: '127.0.0.1', error: '' });
      else expect(seen.get(1)).toBeUndefined();
      expect(engine.infoRead(buffer)).toBe(0);
      expect(engine.details(2)).toBeUndefined();
      await ended(0);
    }
  });

  it('cross with strings that are long, empty or not ASCII', async () => {
    const origin = await useOrigin();
    const { engine, directory, ended } = useEngine();
    const name = 'ü'.repeat(120);
    const long = origin.url(`/a?size=10&x=${'y'.repeat(3000)}`);
    engine.add([
      { ...target(1, long), name },
      target(2, ''),
      { ...target(3, origin.url('/c?size=10')), name: '' },
    ]);
    const records = await ended(3);
    expect(records.get(1)?.[RECORD.reason]).toBe(REASON.done);
    expect(records.get(2)?.[RECORD.reason]).toBe(REASON.url);
    expect(records.get(3)?.[RECORD.reason]).toBe(REASON.local);
    expect(readdirSync(directory)).toContain(name);
  });
});

describe('wakes', () => {
  it('come once until a read has returned 0', async () => {
    const origin = await useOrigin();
    const { engine, records, read, ended, wakes } = useEngine();
    const all = Array.from({ length: 100 }, (_, id) => target(id, origin.url('/a?size=10')));
    engine.add(all);
    const sample = new Float64Array(SAMPLE_HEADER);
    do {
      await new Promise(setImmediate);
      engine.sample(sample);
    } while ((sample[1] ?? 0) + (sample[2] ?? 0) + (sample[3] ?? 0) > 0);
    expect(wakes()).toBe(1);
    read();
    expect(records.size).toBe(100);
    engine.add([target(100, origin.url('/b?size=10'))]);
    await ended(101);
    expect(wakes()).toBeGreaterThan(1);
  });
});

describe('sample', () => {
  it('shows what runs', async () => {
    const origin = await useOrigin();
    const { engine } = useEngine();
    engine.add([target(7, origin.url('/a?size=100000&stall=50000'))]);
    const sample = new Float64Array(SAMPLE_HEADER + SAMPLE_SIZE);
    while ((sample[0] ?? 0) < 50_000) {
      await new Promise(setImmediate);
      expect(engine.sample(sample)).toBeLessThanOrEqual(1);
    }
    expect([...sample.subarray(0, 7)]).toEqual([50_000, 1, 0, 0, 7, 50_000, 100_000]);
    expect(sample[7]).toBeGreaterThan(0);
  });
});

describe('misuse', () => {
  it('of a closed engine throws ERR_MCURL_CLOSED; closing again is harmless', async () => {
    const { engine } = useEngine();
    const closings = [engine.close(), engine.close()];
    expect(() => engine.stop()).toThrow(expect.objectContaining({ code: 'ERR_MCURL_CLOSED' }));
    await Promise.all(closings);
    await engine.close();
    const closed = expect.objectContaining({ code: 'ERR_MCURL_CLOSED' });
    for (const call of [
      () => engine.add([target(1, 'http://127.0.0.1:1/')]),
      () => engine.infoRead(new Float64Array(RECORD_SIZE)),
      () => engine.details(1),
      () => engine.sample(new Float64Array(SAMPLE_HEADER)),
      () => engine.pauseHost('http://127.0.0.1:1/', 1),
      () => engine.stop(),
    ]) {
      expect(call).toThrow(closed);
    }
  });

  it('in what it is made of throws with a code', () => {
    const make = (options: Partial<EngineOptions>) => () =>
      new Engine({ directory: useTmp(), ...OPTIONS, ...options }, () => {});
    const file = join(useTmp(), 'file');
    writeFileSync(file, '');
    for (const directory of ['/nowhere/at/all', file, '']) {
      expect(make({ directory })).toThrow(expect.objectContaining({ code: 'ERR_MCURL_DIRECTORY' }));
    }
  });

  it.each([
    ['no options', (engine: typeof Engine) => Reflect.construct(engine, [])],
    [
      'no wake',
      (engine: typeof Engine) =>
        Reflect.construct(engine, [{ directory: useTmp(), ...OPTIONS }, undefined]),
    ],
    [
      'a URL that is no string',
      () => useEngine().engine.add([{ ...target(1, ''), url: 5 as unknown as string }]),
    ],
    ['no array to read into', () => useEngine().engine.infoRead({} as Float64Array)],
    ['no array to sample into', () => useEngine().engine.sample(undefined as never)],
  ])('in the shape of arguments throws: %s', (_, call) => {
    expect(() => call(Engine)).toThrow();
  });

  it('with arrays that are too short reads nothing', async () => {
    const origin = await useOrigin();
    const { engine, ended } = useEngine();
    engine.add([target(1, origin.url('/a?size=1'))]);
    expect(engine.infoRead(new Float64Array(RECORD_SIZE - 1))).toBe(0);
    expect(engine.sample(new Float64Array(SAMPLE_HEADER - 1))).toBe(0);
    await ended(1);
  });
});

/** Each in a process of its own, which must neither crash nor hang. */
describe('an end', () => {
  const ENGINE = fileURLToPath(new URL('../../dist/native/engine.js', import.meta.url));

  /** Runs `script` with `start(urls)`, which returns an engine whose transfers all hang, and `inWorker(script)`. */
  async function run(script: string, flags: string[] = []) {
    const origin = await useOrigin();
    const urls = [
      origin.url('/0?size=1000000&stall=500000'),
      origin.url('/1?stall=head'),
      origin.url('/2?size=10'),
    ];
    const prelude = `
      const { mkdtempSync } = require('node:fs');
      const { Worker } = require('node:worker_threads');
      const OPTIONS = ${JSON.stringify({ ...OPTIONS, directory: useTmp() })};
      const URLS = ${JSON.stringify(urls)};
      // Resolves when the third, which does not hang, has ended: then the others run.
      async function start() {
        const { Engine } = await import(${JSON.stringify(ENGINE)});
        let wake;
        const woken = new Promise((resolve) => { wake = resolve; });
        const options = { ...OPTIONS, directory: mkdtempSync(OPTIONS.directory + '/') };
        const engine = new Engine(options, () => wake());
        engine.add(URLS.map((url, id) => ({ id, url, name: String(id), timeoutMs: 0, isRetry: false })));
        await woken;
        return engine;
      }
      function inWorker(script) {
        const worker = new Worker(PRELUDE + script, { eval: true });
        worker.on('error', (error) => { console.error(error); process.exitCode = 99; });
        return worker;
      }
      const saidBy = (worker) => new Promise((resolve) => worker.once('message', resolve));
    `;
    const text = `const PRELUDE = ${JSON.stringify(prelude)} + '\\nconst { parentPort } = require("node:worker_threads");\\n';
      ${prelude}
      (async () => { ${script} })().catch((error) => { console.error(error); process.exitCode = 98; });`;
    const child = spawn(process.execPath, [...flags, '-e', text], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    const [code, signal] = await once(child, 'exit');
    return { code, signal };
  }

  const WHOLE = { code: 0, signal: null };
  const STARTED =
    "start().then((engine) => { globalThis.engine = engine; parentPort.postMessage('running'); });";

  it('of the process by itself, after close', async () => {
    expect(await run('await (await start()).close();')).toEqual(WHOLE);
  });

  it('of the process by process.exit, in mid-transfer', async () => {
    expect(await run('await start(); process.exit(5);')).toEqual({ code: 5, signal: null });
  });

  it('of the process by engine.exit, in mid-transfer', async () => {
    const script = "process.on('exit', () => { process.exitCode = 97; }); (await start()).exit(6);";
    expect(await run(script)).toEqual({ code: 6, signal: null });
  });

  it('of the process by an error that nobody caught', async () => {
    const script = `
      await start();
      process.on('uncaughtException', () => process.exit(8));
      setImmediate(() => { throw new Error('on purpose'); });`;
    expect(await run(script)).toEqual({ code: 8, signal: null });
  });

  it('of a worker by terminate, in mid-transfer', async () => {
    const script = `
      const worker = inWorker(${JSON.stringify(STARTED)});
      await saidBy(worker);
      await worker.terminate();`;
    expect(await run(script)).toEqual(WHOLE);
  });

  it('of a worker by its own process.exit, in mid-transfer', async () => {
    const script = `
      const worker = inWorker(${JSON.stringify(STARTED.replace('});', '; process.exit(3); });'))});
      const [code] = await require('node:events').once(worker, 'exit');
      if (code !== 3) process.exitCode = 96;`;
    expect(await run(script)).toEqual(WHOLE);
  });

  it('of the process while a worker transfers', async () => {
    const script = `
      await saidBy(inWorker(${JSON.stringify(STARTED)}));
      process.exit(4);`;
    expect(await run(script)).toEqual({ code: 4, signal: null });
  });

  it('of two workers, one after the other, while the main thread transfers too', async () => {
    const script = `
      const engine = await start();
      const workers = [inWorker(${JSON.stringify(STARTED)}), inWorker(${JSON.stringify(STARTED)})];
      await Promise.all(workers.map(saidBy));
      for (const worker of workers) await worker.terminate();
      await engine.close();`;
    expect(await run(script)).toEqual(WHOLE);
  });

  it('of an engine that nobody refers to any more', async () => {
    const script = `
      let ended = false;
      const registry = new FinalizationRegistry(() => { ended = true; });
      await (async () => { registry.register(await start(), 0); })();
      while (!ended) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }`;
    expect(await run(script, ['--expose-gc'])).toEqual(WHOLE);
  });

  it('of a worker that is terminated while it closes', async () => {
    const closing = STARTED.replace(
      "parentPort.postMessage('running')",
      "engine.close(); parentPort.postMessage('closing')",
    );
    const script = `
      for (let round = 0; round < 5; ++round) {
        const worker = inWorker(${JSON.stringify(closing)});
        await saidBy(worker);
        await worker.terminate();
      }`;
    expect(await run(script)).toEqual(WHOLE);
  });
});
