/** The exit code table: the lowest that occurred wins. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { freePort } from '../support/free-port.ts';
import { useOrigin } from '../support/origin.ts';
import { runCli, runFetch } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

async function makeLines() {
  const origin = await useOrigin();
  const secure = await useOrigin({ tls: makeCertificates(useTmp()).server });
  return {
    good: origin.url('/good'),
    badLine: 'nonsense',
    local: origin.url('/directory'),
    network: `http://127.0.0.1:${await freePort()}/x`,
    tls: secure.url('/x'),
    auth: origin.url('/x?auth=me:pw'),
    protocol: origin.url('/x?to=file:///etc/passwd'),
    server: origin.url('/x?status=404'),
  };
}

type Kind = keyof Awaited<ReturnType<typeof makeLines>>;

describe('the exit code', () => {
  it.each<[number, Kind[]]>([
    [0, ['good']],
    [2, ['server', 'badLine', 'network', 'local', 'good']],
    [3, ['server', 'tls', 'network', 'local', 'good']],
    [4, ['server', 'protocol', 'auth', 'tls', 'network', 'good']],
    [5, ['server', 'protocol', 'auth', 'tls', 'good']],
    [6, ['server', 'protocol', 'auth', 'good']],
    [7, ['good', 'server', 'protocol']],
    [8, ['good', 'server', 'good']],
  ])('%i for %j', async (exitCode, kinds) => {
    const cwd = useTmp();
    mkdirSync(join(cwd, 'out/directory'), { recursive: true });
    const lines = await makeLines();
    const { code, stderr } = await runFetch(
      kinds.map((kind) => lines[kind]),
      ['--retry', '0'],
      { cwd },
    );
    expect(code, stderr).toBe(exitCode);
  });

  it('0 for what is there already, and for an empty list', async () => {
    const { good } = await makeLines();
    const cwd = useTmp();
    mkdirSync(join(cwd, 'out'));
    writeFileSync(join(cwd, 'out/good'), 'old');
    const skipped = await runFetch([good], [], { cwd });
    expect(skipped.code, skipped.stderr).toBe(0);
    const empty = await runFetch([]);
    expect(empty.code, empty.stderr).toBe(0);
  });

  it('2 for a usage error, before anything is fetched', async () => {
    const { code, stderr } = await runCli(['fetch', 'http://127.0.0.1:1/', '--nonsense']);
    expect(code, stderr).toBe(2);
  });

  it('is documented in --help, each of them', async () => {
    const { stdout } = await runCli(['fetch', '--help']);
    for (let code = 0; code <= 9; code += 1)
      expect(stdout).toMatch(new RegExp(`^\\s.*\\b${code} `, 'm'));
    expect(stdout).toMatch(/130/);
    expect(stdout).toMatch(/143/);
  });
});
