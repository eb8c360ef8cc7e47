/** Runs the real program as a process of its own. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { useTmp } from './tmp.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/mcurl.js', import.meta.url));

/** With the Node that runs the tests in front, as the program looks for it there. */
const PATH = `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`;

export interface CliOptions {
  /** Working directory, which is HOME as well. Default: an empty one, removed after the test. */
  readonly cwd?: string;
  /** Added to an environment that has PATH and HOME only: no proxies, no certificates, no colours. */
  readonly env?: Readonly<Record<string, string>>;
  /** What stdin gives; default: /dev/null. */
  readonly stdin?: string | Buffer;
  /** A line for the shell that becomes the program: `ulimit -n 60`, `exec 2>&-`. */
  readonly before?: string;
}

export interface CliResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Working directory. */
  readonly cwd: string;
}

export interface CliRun {
  readonly child: ChildProcess;
  readonly cwd: string;
  readonly finished: Promise<CliResult>;
  /** Resolves when stderr has said it; rejects when the program ends without. */
  said(pattern: RegExp): Promise<void>;
  /** Resolves with `event`; rejects when the program ends before. */
  until<T>(event: Promise<T>): Promise<T>;
}

/** Starts `mcurl ARGS`; killed at the end of the test if it still runs. */
export function startCli(args: readonly string[], options: CliOptions = {}): CliRun {
  const cwd = options.cwd ?? useTmp();
  const shell = ['sh', '-c', `${options.before}; exec "$0" "$@"`];
  const [program = '', ...words] = [...(options.before ? shell : []), PROGRAM, ...args];
  const child = spawn(program, words, {
    cwd,
    env: { PATH, HOME: cwd, ...options.env },
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  }) as ChildProcessWithoutNullStreams;
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (options.stdin !== undefined) {
    child.stdin.on('error', () => {}); // It may end before it has read everything.
    child.stdin.end(options.stdin);
  }
  const finished = once(child, 'close').then(([code, signal]) => ({
    code,
    signal,
    stdout,
    stderr,
    cwd,
  }));
  const until = <T>(event: Promise<T>) =>
    Promise.race([
      event,
      finished.then(({ code }) => Promise.reject(new Error(`ended with ${code}: ${stderr}`))),
    ]);
  const said = (pattern: RegExp) =>
    until(
      new Promise<void>((resolve) => {
        const look = () => {
          if (pattern.test(stderr)) resolve();
        };
        look();
        child.stderr.on('data', look);
      }),
    );
  return { child, cwd, finished, said, until };
}

/** Runs `mcurl ARGS` to its end. */
export function runCli(args: readonly string[], options?: CliOptions): Promise<CliResult> {
  return startCli(args, options).finished;
}

/** `mcurl fetch` of a list, with its output directory `out`. */
export interface FetchRun extends CliRun {
  readonly out: string;
}

/** Starts `mcurl fetch list.txt -d out ARGS` in `cwd`, where the list has these lines. */
export function startFetch(
  lines: readonly string[],
  args: readonly string[] = [],
  options: CliOptions = {},
): FetchRun {
  const cwd = options.cwd ?? useTmp();
  const out = join(cwd, 'out');
  mkdirSync(out, { recursive: true });
  writeFileSync(join(cwd, 'list.txt'), lines.map((line) => `${line}\n`).join(''));
  return { ...startCli(['fetch', 'list.txt', '-d', 'out', ...args], { ...options, cwd }), out };
}

export interface FetchResult extends CliResult {
  readonly out: string;
  /** Names in the output directory, sorted. */
  readonly names: readonly string[];
}

/** Runs `mcurl fetch list.txt -d out ARGS` to its end. */
export async function runFetch(
  lines: readonly string[],
  args?: readonly string[],
  options?: CliOptions,
): Promise<FetchResult> {
  const { out, finished } = startFetch(lines, args, options);
  const result = await finished;
  return { ...result, out, names: namesIn(out) };
}

/** Names in a directory but for journals, sorted; none when there is no such directory. */
export function namesIn(directory: string): string[] {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names.filter((name) => !name.endsWith('.mcurl-journal')).sort();
}

/** Hexadecimal SHA-256 of a file. */
export function fileSha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** One `--json` line. */
export type JsonRecord = Readonly<Record<string, unknown>> & {
  readonly type: string;
  readonly line: number;
};

/** The records of a `--json` run. @throws SyntaxError for anything on stdout that is none */
export function jsonRecords(result: CliResult): JsonRecord[] {
  return result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JsonRecord);
}
