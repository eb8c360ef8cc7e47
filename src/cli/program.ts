/** The whole command line: argv -> what to do. */
import { existsSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { UsageError } from '../errors.ts';
import { type FetchCommand, fetchCommand } from './fetch.ts';
import { type StatusCommand, statusCommand } from './status.ts';

export type Invocation =
  | ({ readonly kind: 'fetch' } & FetchCommand)
  | ({ readonly kind: 'status' } & StatusCommand)
  | { readonly kind: 'version' }
  | { readonly kind: 'help' };

/**
 * Reads the arguments after `node` and the script.
 *
 * @throws UsageError that says what is wrong, and where it can, what was meant
 */
export function readArguments(argv: readonly string[]): Invocation {
  let invocation: Invocation = { kind: 'help' };
  let complaint = '';
  const output = {
    writeOut: () => {},
    writeErr: (text: string) => {
      complaint += text;
    },
  };
  const fetch = fetchCommand((read) => {
    checkCommand(argv, program.commands);
    invocation = { kind: 'fetch', ...read };
  });
  const status = statusCommand((read) => {
    invocation = { kind: 'status', ...read };
  });
  for (const command of [fetch, status]) {
    command.configureOutput(output).exitOverride();
  }
  const program = new Command('mcurl')
    .configureOutput(output)
    .exitOverride()
    .enablePositionalOptions()
    .option('-V, --version')
    .on('option:version', () => {
      invocation = { kind: 'version' };
      throw new CommanderError(0, 'mcurl.version', '');
    })
    .addCommand(fetch, { isDefault: true })
    .addCommand(status);
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) {
      throw new UsageError('ERR_MCURL_OPTION', complaint.replace(/^error: /, '').trim());
    }
  }
  return invocation;
}

/** A first word that others follow, and that is no file, was meant as a command: `download URL`. */
function checkCommand([word = '', next]: readonly string[], commands: readonly Command[]): void {
  const names = commands.map((command) => command.name());
  if (next === undefined || !/^[a-z][a-z-]*$/i.test(word)) return;
  if (names.includes(word) || existsSync(word)) return;
  throw new UsageError(
    'ERR_MCURL_OPTION',
    `${word} is neither a command (${names.join(', ')}) nor a list file: if it is a URL, type its scheme (https://${word})`,
  );
}
