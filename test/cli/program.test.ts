import { describe, expect, it } from 'vitest';
import { readArguments } from '../../src/cli/program.ts';
import { complaintOf } from './command-line.ts';

describe('commands', () => {
  it.each([
    [['-V'], 'version'],
    [['--version'], 'version'],
    [['-h'], 'help'],
    [['help'], 'help'],
    [['fetch', 'list', '--help'], 'help'],
    [['list', '-h'], 'help'],
    [['list'], 'fetch'],
    [['-j', '4', 'list'], 'fetch'],
    [['https://example.com/', '-o', 'a'], 'fetch'],
    [['fetch', '-'], 'fetch'],
  ])('%j is %s', (argv, kind) => {
    expect(readArguments(argv).kind).toBe(kind);
  });
});

it.each([
  ['--jbos', '--jobs'],
  ['--ouput', '--output'],
  ['--in-secure', '--insecure'],
])('%s: did you mean %s?', (typo, meant) => {
  const complaint = complaintOf('fetch', 'list', typo);
  expect(complaint).toContain(typo);
  expect(complaint).toContain(meant);
});
