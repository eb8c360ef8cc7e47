/** What a person sees: the real program on a real terminal, which tmux keeps. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { useOrigin } from '../support/origin.ts';
import { useTmp } from '../support/tmp.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/mcurl.js', import.meta.url));
/** What moves the cursor and erases: all that bars may send. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const MOVES = /^\u001b\[\d*[AGJK]$/;
/** The command's first line; typed in two halves, so that the typing is not taken for it. */
const BEGIN = 'begin\r\n';

let terminals = 0;

interface Terminal {
  /** The lines of the window, without blanks at their ends. */
  screen(): string[];
  /** Types keys, by tmux's names. */
  type(...keys: string[]): void;
  resize(columns: number, rows: number): void;
  /** What tmux says of the window, by its format. */
  ask(format: string): string;
  /** Every byte that was written to the terminal so far. */
  written(): string;
  /** Waits until the window shows it. */
  shows(pattern: RegExp): Promise<void>;
}

/** A shell on a terminal of its own, in `cwd`; ended with the test. */
function useTerminal(cwd: string, env: Readonly<Record<string, string>> = {}): Terminal {
  const name = `mcurl-${process.pid}-${++terminals}`;
  const tmux = (...args: string[]) =>
    execFileSync('tmux', ['-L', name, '-f', '/dev/null', ...args], {
      encoding: 'utf8',
      env: {
        PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
        HOME: cwd,
        LC_ALL: 'C.UTF-8',
      },
    });
  const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  const size = ['-x', '100', '-y', '20'];
  tmux('new-session', '-d', ...size, '-c', cwd, 'env', ...variables, 'PS1=$ ', 'sh', '-i');
  onTestFinished(() => {
    tmux('kill-server');
  });
  const log = join(cwd, 'terminal.log');
  writeFileSync(log, '');
  tmux('pipe-pane', `cat >> '${log}'`);
  const screen = () =>
    tmux('capture-pane', '-p')
      .split('\n')
      .map((line) => line.trimEnd());
  return {
    screen,
    type: (...keys) => tmux('send-keys', ...keys),
    resize: (columns, rows) => tmux('resize-window', '-x', `${columns}`, '-y', `${rows}`),
    ask: (format) => tmux('display-message', '-p', format).trim(),
    written: () => readFileSync(log, 'utf8'),
    shows: (pattern) =>
      expect.poll(() => screen().join('\n'), { timeout: 10_000, interval: 50 }).toMatch(pattern),
  };
}

/** A terminal in a directory that has `list.txt` with these lines; `fetch` types the command. */
function useFetch(lines: readonly string[], env?: Readonly<Record<string, string>>) {
  const cwd = useTmp();
  writeFileSync(join(cwd, 'list.txt'), lines.map((line) => `${line}\n`).join(''));
  const terminal = useTerminal(cwd, env);
  const fetch = (...args: string[]) => {
    const command = [PROGRAM, 'fetch', 'list.txt', '-d', 'out', ...args].join(' ');
    terminal.type(`clear; echo be""gin; ${command}; echo "exit" "$?"`, 'Enter');
  };
  return { terminal, fetch };
}

const HALF = 'size=1000000&stall=500000';
const TOTAL = /\d+ of \d+\+? files/;

/** A loaded machine draws late. */
const SOON = { timeout: 10_000 };

describe('bars', () => {
  it('show the whole job and each large transfer, and leave only the summary', async () => {
    const origin = await useOrigin();
    const { terminal, fetch } = useFetch([
      origin.url('/small'),
      origin.url('/slow.bin?size=60000&trickle=100&piece=3000'),
      origin.url('/unknown.bin?size=60000&trickle=100&piece=3000&eof'),
    ]);
    fetch();
    await terminal.shows(/1 of 3 files .*B\/s/);
    await terminal.shows(/slow\.bin +\[=+ +\] +\d+% +58\.6 KiB +[\d.]+ KiB\/s/);
    await terminal.shows(/unknown\.bin +[\d.]+ KiB +[\d.]+ KiB\/s/);
    await terminal.shows(/exit 0/);
    const screen = terminal.screen().filter((line) => line !== '');
    expect(screen).toEqual([
      'begin',
      expect.stringMatching(/^mcurl: 3 files, 118 KiB in .*; 1 unverified/),
      'exit 0',
      '$',
    ]);
  });

  it('have failures printed above them, whole and once', async () => {
    const origin = await useOrigin();
    const long = 'x'.repeat(150);
    const { terminal, fetch } = useFetch([
      origin.url(`/slow.bin?${HALF}`),
      origin.url(`/${long}?status=404&delay=600`),
      origin.url('/b?status=404&delay=1200'),
    ]);
    fetch();
    await terminal.shows(/slow\.bin +\[=+ +\] +50%/);
    await terminal.shows(/list\.txt:3/);
    const text = terminal.screen().join('\n');
    expect(text.replaceAll('\n', '')).toContain(`/${long}?status=404`);
    expect(text.match(/list\.txt:2/g)).toHaveLength(1);
    expect(text.match(new RegExp(TOTAL, 'g'))).toHaveLength(1);
    expect(text.match(/slow\.bin +\[/g)).toHaveLength(1);
    expect(text.indexOf('list.txt:3')).toBeLessThan(text.search(TOTAL));
  });

  it('fit the window, also after it has become smaller and larger', async () => {
    const origin = await useOrigin();
    const names = Array.from({ length: 12 }, (_, index) => `name-${index}-${'y'.repeat(60)}.bin`);
    const { terminal, fetch } = useFetch(names.map((name) => origin.url(`/${name}?${HALF}`)));
    fetch();
    const bars = () => terminal.screen().filter((line) => /^name-\d+.*50%/.test(line));
    await expect.poll(() => bars().length, SOON).toBe(8);
    const totals = () => terminal.screen().filter((line) => TOTAL.test(line)).length;
    const torn = () =>
      terminal.screen().filter((line) => line.includes('yyy') && !line.includes('50%')).length;
    terminal.resize(50, 20);
    await expect
      .poll(
        () => bars().every((line) => line.length < 50) && [bars().length, totals(), torn()],
        SOON,
      )
      .toEqual([8, 1, 0]);
    terminal.resize(50, 6);
    await expect.poll(() => [bars().length, totals()], SOON).toEqual([4, 1]);
    terminal.resize(120, 20);
    await expect
      .poll(() => bars().some((line) => line.length > 100) && bars().length, SOON)
      .toBe(8);
  });

  it('take no hostile name for an order', async () => {
    const origin = await useOrigin();
    const evil = '%1b%5d0%3bhacked%07%1b%5b31m%c2%9b2J%e2%80%ae%0d%0a.bin';
    const { terminal, fetch } = useFetch([
      origin.url(`/${evil}?${HALF}`),
      origin.url('/b?status=404').replace('/b', '/\x1b]0;hacked\x07\u202e'),
    ]);
    const title = terminal.ask('#{pane_title}');
    fetch();
    await terminal.shows(/50%/);
    await terminal.shows(/list\.txt:2/);
    expect(terminal.ask('#{pane_title}')).toBe(title);
    // Of all control sequences only the ones that move and erase come, so no colour, no title, nothing of the URL.
    const written = terminal.written();
    const own = written.slice(written.indexOf(BEGIN));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const ours = own.match(/\u001b[^A-Za-z]*[A-Za-z]|[\u0080-\u009f\u202e\u0007]/g) ?? [];
    expect(ours.length).toBeGreaterThan(0);
    expect(ours.filter((sequence) => !MOVES.test(sequence))).toEqual([]);
  });

  it('leave the terminal as it was when a signal ends them: once, or twice', async () => {
    const origin = await useOrigin();
    const { terminal, fetch } = useFetch([origin.url(`/slow.bin?${HALF}`)]);
    const state = '#{cursor_flag} #{wrap_flag} #{alternate_on}';
    const before = terminal.ask(state);
    fetch();
    await terminal.shows(/slow\.bin.*50%/);
    expect(terminal.ask(state)).toBe(before);
    terminal.type('C-c');
    await terminal.shows(/same command again[\s\S]*exit 130/);
    expect(terminal.screen().join('\n')).not.toContain('50%');
    fetch();
    await terminal.shows(/slow\.bin.*50%/);
    terminal.type('C-c', 'C-c');
    await terminal.shows(/exit 130/);
    expect(terminal.ask(state)).toBe(before);
  });
});

it('bars begin anew below what the shell said while they were stopped', async () => {
  const origin = await useOrigin();
  const { terminal, fetch } = useFetch([origin.url(`/slow.bin?${HALF}`), origin.url('/a?hold')]);
  fetch();
  await terminal.shows(/slow\.bin.*50%/);
  terminal.type('C-z');
  await terminal.shows(/Stopped/);
  terminal.type('clear; echo kept; fg', 'Enter');
  await terminal.shows(/^kept\n[\s\S]*0 of 2 files.*\nslow\.bin.*50%/);
  origin.release();
  await terminal.shows(/1 of 2 files.*\nslow\.bin.*50%/);
  expect(terminal.screen()[0]).toBe('kept');
});

describe('no bars', () => {
  it.each([
    ['where the terminal is dumb', { TERM: 'dumb' }, []],
    ['with --no-progress-meter', {}, ['--no-progress-meter']],
    ['beside the talk of -v', {}, ['-v']],
  ])('%s', async (_, env, args) => {
    const origin = await useOrigin();
    const { terminal, fetch } = useFetch(
      [origin.url('/a?size=60000&trickle=100&piece=10000')],
      env,
    );
    fetch(...args);
    await terminal.shows(/mcurl: 1 file,[\s\S]*exit 0/);
    const text = terminal.written();
    const own = text.slice(text.indexOf(BEGIN), text.lastIndexOf('exit 0'));
    expect(own).toContain('mcurl: 1 file');
    expect(own).not.toContain('\u001b[0G');
    expect(own).not.toMatch(TOTAL);
  });
});
