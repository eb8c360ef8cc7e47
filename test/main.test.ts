import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { useOrigin } from './support/origin.ts';
import { runCli } from './support/run-cli.ts';
import { useTmp } from './support/tmp.ts';

const PROGRAM = fileURLToPath(new URL('../bin/mcurl.js', import.meta.url));
const ENV = { PATH: `${dirname(process.execPath)}:${process.env['PATH']}` };

/** Runs a shell line in which `mcurl` is the program. */
function shell(line: string, cwd: string) {
  const script = `mcurl() { '${PROGRAM}' "$@"; }\n${line}`;
  return spawnSync('sh', ['-c', script], { cwd, env: ENV, encoding: 'utf8' });
}

describe('--help', () => {
  it('loads nothing that it does not need', () => {
    const directory = useTmp();
    const env = { ...ENV, NODE_V8_COVERAGE: directory };
    execFileSync(PROGRAM, ['--help'], { env });
    const [file = ''] = readdirSync(directory);
    const { result } = JSON.parse(readFileSync(join(directory, file), 'utf8'));
    const loaded = result
      .map(({ url }: { url: string }) => url)
      .filter((url: string) => url.startsWith('file:'))
      .map((url: string) => basename(url))
      .sort();
    expect(loaded).toEqual(['errors.js', 'escape.js', 'help.js', 'main.js', 'mcurl.js']);
  });

  it('goes to stdout, exit code 0, also when nobody reads it', () => {
    const { stdout, stderr, status } = shell('mcurl --help | head -1; mcurl --help >&-', useTmp());
    expect([stdout.split('\n').length, stderr, status]).toEqual([2, '', 0]);
  });
});

describe('usage errors', () => {
  it('are on stderr, escaped, with a pointer to --help; exit code 2', async () => {
    const { code, stdout, stderr } = await runCli(['--no\x1b[31msuch']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toBe(
      "mcurl: unknown option '--no\\x1b[31msuch'\nType 'mcurl --help' for the options.\n",
    );
  });

  it.each([
    ['no input, stdin is /dev/null', ['fetch']],
    ['no such list', ['fetch', 'nowhere.txt']],
  ])('%s', async (_, args) => {
    const { code, stderr } = await runCli(args);
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(/^mcurl: /);
  });

  it('a log that cannot be written is local trouble: exit code 3', async () => {
    const { code, stderr } = await runCli(['http://127.0.0.1:1/', '--log-file', '/nowhere/log']);
    expect(code, stderr).toBe(3);
    expect(stderr).toContain('/nowhere/log');
  });
});

it('takes a list from a pipe when nothing else is named', async () => {
  const origin = await useOrigin();
  const { code, stderr } = await runCli(['fetch'], { stdin: `${origin.url('/a')}\n` });
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/^mcurl: 1 file,/);
});

describe('output that cannot be written', () => {
  it('to a closed stdout and stderr ends no download', async () => {
    const origin = await useOrigin();
    const cwd = useTmp();
    const child = spawn(
      'sh',
      ['-c', `'${PROGRAM}' "$@" >&- 2>&-`, 'sh', origin.url('/a'), '--json'],
      {
        cwd,
        env: ENV,
      },
    );
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(readdirSync(cwd)).toEqual(['a']);
  });

  it('to a full disk is said, and is local trouble: exit code 3', async () => {
    const origin = await useOrigin();
    const cwd = useTmp();
    const child = spawn(
      'sh',
      ['-c', `'${PROGRAM}' "$@" >/dev/full`, 'sh', origin.url('/a'), '--json'],
      {
        cwd,
        env: ENV,
      },
    );
    const [said] = await once(child.stderr, 'data');
    const [code] = await once(child, 'exit');
    expect(code).toBe(3);
    expect(`${said}`).toMatch(/mcurl/);
    expect(readdirSync(cwd)).toEqual(['a']);
  });
});

it('SIGHUP ends nothing when it was ignored at the start, as under nohup', async () => {
  const origin = await useOrigin();
  const cwd = useTmp();
  const args = [PROGRAM, origin.url('/a?hold')];
  const child = spawn('nohup', args, { cwd, env: ENV });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await origin.arrived('/a');
  child.kill('SIGHUP');
  // Any signal after the first would end it at once; this one must be the first.
  child.kill('SIGTERM');
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(143);
  expect(stderr).toContain('same command again');
});

it('a thousand failures are told one by one, the others only counted', async () => {
  const origin = await useOrigin();
  const cwd = useTmp();
  writeFileSync(join(cwd, 'list.txt'), 'bad line\n'.repeat(3000));
  const { code, stderr } = await runCli(['list.txt', origin.url('/a')], { cwd });
  expect(code).toBe(2);
  expect(stderr.match(/^mcurl: list\.txt:\d+: /gm)).toHaveLength(1000);
  expect(stderr).toContain('only counted');
  expect(stderr).toMatch(/3,000 failed/);
});
