/** `mcurl status`: argv -> which journal, told how. */
import { Command } from 'commander';

export interface StatusCommand {
  /** A journal, or the output directory that holds one. */
  readonly path: string;
  /** One line of JSON instead of a table. */
  readonly json: boolean;
}

/**
 * The `status` command.
 *
 * @param onStatus gets what the command line asks for; not called when it is refused
 */
export function statusCommand(onStatus: (status: StatusCommand) => void): Command {
  return new Command('status')
    .argument('<journal-or-directory>')
    .option('--json', '')
    .action((path: string, { json }: { readonly json?: true }) =>
      onStatus({ path, json: json === true }),
    );
}
