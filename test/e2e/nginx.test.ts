/** The main job on real input: thousands of files of a real nginx, every byte verified. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { fileSha256, jsonRecords, runFetch, startFetch } from '../support/run-cli.ts';

const SMALL_FILES = 2500; // More than the 1,000 requests after which nginx ends a connection.
const LARGE_BYTES = 20_000_000;

let nginx: Nginx;
const digests = new Map<string, string>();

beforeAll(async () => {
  nginx = await startNginx();
  const add = (name: string, bytes: Buffer) => {
    mkdirSync(join(nginx.root, name, '..'), { recursive: true });
    writeFileSync(join(nginx.root, name), bytes);
    digests.set(name, createHash('sha256').update(bytes).digest('hex'));
  };
  for (let index = 0; index < SMALL_FILES; index += 1) {
    add(`${index % 50}/f${index}.bin`, randomBytes((index * 37) % 12_000));
  }
  for (let index = 0; index < 3; index += 1) add(`large/l${index}.bin`, randomBytes(LARGE_BYTES));
});

afterAll(() => nginx.stop());

it.each([
  ['HTTP', 'http', ['--max-per-host', '2'], '1.1'],
  ['TLS with HTTP/1.1', 'https', [], '1.1'],
  ['TLS with HTTP/2', 'http2', ['--http2'], '2'],
] as const)('%s: every file is whole', async (_, server, args, version) => {
  const lines = [...digests.keys()].map((name) => `${nginx[server]}/${name}`);
  const options = ['--cacert', nginx.certificates.caFile, '--retry', '0', '--json', ...args];
  const result = await runFetch(lines, options);
  expect(result.code, result.stderr).toBe(0);
  expect(result.names).toHaveLength(digests.size);
  for (const [name, digest] of digests) {
    const file = name.slice(name.lastIndexOf('/') + 1);
    expect(fileSha256(join(result.out, file)), name).toBe(digest);
  }
  const records = jsonRecords(result);
  expect(new Set(records.map((record) => record['http_version']))).toEqual(new Set([version]));
  // Connections are what is reused: a new one only for a cap's worth, and whenever nginx ends one.
  const connections = records.reduce((sum, record) => sum + Number(record['num_connects']), 0);
  expect(connections).toBeLessThanOrEqual(40);
});

it('reads what lies in the list only once, and skips it all on the next run', async () => {
  const lines = Array.from(
    { length: 300 },
    (_, index) => `${nginx.http}/${index % 50}/f${index}.bin`,
  );
  const first = await runFetch(lines);
  expect(first.code, first.stderr).toBe(0);
  const second = await runFetch(lines, ['--json'], { cwd: first.cwd });
  expect(second.code, second.stderr).toBe(0);
  expect(new Set(jsonRecords(second).map(({ type }) => type))).toEqual(new Set(['skip']));
  expect(readFileSync(join(first.out, 'f7.bin'))).toHaveLength(7 * 37);
});

it('opens no further HTTP/2 connection when the server takes few streams', async () => {
  const strict = await startNginx('http2_max_concurrent_streams 2; limit_rate 100k;');
  onTestFinished(() => strict.stop());
  const bytes = randomBytes(250_000);
  const lines = Array.from({ length: 6 }, (_, index) => {
    writeFileSync(join(strict.root, `s${index}.bin`), bytes);
    return `${strict.http2}/s${index}.bin`;
  });
  const args = ['--http2', '--cacert', strict.certificates.caFile, '--json', '--loops', '2'];
  const result = await runFetch(lines, [...args, '--max-per-host', '4', '--retry', '0']);
  expect(result.code, result.stderr).toBe(0);
  for (const name of result.names) {
    expect(readFileSync(join(result.out, name)).equals(bytes), name).toBe(true);
  }
  const records = jsonRecords(result);
  expect(records).toHaveLength(6);
  const connections = records.reduce((sum, record) => sum + Number(record['num_connects']), 0);
  expect(connections).toBeLessThanOrEqual(2);
});

it('continues over HTTP/2 what was killed half-way, but for what has changed since', async () => {
  const slowly = 'map $http_user_agent $rate { slow 1m; default 0; } limit_rate $rate;';
  const server = await startNginx(slowly);
  onTestFinished(() => server.stop());
  const names = ['a.bin', 'b.bin', 'changed.bin'];
  const bytes = new Map(names.map((name) => [name, randomBytes(3_000_000)]));
  const write = (name: string, mtime: string) => {
    writeFileSync(join(server.root, name), bytes.get(name) ?? '');
    utimesSync(join(server.root, name), new Date(mtime), new Date(mtime));
  };
  for (const name of names) write(name, '2020-01-01');
  const lines = names.map((name) => `${server.http2}/${name}`);
  const args = ['--http2', '--cacert', server.certificates.caFile, '--loops', '1'];
  const killed = startFetch(lines, [...args, '-A', 'slow']);
  const parts = names.map((name) => join(killed.out, `${name}.part`));
  const sizes = () => parts.map((path) => statSync(path).size);
  await vi.waitFor(() => expect(Math.min(...sizes())).toBeGreaterThan(500_000), 10_000);
  killed.child.kill('SIGKILL');
  await killed.finished;
  const [a, b] = sizes();
  expect(Math.max(...sizes())).toBeLessThan(3_000_000);

  bytes.set('changed.bin', randomBytes(3_000_000));
  write('changed.bin', '2020-01-02');
  const result = await runFetch(lines, [...args, '--json', '--retry', '0'], { cwd: killed.cwd });
  expect(result.code, result.stderr).toBe(0);
  for (const name of names) {
    expect(readFileSync(join(result.out, name)).equals(bytes.get(name) ?? Buffer.of())).toBe(true);
  }
  const records = jsonRecords(result).sort((one, other) => one.line - other.line);
  expect(records).toMatchObject([
    { http_version: '2', http_code: 206, resumed_from: a, num_retries: 0 },
    { http_version: '2', http_code: 206, resumed_from: b, num_retries: 0 },
    { http_version: '2', http_code: 200, resumed_from: 0, num_retries: 0 },
  ]);
  expect(records.reduce((sum, record) => sum + Number(record['num_connects']), 0)).toBe(1);
});
