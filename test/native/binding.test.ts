/** Loading: what is refused, and which libraries libcurl runs on once it is loaded. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { binding, RECORD, RECORD_FIELDS, RECORD_SIZE } from '../../src/native/binding.ts';
import { startNginx } from '../support/nginx.ts';
import { content } from '../support/origin.ts';
import { useTmp } from '../support/tmp.ts';

const isGlibc =
  process.platform === 'linux' &&
  'glibcVersionRuntime' in (process.report.getReport() as { header: object }).header;

describe('the record layout', () => {
  it('is that of the core', () => {
    expect(binding().recordFields).toEqual(RECORD_FIELDS);
    expect(RECORD_SIZE).toBe(RECORD_FIELDS.length);
    expect(RECORD.id).toBe(0);
    expect(RECORD.resumedFrom).toBe(RECORD_SIZE - 1);
  });

  it('is one addon for all who ask', () => {
    expect(binding()).toBe(binding());
    expect(binding().curlVersion).toMatch(/^libcurl\/\d+\.\d+/);
  });
});

describe.runIf(process.platform === 'linux')('an addon is refused', () => {
  beforeEach(() => vi.resetModules());
  afterEach(() => vi.restoreAllMocks());

  const loadAgain = async () => (await import('../../src/native/binding.ts')).binding();

  it('when its records are of another layout', async () => {
    vi.spyOn(process, 'dlopen').mockImplementation((module) => {
      Object.assign(module as object, { exports: { recordFields: RECORD_FIELDS.toReversed() } });
    });
    await expect(loadAgain()).rejects.toMatchObject({
      code: 'ERR_MCURL_LAYOUT',
      message: expect.stringContaining('npm run build'),
    });
  });

  it('when it does not load, with the reason and what to type', async () => {
    vi.spyOn(process, 'dlopen').mockImplementation(() => {
      throw new Error('libcurl.so.4: cannot open shared object file');
    });
    await expect(loadAgain()).rejects.toMatchObject({
      code: 'ERR_MCURL_LOAD',
      message: expect.stringMatching(/libcurl\.so\.4.*npm run build/s),
    });
  });

  it('when it is not built', async () => {
    vi.doMock('node:fs', () => ({ existsSync: () => false }));
    onTestFinished(() => {
      vi.doUnmock('node:fs');
    });
    await expect(loadAgain()).rejects.toMatchObject({
      code: 'ERR_MCURL_NOT_BUILT',
      message: expect.stringContaining('npm run build'),
    });
  });
});

/** `LD_DEBUG=bindings` writes a line for each symbol that the dynamic linker binds. */
describe.runIf(isGlibc)('symbols', () => {
  const ADDON = fileURLToPath(new URL('../../native/build/Release/mcurl.node', import.meta.url));
  const ENGINE = fileURLToPath(new URL('../../dist/native/engine.js', import.meta.url));

  /** Libraries' symbols of which Node exports copies of its own, bound to Node by anyone but Node and the addon. */
  async function boundToNode(script: string): Promise<string[]> {
    const directory = useTmp();
    const child = spawn(process.execPath, ['-e', script], {
      env: { LD_DEBUG: 'bindings', LD_DEBUG_OUTPUT: join(directory, 'log') },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    expect(await once(child, 'exit')).toEqual([0, null]);
    const lines = readdirSync(directory).flatMap((name) =>
      readFileSync(join(directory, name), 'utf8').split('\n'),
    );
    expect(lines.some((line) => line.includes('libcurl') && line.includes('SSL_'))).toBe(true);
    return lines.filter((line) => {
      const [, from, to, symbol = ''] =
        /binding file (\S+) \[\d+\] to (\S+) \[\d+\]: \w+ symbol `([^']+)'/.exec(line) ?? [];
      if (from === undefined || to !== process.execPath) return false;
      if (from === process.execPath || from === ADDON) return false;
      // Plug-ins that libsasl2 opens by itself, for LDAP, which nobody asks of mcurl.
      if (from.includes('/sasl2/')) return false;
      return /^(SSL|TLS|BIO|EVP|X509|PEM|CRYPTO|OPENSSL|ERR|RAND|nghttp[23]|(in|de)flate|zlib|crc32|Brotli|ZSTD)/.test(
        symbol,
      );
    });
  }

  /** Fetches a file over HTTP/1.1 and over HTTP/2, both by TLS. */
  async function fetching(): Promise<string> {
    const nginx = await startNginx();
    onTestFinished(() => nginx.stop());
    writeFileSync(join(nginx.root, 'file'), content('/file', 100_000));
    return `
      import(${JSON.stringify(ENGINE)}).then(async ({ Engine }) => {
        for (const [httpVersion, base] of [['1.1', ${JSON.stringify(nginx.https)}], ['2', ${JSON.stringify(nginx.http2)}]]) {
          let wake;
          const woken = new Promise((resolve) => { wake = resolve; });
          const engine = new Engine({
            directory: ${JSON.stringify(useTmp())}, jobs: 1, maxPerHost: 1, loops: 1, overwrite: true, keepDetails: false,
            request: { httpVersion, cacert: ${JSON.stringify(nginx.certificates.caFile)} },
          }, wake);
          engine.add([{ id: 0, url: base + '/file', name: 'file', timeoutMs: 0, isRetry: false }]);
          await woken;
          const record = new Float64Array(${RECORD_SIZE});
          const count = engine.infoRead(record);
          if (count !== 1 || record[${RECORD.reason}] !== 0 || record[${RECORD.sizeDelivered}] !== 100000) {
            console.error(httpVersion, engine.details(0));
            process.exit(1);
          }
          await engine.close();
        }
      });`;
  }

  it('of libcurl and its libraries are none of Node’s on the main thread', async () => {
    expect(await boundToNode(await fetching())).toEqual([]);
  });

  it('of libcurl and its libraries are none of Node’s in a worker', async () => {
    const script = `new (require('node:worker_threads').Worker)(${JSON.stringify(await fetching())}, { eval: true });`;
    expect(await boundToNode(script)).toEqual([]);
  });

  it('would be Node’s if the addon were loaded plainly', async () => {
    const plain = `process.dlopen({ exports: {} }, ${JSON.stringify(ADDON)});`;
    expect((await boundToNode(plain)).length).toBeGreaterThan(100);
  });
});
