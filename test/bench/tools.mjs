/** The programs that are compared, each as the command line that does the same work. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../scripts/system-packages.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

function firstLine(program) {
  return spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout.split('\n')[0].trim();
}

/**
 * A task is { urls: file with one URL a line, output: directory, protocol: http | https | http2, jobs, certFile,
 * scratch: directory for a tool's own files }.
 */
export const TOOLS = {
  mcurl: {
    isPresent: () => true,
    version: () => `mcurl ${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}`,
    command: ({ urls, output, protocol, jobs, certFile }) => [
      ...[process.execPath, join(root, 'bin/mcurl.js'), 'fetch', urls, '-d', output],
      ...['-j', String(jobs), '--max-per-host', String(jobs), '--no-progress-meter'],
      ...(protocol === 'http' ? [] : ['--cacert', certFile]),
      protocol === 'http2' ? '--http2' : '--http1.1',
    ],
  },
  curl: {
    isPresent: () => findProgram('curl') !== undefined,
    version: () => firstLine('curl'),
    command: ({ urls, output, protocol, jobs, certFile, scratch }) => {
      const config = join(scratch, 'curl.cfg');
      const lines = readFileSync(urls, 'utf8').trimEnd().split('\n');
      writeFileSync(config, lines.map((url) => `url = "${url}"\n`).join(''));
      return [
        ...['curl', '-q', '-s', '-f', '-Z', '--parallel-max', String(jobs), '--remote-name-all'],
        ...['--output-dir', output, '-K', config],
        ...(protocol === 'http' ? [] : ['--cacert', certFile]),
        protocol === 'http2' ? '--http2' : '--http1.1',
      ];
    },
  },
  aria2c: {
    isPresent: ({ protocol }) => protocol !== 'http2' && findProgram('aria2c') !== undefined,
    version: () => firstLine('aria2c'),
    command: ({ urls, output, protocol, jobs, certFile }) => [
      ...['aria2c', '--no-conf', '-q', '-i', urls, '-d', output, '-j', String(jobs)],
      ...['--file-allocation=none', '--deferred-input=true', '--summary-interval=0'],
      ...(protocol === 'http' ? [] : [`--ca-certificate=${certFile}`]),
    ],
  },
  wget2: {
    isPresent: () => findProgram('wget2') !== undefined,
    version: () => firstLine('wget2'),
    command: ({ urls, output, protocol, jobs, certFile }) => [
      ...['wget2', '--no-config', '-q', '-i', urls, '-P', output, `--max-threads=${jobs}`],
      ...['--no-hsts', '--no-hpkp', '--no-ocsp', '--no-tls-resume'],
      ...(protocol === 'http' ? [] : [`--ca-certificate=${certFile}`]),
      ...(protocol === 'http2' ? [] : ['--no-http2']),
    ],
  },
};
