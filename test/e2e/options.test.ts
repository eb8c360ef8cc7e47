/** curl's letters with curl's meanings, checked in what the origin saw. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { content, type Origin, type OriginRequest, useOrigin } from '../support/origin.ts';
import { type CliOptions, namesIn, runCli, runFetch } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

/** Fetches `/a` of an origin and returns the request that it saw. */
async function seenBy(
  origin: Origin,
  args: readonly string[],
  options?: CliOptions,
  url = origin.url('/a'),
): Promise<OriginRequest> {
  const { code, stderr } = await runFetch([url], args, options);
  expect(code, stderr).toBe(0);
  const request = origin.requests.at(-1);
  if (request === undefined) throw new Error('nothing was asked');
  return request;
}

function basic(userAndPassword: string): string {
  return `Basic ${Buffer.from(userAndPassword).toString('base64')}`;
}

describe('the request', () => {
  it('is a plain GET by mcurl', async () => {
    const { method, headers } = await seenBy(await useOrigin(), []);
    expect(method).toBe('GET');
    expect(headers['user-agent']).toMatch(/^mcurl\/\d/);
    expect(headers['accept']).toBe('*/*');
    expect(headers['accept-encoding']).toBeUndefined();
    expect(headers['range']).toBeUndefined();
  });

  it('-H adds, replaces, removes and sends empty header lines, also from a file', async () => {
    const cwd = useTmp();
    writeFileSync(join(cwd, 'headers.txt'), 'X-From-File: yes\nX-Too: yes\n');
    const args = [
      'X-One: 1',
      'X-One: 2',
      'Accept: text/html',
      'User-Agent:',
      'X-Empty;',
      '@headers.txt',
    ];
    const request = await seenBy(
      await useOrigin(),
      args.flatMap((line) => ['-H', line]),
      { cwd },
    );
    expect(request.headers).toMatchObject({
      'x-one': '1, 2',
      accept: 'text/html',
      'x-empty': '',
      'x-from-file': 'yes',
      'x-too': 'yes',
    });
    expect(request.headers).not.toHaveProperty('user-agent');
  });

  it('-H with a line break is refused', async () => {
    const origin = await useOrigin();
    const { code, stderr } = await runFetch([origin.url('/a')], ['-H', 'X-A: b\r\nX-Evil: c']);
    expect(code, stderr).toBe(2);
    expect(origin.requests).toEqual([]);
  });

  it('-A, -e, -b and -u', async () => {
    const args = [
      '-A',
      'agent/1',
      '-e',
      'http://from.test/',
      '-b',
      'a=1; b=2',
      '-u',
      'me:pass:word',
    ];
    const { headers } = await seenBy(await useOrigin(), args);
    expect(headers).toMatchObject({
      'user-agent': 'agent/1',
      referer: 'http://from.test/',
      cookie: 'a=1; b=2',
      authorization: basic('me:pass:word'),
    });
  });

  it('-u without a password, and a cookie file that is missing, are errors that say what to type', async () => {
    const user = await runFetch(['http://127.0.0.1/'], ['-u', 'me']);
    expect(user.code, user.stderr).toBe(2);
    expect(user.stderr).toContain('user:password');
    const cookies = await runFetch(['http://127.0.0.1/'], ['-b', 'nowhere.txt']);
    expect(cookies.code, cookies.stderr).toBe(2);
    expect(cookies.stderr).toContain('nowhere.txt');
  });

  it('of each target has its own user, on connections that all of them share', async () => {
    const origin = await useOrigin();
    const users = Array.from({ length: 40 }, (_, index) => `user${index}:pw${index}`);
    const lines = users.map((user) => origin.url(`/${user}`).replace('//', `//${user}@`));
    const { code, stderr } = await runFetch(lines, ['--max-per-host', '2']);
    expect(code, stderr).toBe(0);
    for (const { path, headers } of origin.requests) {
      expect(headers['authorization']).toBe(basic(path.slice(1)));
    }
    expect(origin.requests).toHaveLength(users.length);
  });

  it('cannot be given lines by a URL', async () => {
    const origin = await useOrigin();
    const { headers, url } = await seenBy(
      origin,
      [],
      {},
      origin.url('/a%0d%0aX-Evil:%201?b%0d%0aX-Evil:%201'),
    );
    expect(url).toBe('/a%0d%0aX-Evil:%201?b%0d%0aX-Evil:%201');
    expect(headers).not.toHaveProperty('x-evil');
  });

  it('-n takes name and password of the machine from ~/.netrc', async () => {
    const cwd = useTmp();
    writeFileSync(join(cwd, '.netrc'), 'machine 127.0.0.1 login me password pw\n', { mode: 0o600 });
    const origin = await useOrigin();
    expect((await seenBy(origin, [], { cwd })).headers['authorization']).toBeUndefined();
    const again = await seenBy(origin, ['-n', '--overwrite'], { cwd });
    expect(again.headers['authorization']).toBe(basic('me:pw'));
  });

  it('--compressed asks for gzip and stores what is inside', async () => {
    const origin = await useOrigin();
    const url = origin.url('/a?gzip&size=50000');
    const { code, stderr, out } = await runFetch([url], ['--compressed']);
    expect(code, stderr).toBe(0);
    expect(origin.requests[0]?.headers['accept-encoding']).toContain('gzip');
    expect(readFileSync(join(out, 'a')).equals(content('/a', 50_000))).toBe(true);
  });
});

describe('where it goes', () => {
  it('--resolve and --connect-to', async () => {
    const origin = await useOrigin();
    const resolved = await seenBy(
      origin,
      ['--resolve', `example.test:${origin.port}:127.0.0.1`],
      {},
      origin.url('/a', 'example.test'),
    );
    expect(resolved.headers['host']).toBe(`example.test:${origin.port}`);
    const connected = await seenBy(
      origin,
      ['--connect-to', `example.test:80:127.0.0.1:${origin.port}`],
      {},
      'http://example.test/b',
    );
    expect(connected.headers['host']).toBe('example.test');
  });

  it('-4 and -6 choose the address', async () => {
    const four = await useOrigin();
    await seenBy(four, ['-4'], {}, four.url('/a', 'localhost'));
    const six = await useOrigin({ address: '::1', port: four.port });
    await seenBy(six, ['-6'], {}, six.url('/a', 'localhost'));
    expect([four.requests.length, six.requests.length]).toEqual([1, 1]);
  });

  it('--interface', async () => {
    const origin = await useOrigin();
    await seenBy(origin, ['--interface', 'lo']);
    const args = ['--interface', 'nosuch0', '--retry', '0', '--overwrite'];
    const { code, stderr } = await runFetch([origin.url('/a')], args);
    expect(code, stderr).toBe(4);
    expect(origin.requests).toHaveLength(1);
  });

  it('-x, and the proxies of the environment as curl reads them', async () => {
    const proxy = await useOrigin();
    const through = { url: 'http://example.test/a?size=10' };
    const byOption = await seenBy(proxy, ['-x', proxy.url('')], {}, through.url);
    expect(byOption).toMatchObject(through);
    const byVariable = await seenBy(proxy, [], { env: { http_proxy: proxy.url('') } }, through.url);
    expect(byVariable).toMatchObject(through);

    const origin = await useOrigin();
    const direct = { http_proxy: proxy.url(''), no_proxy: '127.0.0.1' };
    expect((await seenBy(origin, [], { env: direct })).url).toBe('/a');
    // Upper case would be a header of CGI.
    expect((await seenBy(origin, [], { env: { HTTP_PROXY: proxy.url('') } })).url).toBe('/a');
    expect(proxy.requests).toHaveLength(2);
  });

  it('-x has a name and password of its own', async () => {
    const proxy = await useOrigin();
    const url = proxy.url('').replace('//', '//me:pw@');
    const { headers } = await seenBy(proxy, ['-x', url], {}, 'http://example.test/a');
    expect(headers['proxy-authorization']).toBe(basic('me:pw'));
    expect(headers['authorization']).toBeUndefined();
  });

  it('https goes through a tunnel that sees no secrets', async () => {
    const { server, caFile } = makeCertificates(useTmp());
    const secure = await useOrigin({ tls: server });
    const proxy = await useOrigin();
    const args = ['--cacert', caFile, '-u', 'me:secret', '-H', 'X-Api-Key: secret'];
    await seenBy(secure, args, { env: { https_proxy: proxy.url('') } });
    expect(proxy.requests[0]).toMatchObject({ method: 'CONNECT', url: `127.0.0.1:${secure.port}` });
    expect(proxy.requests[0]?.headerLines.join()).not.toContain('secret');
    expect(proxy.requests[0]?.headers['proxy-authorization']).toBeUndefined();
  });

  it('--proto adds schemes', async () => {
    const line = 'ftp://127.0.0.1:1/a';
    const refused = await runFetch([line], ['--retry', '0']);
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.stderr).toContain('--proto');
    const tried = await runFetch([line], ['--retry', '0', '--proto', '+ftp']);
    expect(tried.code, tried.stderr).toBe(4);
    const narrowed = await runFetch(['http://127.0.0.1:1/a'], ['--proto', '=https']);
    expect(narrowed.code, narrowed.stderr).toBe(2);
  });
});

describe('TLS', () => {
  it('trusts nobody unasked: exit code 5, no retry', async () => {
    const { server, wrongName, caFile } = makeCertificates(useTmp());
    const unknown = await useOrigin({ tls: server });
    const untrusted = await runFetch([unknown.url('/a')]);
    expect(untrusted.code, untrusted.stderr).toBe(5);
    expect(untrusted.stderr).toMatch(/--cacert FILE; -k would .* unsafe\n/);
    expect(untrusted.stderr).not.toContain('same command again');
    const elsewhere = await useOrigin({ tls: wrongName });
    const misnamed = await runFetch([elsewhere.url('/a')], ['--cacert', caFile]);
    expect(misnamed.code, misnamed.stderr).toBe(5);
    expect(misnamed.stderr).not.toContain('--cacert');
    expect(unknown.requests.length + elsewhere.requests.length).toBe(0);
  });

  it('by --cacert, CURL_CA_BUNDLE, SSL_CERT_FILE, or -k', async () => {
    const { server, wrongName, caFile } = makeCertificates(useTmp());
    const origin = await useOrigin({ tls: server });
    await seenBy(origin, ['--cacert', caFile]);
    await seenBy(origin, [], { env: { CURL_CA_BUNDLE: caFile } });
    await seenBy(origin, [], { env: { SSL_CERT_FILE: caFile } });
    await seenBy(origin, ['-k']);
    await seenBy(await useOrigin({ tls: wrongName }), ['-k']);
    const { code, stderr } = await runFetch([origin.url('/a')], ['--cacert', 'nowhere.pem']);
    expect(code, stderr).toBe(2);
  });

  it('-E and --key show who asks', async () => {
    const { server, client, ca, caFile } = makeCertificates(useTmp());
    const origin = await useOrigin({ tls: { ...server, ca } });
    const identity = ['-E', client.certFile, '--key', client.keyFile, '--cacert', caFile];
    expect((await seenBy(origin, identity)).clientName).toBe('some-client');
    const stranger = await runFetch([origin.url('/a')], ['--cacert', caFile, '--retry', '0']);
    expect([4, 5], stranger.stderr).toContain(stranger.code);
    expect(stranger.names).toEqual([]);
  });

  it('a plain server behind https is a TLS failure', async () => {
    const plain = createServer((socket) => {
      socket.on('error', () => {}); // The client leaves as soon as it sees that this is no TLS.
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await once(plain.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => {
      plain.close();
    });
    const url = `https://127.0.0.1:${(plain.address() as AddressInfo).port}/a`;
    const { code, stderr } = await runFetch([url], ['--retry', '0']);
    expect(code, stderr).toBe(5);
  });
});

describe('the command line', () => {
  it('takes pasted curl options that change nothing', async () => {
    const args = ['-L', '-O', '-f', '-Z', '-#', '-S', '--remote-name-all', '-sSL'];
    await seenBy(await useOrigin(), args);
  });

  it('takes the other names of -j and --max-per-host', async () => {
    const origin = await useOrigin();
    for (const args of [
      ['-j', '2'],
      ['--jobs', '2'],
      ['--parallel-max', '2'],
      ['--max-concurrent-downloads', '2'],
      ['--max-per-host', '2', '--loops', '2'],
      ['--parallel-max-host', '2'],
    ]) {
      await seenBy(origin, args);
    }
  });

  it.each([
    ['-X', 'POST'],
    ['--data', 'a=b'],
    ['-T', 'file'],
  ])('%s names curl', async (option, value) => {
    const { code, stderr } = await runCli(['fetch', 'http://127.0.0.1/', option, value]);
    expect(code, stderr).toBe(2);
    expect(stderr).toContain('curl');
  });

  it.each([
    ['an unknown option', ['--owerwrite'], '--overwrite'],
    ['a number that is none', ['-j', 'many'], 'many'],
    ['zero at once', ['-j', '0'], '-j'],
    ['an unknown level', ['--log-level', 'loud'], 'loud'],
    ['a --resolve that is none', ['--resolve', 'x'], '--resolve'],
    ['a --proto that is none', ['--proto', '+smoke'], 'smoke'],
  ])('%s is a usage error that says what is wrong', async (_, args, word) => {
    const { code, stdout, stderr } = await runCli(['fetch', 'http://127.0.0.1/', ...args]);
    expect(code, stderr).toBe(2);
    expect(stderr).toContain(word);
    expect(stdout).toBe('');
  });

  it('without any input says what to type', async () => {
    const { code, stderr } = await runCli([]);
    expect(code).toBe(2);
    expect(stderr).toContain('mcurl fetch');
  });

  it('--help fits a screen and has the exit codes; --version names libcurl', async () => {
    for (const args of [['--help'], ['fetch', '--help']]) {
      const { code, stdout } = await runCli(args);
      expect(code).toBe(0);
      const lines = stdout.split('\n');
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
      expect(lines.length).toBeLessThanOrEqual(51);
      expect(stdout).toMatch(/exit codes/i);
    }
    const { code, stdout } = await runCli(['--version']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/mcurl \d.*libcurl\/\d/s);
  });
});

describe('what it says', () => {
  it('is nothing on stdout, and no escape codes in a pipe', async () => {
    const origin = await useOrigin();
    const lines = [origin.url('/a'), origin.url('/b?status=404')];
    const { stdout, stderr } = await runFetch(lines, []);
    expect(stdout).toBe('');
    expect(stderr).not.toContain('\x1b');
    expect(stderr).toMatch(/list\.txt:2: .*\/b/);
    expect(stderr).not.toContain('list.txt:1:');
  });

  it('-s silences it, -S brings failures back, --no-progress-meter keeps them', async () => {
    const origin = await useOrigin();
    const lines = [origin.url('/a'), origin.url('/b?status=404')];
    const silent = await runFetch(lines, ['-s']);
    expect([silent.code, silent.stderr]).toEqual([8, '']);
    const shown = await runFetch(lines, ['-s', '-S']);
    expect(shown.stderr).toContain('/b');
    const noMeter = await runFetch(lines, ['--no-progress-meter']);
    expect(noMeter.stderr).toContain('/b');
  });

  it('-v shows the talk, without passwords', async () => {
    const origin = await useOrigin();
    const { code, stderr } = await runFetch([origin.url('/a')], ['-v', '-u', 'me:secret']);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('GET /a');
    expect(stderr).toContain('200 OK');
    expect(stderr).not.toContain(Buffer.from('me:secret').toString('base64'));
  });

  it('--log-file gets JSON lines', async () => {
    const origin = await useOrigin();
    const cwd = useTmp();
    const args = ['--log-file', 'run.log', '--log-level', 'debug', '--retry', '1'];
    await runFetch([origin.url('/a?status=503')], args, { cwd });
    const log = readFileSync(join(cwd, 'run.log'), 'utf8').trimEnd().split('\n');
    expect(log.length).toBeGreaterThan(0);
    for (const line of log) expect(JSON.parse(line)).toHaveProperty('level');
    expect(log.join('\n')).toContain('503');
  });

  it('--log-level alone tells on stderr why something is tried again', async () => {
    const origin = await useOrigin();
    const url = origin.url('/a?times=1&status=503');
    const { code, stderr } = await runFetch([url], ['--log-level', 'info']);
    expect(code, stderr).toBe(0);
    const retry = stderr.split('\n').find((line) => line.includes('"attempt":2'));
    expect(JSON.parse(retry ?? stderr)).toMatchObject({ url, msg: 'the server answered 503' });
    const { stderr: silence } = await runFetch([origin.url('/b?times=1&status=503')]);
    expect(silence).toMatch(/^mcurl: 1 file, .*1 retry\n$/);
  });

  it('never tells a password of a URL', async () => {
    const origin = await useOrigin();
    const url = origin.url('/a?status=404').replace('//', '//me:secret@');
    const args = ['--json', '--log-level', 'trace'];
    const result = await runFetch([url], args);
    expect(result.code).toBe(8);
    expect(result.stdout + result.stderr).not.toContain('secret');
    const dry = await runFetch([url], ['--dry-run']);
    expect(dry.stdout + dry.stderr).not.toContain('secret');
    expect(namesIn(dry.out)).toEqual([]);
  });
});
