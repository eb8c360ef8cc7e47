import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { useTmp } from '../support/tmp.ts';
import { complaintOf, fetchOf, optionsOf } from './command-line.ts';

afterEach(() => vi.unstubAllEnvs());

it('has defaults that hold without any option', () => {
  vi.stubEnv('CURL_CA_BUNDLE', '');
  vi.stubEnv('SSL_CERT_FILE', '');
  expect(fetchOf('fetch', 'urls.txt')).toEqual({
    kind: 'fetch',
    inputs: [{ list: 'urls.txt' }],
    options: {
      directory: '.',
      jobs: 64,
      maxPerHost: 16,
      loops: 0,
      overwrite: false,
      request: {
        userAgent: expect.stringMatching(/^mcurl\/\d+\.\d+\.\d+$/),
        connectTimeoutMs: 30_000,
        speedTimeS: 60,
        speedLimit: 1,
      },
      retry: { attempts: 5 },
      maxTimeMs: 0,
    },
    dryRun: false,
    display: { json: false, silent: false, failures: true, progress: true },
  });
});

describe('inputs', () => {
  it('are URLs when they have a scheme, else list files; those of -i come first', () => {
    const argv = ['HTTPS://a.test/', 'urls.txt', '-i', 'more.gz', 'ftp://b.test', '-', '-i', '-'];
    expect(fetchOf('fetch', ...argv).inputs).toEqual([
      { list: 'more.gz' },
      { list: '-' },
      'HTTPS://a.test/',
      { list: 'urls.txt' },
      'ftp://b.test',
      { list: '-' },
    ]);
  });

  it.each(['a:b', '//a/b', './http://x', '1http://x', 'C:\\urls.txt'])(
    '%s is a list file',
    (list) => {
      expect(fetchOf('fetch', '--', list).inputs).toEqual([{ list }]);
    },
  );
});

describe('-o and -d', () => {
  it.each([
    [['-o', 'a'], '.', 'a'],
    [['-o', '.a'], '.', '.a'],
    [['-o', 'sub/a'], 'sub', 'a'],
    [['-d', 'dir', '-o', 'a'], 'dir', 'a'],
    [['-d', 'dir', '-o', 'sub/a'], 'dir/sub', 'a'],
    [['-d', 'dir', '-o', '/abs/a'], '/abs', 'a'],
    [['--output-dir', 'dir', '--output', './a'], 'dir', 'a'],
  ])('%j is %s, %s', (argv, directory, output) => {
    const { inputs, options } = fetchOf('fetch', 'http://a.test/x', ...argv);
    expect([options.directory, inputs]).toEqual([directory, [{ url: 'http://a.test/x', output }]]);
  });

  it.each([
    ['-', 'curl'],
    ['dir/', '-d'],
  ])('-o %s is refused and points to %s', (value, word) => {
    expect(complaintOf('fetch', 'http://a.test/', '-o', value)).toContain(word);
  });

  it.each([
    [['http://a.test/x', 'http://a.test/y'], 'x', 'exactly one'],
    [['list.txt'], 'x', 'exactly one'],
    [['http://a.test/x'], 'x.PART', 'not yet whole'],
    [['http://a.test/x'], '..', 'without a path'],
  ])('%j -o %s is refused: %s', (operands, output, word) => {
    expect(complaintOf('fetch', ...operands, '-o', output)).toContain(word);
  });
});

describe('numbers', () => {
  it.each([
    [['-j', '1'], { jobs: 1 }],
    [['--parallel-max', '300'], { jobs: 300 }],
    [['--max-concurrent-downloads', '5'], { jobs: 5 }],
    [['--max-per-host', '7'], { maxPerHost: 7 }],
    [['--parallel-max-host', '8'], { maxPerHost: 8 }],
    [['--loops', '0'], { loops: 0 }],
    [['-m', '1.5'], { maxTimeMs: 1500 }],
    [['--max-time', '10m'], { maxTimeMs: 600_000 }],
    [['--retry', '0'], { retry: { attempts: 0 } }],
    [['-j', '3', '-j', '9'], { jobs: 9 }],
  ])('%j', (argv, expected) => {
    expect(optionsOf(...argv)).toMatchObject(expected);
  });

  it.each([
    [['-j', '0'], 'from 1 to 65535'],
    [['-j', '65536'], 'from 1 to 65535'],
    [['-j', '1.5'], '1.5'],
    [['--jobs', '-3'], '-3'],
    [['--parallel-max', 'x'], '--parallel-max'],
    [['--max-per-host', ''], '--max-per-host'],
    [['--loops', 'all'], '--loops'],
    [['-m', 'soon'], '10m'],
    [['--connect-timeout', '-1'], '--connect-timeout'],
    [['-y', '2.5'], '--speed-time'],
    [['-Y', 'fast'], '100k'],
    [['--retry', 'many'], '--retry'],
  ])('%j is refused, with %s', (argv, word) => {
    expect(complaintOf('fetch', 'list', ...argv)).toContain(word);
  });
});

describe('the request', () => {
  it.each([
    [['-A', ''], { userAgent: '' }],
    [['-e', 'http://r.test/'], { referer: 'http://r.test/' }],
    [['-u', 'me:pa:ss'], { userpwd: 'me:pa:ss' }],
    [['-E', 'both.pem'], { cert: 'both.pem' }],
    [['-E', 'both.pem:secret'], { cert: 'both.pem', keyPassword: 'secret' }],
    [['--proto', '+ftp', '--proto', '-http'], { protocols: ['https', 'ftp'] }],
    [['-x', 'socks5h://p.test:1'], { proxy: 'socks5h://p.test:1' }],
    [['-k'], { insecure: true }],
    [['-4'], { ipVersion: 4 }],
    [['-6'], { ipVersion: 6 }],
    [['-n'], { netrc: true }],
    [['-E', 'c.pem', '--key', 'k.pem'], { cert: 'c.pem', key: 'k.pem' }],
    [['--interface', 'lo'], { interface: 'lo' }],
    [['--no-private'], { noPrivate: true }],
    [['--http1.1'], { httpVersion: '1.1' }],
    [['--http2'], { httpVersion: '2' }],
    [['--http3'], { httpVersion: '3' }],
    [['--compressed'], { compressed: true }],
    [['--location-trusted'], { locationTrusted: true }],
    [['--connect-timeout', '0.5'], { connectTimeoutMs: 500 }],
    [['-y', '0', '-Y', '10k'], { speedTimeS: 0, speedLimit: 10_240 }],
    [['-v'], { verbose: true }],
    [['--max-filesize', '1k'], { maxFilesize: 1024 }],
    [['-H', 'A: 1', '-H', 'B;'], { headers: ['A: 1', 'B;'] }],
    [['-b', 'a=1', '-b', 'b=2; c=3'], { cookie: 'a=1; b=2; c=3' }],
    [['-b', ''], { cookieLines: [] }],
    [
      ['--resolve', 'a.test:80:127.0.0.1', '--resolve', '+b.test:1:[::1],127.0.0.1'],
      {
        resolve: ['a.test:80:127.0.0.1', '+b.test:1:[::1],127.0.0.1'],
      },
    ],
    [
      ['--connect-to', 'a.test:80:[::1]:8080', '--connect-to', '::b.test:'],
      {
        connectTo: ['a.test:80:[::1]:8080', '::b.test:'],
      },
    ],
  ])('%j', (argv, expected) => {
    expect(optionsOf(...argv).request).toMatchObject(expected);
  });

  it('takes headers and cookies from files', () => {
    const directory = useTmp();
    const file = join(directory, 'file');
    writeFileSync(file, 'X-A: 1\r\n\nX-B: 2');
    expect(optionsOf('-H', `@${file}`, '-H', 'X-C: 3', '-b', file).request).toMatchObject({
      headers: ['X-A: 1', 'X-B: 2', 'X-C: 3'],
      cookieLines: ['X-A: 1', 'X-B: 2'],
    });
  });

  it('takes the CA file from --cacert, then CURL_CA_BUNDLE, then SSL_CERT_FILE', () => {
    const file = join(useTmp(), 'ca.pem');
    writeFileSync(file, '');
    vi.stubEnv('SSL_CERT_FILE', '/ssl');
    vi.stubEnv('CURL_CA_BUNDLE', '');
    expect(optionsOf().request?.cacert).toBe('/ssl');
    vi.stubEnv('CURL_CA_BUNDLE', '/bundle');
    expect(optionsOf().request?.cacert).toBe('/bundle');
    expect(optionsOf('--cacert', file).request?.cacert).toBe(file);
  });

  it.each([
    [['-u', 'me'], '-u user:password'],
    [['-H', 'A: b\r\nC: d'], 'line feed'],
    [['-H', 'A: b\0'], 'NUL'],
    [['-A', 'a\nb'], '--user-agent'],
    [['-e', 'a\nb'], '--referer'],
    [['-b', 'a=b\r'], '--cookie'],
    [['-H', '@/nowhere'], '/nowhere'],
    [['-b', '/nowhere'], '/nowhere'],
    [['--cacert', '/nowhere'], '/nowhere'],
    [['--resolve', 'x'], 'HOST:PORT:ADDRESS'],
    [['--connect-to', 'a:b'], 'HOST1:PORT1'],
    [['--proto', 'gopher'], 'ftps'],
    [['-4', '-6'], 'ipv6'],
    [['--http1.1', '--http2'], 'http2'],
    [['--http2', '--http3'], 'http3'],
  ])('%j is refused, with %s', (argv, word) => {
    expect(complaintOf('fetch', 'list', ...argv)).toContain(word);
  });
});

describe('files and the journal', () => {
  it.each([
    [['--overwrite'], { overwrite: true }],
    [['--if-modified'], { ifModified: true }],
    [['--journal', 'j'], { journal: 'j' }],
    [['--no-journal'], { journal: false }],
    [['--resume-by', 'size'], { resumeBy: 'size' }],
    [['--only-failed'], { onlyFailed: true }],
    [['--failed-out', 'f'], { failedOut: 'f' }],
    [['--durable'], { durable: true }],
    [['-J'], { remoteName: true }],
    [['--remote-header-name'], { remoteName: true }],
    [['-R'], { remoteTime: true }],
    [['--remote-time'], { remoteTime: true }],
    [['--xattr'], { xattr: true }],
    [['--keep-bad'], { keepBad: true }],
    [['--manifest', 'm'], { manifest: 'm' }],
  ])('%j', (argv, expected) => {
    const plain = optionsOf();
    expect(optionsOf(...argv)).toEqual({ ...plain, ...expected });
  });

  it('--checksum goes with one URL, beside -o', () => {
    const checksum = `sha-256=${'0a'.repeat(32)}`;
    const argv = ['http://a.test/x', '--checksum', checksum.toUpperCase()];
    expect(fetchOf('fetch', ...argv).inputs).toEqual([{ url: 'http://a.test/x', checksum }]);
    expect(fetchOf('fetch', ...argv, '-o', 'a').inputs).toEqual([
      { url: 'http://a.test/x', output: 'a', checksum },
    ]);
    for (const operands of [['list'], ['http://a.test/x', 'http://a.test/y']]) {
      expect(complaintOf('fetch', ...operands, '--checksum', checksum)).toContain('--checksum');
    }
    expect(complaintOf('fetch', 'http://a.test/x', '--checksum', 'md9=0')).toContain('sha-256');
  });

  it('--resume-by knows two ways', () => {
    expect(complaintOf('fetch', 'list', '--resume-by', 'luck')).toMatch(/validator.*size/);
  });

  it('--only-failed needs no inputs: the journal has them', () => {
    expect(fetchOf('fetch', '--only-failed').inputs).toEqual([]);
  });
});

it('--dry-run and --json change only what is done and told', () => {
  const plain = fetchOf('fetch', 'urls.txt');
  expect(fetchOf('fetch', 'urls.txt', '--dry-run')).toEqual({ ...plain, dryRun: true });
  expect(fetchOf('fetch', 'urls.txt', '--json')).toEqual({
    ...plain,
    display: { ...plain.display, json: true },
  });
});

it('--retry-on replaces what is retried, and --retry how often', () => {
  expect(optionsOf('--retry-on', '404,dns', '--retry', '2').retry).toEqual({
    attempts: 2,
    statuses: new Set([404]),
    kinds: new Set(['dns']),
  });
  expect(complaintOf('fetch', 'list', '--retry-on', 'luck')).toContain('luck');
});

describe('what the person sees', () => {
  it.each([
    [['-s'], { silent: true, failures: false, progress: false }],
    [['-sS'], { silent: true, failures: true, progress: false }],
    [['-S'], { silent: false, failures: true, progress: true }],
    [['--no-progress-meter'], { silent: false, failures: true, progress: false }],
    [['--log-file', 'f', '--log-level', 'debug'], { logFile: 'f', logLevel: 'debug' }],
  ])('%j', (argv, expected) => {
    expect(fetchOf('urls.txt', ...argv).display).toMatchObject(expected);
  });
});

it.each([
  ['-L'],
  ['-O'],
  ['-f'],
  ['-Z'],
  ['-#'],
  ['-LOfZ#sS'],
  ['--location', '--remote-name', '--fail', '--parallel', '--progress-bar', '--remote-name-all'],
  ['--create-dirs'],
  ['--fail-with-body'],
  ['-C', '-'],
  ['-C-'],
  ['--continue-at', '-'],
])('accepts %s without effect', (...argv) => {
  expect(optionsOf(...argv)).toEqual(optionsOf());
});

it.each(['-X', '--request', '-T', '-F', '--data', '--data-raw', '--data-binary'])(
  '%s names curl',
  (option) => {
    expect(complaintOf('fetch', 'http://a.test/', option, 'x')).toMatch(/curl/);
  },
);

it.each([
  [['-I'], '-I fetches no file'],
  [['--head'], '-I fetches no file'],
  [['-c', 'jar'], '-b'],
  [['--cookie-jar', 'jar'], '-b'],
  [['-w', '%{http_code}'], '--json'],
  [['--write-out', '%{http_code}'], '--json'],
  [['--limit-rate', '1M'], '--max-per-host'],
  [['-C', '100'], 'leave it out'],
])('%j says what to do instead', (argv, wayOut) => {
  expect(complaintOf('fetch', 'http://a.test/', ...argv)).toContain(wayOut);
});
