import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { useTmp } from '../support/tmp.ts';

/** The built module tells on stdout what it chose; its stderr is the question. */
const CHOOSE = `
  const from = (name) => import(process.cwd() + '/dist/progress/' + name + '.js');
  const { loadProgress } = await from('progress');
  const start = await loadProgress(process.env.IS_SHARED === 'yes');
  const { startLines } = await from('lines');
  process.stdout.write(start === startLines ? 'lines' : 'bars');
`;
const ARGS = ['--input-type=module', '--eval', CHOOSE];

/** The choice on a terminal, which tmux keeps. */
function chooseOnTerminal(env: Readonly<Record<string, string>>): string {
  const directory = useTmp();
  const tmux = (...args: string[]) =>
    execFileSync('tmux', ['-S', join(directory, 'socket'), '-f', '/dev/null', ...args]);
  onTestFinished(() => {
    tmux('kill-server');
  });
  const file = join(directory, 'choice');
  const variables = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  const command = `"$@" > '${file}'; tmux -S '${directory}/socket' wait-for -S chosen; sleep 60`;
  const words = ['env', ...variables, process.execPath, ...ARGS];
  tmux('new-session', '-d', 'sh', '-c', command, 'sh', ...words);
  tmux('wait-for', 'chosen');
  return readFileSync(file, 'utf8');
}

it('is bars on a terminal', () => {
  expect(chooseOnTerminal({ TERM: 'xterm' })).toBe('bars');
});

it('is lines on a terminal that knows no cursor, or that others write to', () => {
  expect(chooseOnTerminal({ TERM: 'dumb' })).toBe('lines');
  expect(chooseOnTerminal({ TERM: 'xterm', IS_SHARED: 'yes' })).toBe('lines');
});

it('is lines elsewhere', () => {
  const env = { ...process.env, TERM: 'xterm' };
  expect(execFileSync(process.execPath, ARGS, { env, encoding: 'utf8' })).toBe('lines');
});
