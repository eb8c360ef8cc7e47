/** Command lines as the tests of src/cli give them. */
import { expect } from 'vitest';
import { readArguments } from '../../src/cli/program.ts';
import { UsageError } from '../../src/errors.ts';

/** What a command line that fetches says. */
export function fetchOf(...argv: string[]) {
  const invocation = readArguments(argv);
  if (invocation.kind !== 'fetch') throw new Error(`that is ${invocation.kind}`);
  return invocation;
}

/** The options of a command line that also names one list. */
export function optionsOf(...argv: string[]) {
  return fetchOf('fetch', 'list', ...argv).options;
}

/** What is wrong with a command line that is refused. */
export function complaintOf(...argv: string[]): string {
  try {
    readArguments(argv);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  }
  throw new Error(`${argv.join(' ')} was taken`);
}
