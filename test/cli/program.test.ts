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

describe('a first word that is no command', () => {
  it.each([
    ['download', 'http://a.test/'],
    ['get', '-j', '4', 'urls.txt'],
    ['re-fetch', 'urls.txt'],
  ])('%s %s is refused, and the commands are named', (...argv) => {
    expect(complaintOf(...argv)).toContain(`${argv[0]} is neither a command (fetch`);
  });

  it.each([
    ['alone', 'download'],
    ['that may be a file', 'down/load', 'http://a.test/'],
    ['with a dot', 'down.load', 'http://a.test/'],
    ['that is a file', 'test', 'http://a.test/'],
    ['after fetch', 'fetch', 'download', 'http://a.test/'],
    ['after an option', '-j4', 'download', 'http://a.test/'],
  ])('%s is a list file', (_, ...argv) => {
    expect(readArguments(argv).kind).toBe('fetch');
  });
});

it.each([
  ['--jbos', '--jobs'],
  ['--ouput', '--output'],
  ['--in-secure', '--insecure'],
])('%s: did you mean %s?', (typo, meant) => {
  const complaint = complaintOf('fetch', 'list', typo);
  expect(complaint).toMatch(/^unknown option/);
  expect(complaint).toContain(typo);
  expect(complaint).toContain(meant);
});
