import { describe, expect, it } from 'vitest';
import { readArguments } from '../../src/cli/program.ts';
import { complaintOf } from './command-line.ts';

describe('mcurl status', () => {
  it.each([
    [['status', 'out'], { kind: 'status', path: 'out', json: false }],
    [['status', '--json', 'a/journal'], { kind: 'status', path: 'a/journal', json: true }],
    [['status', 'out', '--json'], { kind: 'status', path: 'out', json: true }],
    [['status', '--help'], { kind: 'help' }],
  ])('%j', (argv, invocation) => {
    expect(readArguments(argv)).toEqual(invocation);
  });

  it.each([
    [['status'], 'journal-or-directory'],
    [['status', 'a', 'b'], 'too many arguments'],
    [['status', 'a', '-j', '4'], "unknown option '-j'"],
  ])('%j is refused', (argv, complaint) => {
    expect(complaintOf(...argv)).toContain(complaint);
  });
});
