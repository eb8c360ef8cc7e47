/** An easy handle's options, functions and infos; transfers are run by a Multi. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, expectTypeOf, it, onTestFinished, test } from 'vitest';
import { findCompiler } from '../../scripts/system-packages.mjs';
import { INFO_NUMBERS, OPTION_KINDS } from '../../src/native/easy-options.ts';
import * as values from '../../src/native/easy-values.ts';
import {
  CURL_READFUNC_ABORT,
  CURL_READFUNC_PAUSE,
  CURL_SOCKET_TIMEOUT,
  CURL_WRITEFUNC_PAUSE,
  CURLE_OK,
  CURLPAUSE_CONT,
  Easy,
  EasyError,
  type EasyOptions,
  type MultiError,
} from '../../src/native/multi.ts';
import { makeCertificates } from '../support/certificates.ts';
import { useDriver, useGet } from '../support/multi-driver.ts';
import { content, useOrigin } from '../support/origin.ts';
import { useTmp } from '../support/tmp.ts';

function useEasy(): Easy {
  const easy = new Easy();
  onTestFinished(() => easy.cleanup());
  return easy;
}

/** The code of the EasyError that `call` throws. */
function codeOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof EasyError) return error.code;
    throw error;
  }
  return undefined;
}

/** Runs `easy` to its end. */
async function run(easy: Easy) {
  const driver = useDriver();
  driver.multi.addHandle(easy);
  const [message] = await driver.run();
  if (message === undefined) throw new Error('no end was told');
  driver.multi.removeHandle(easy);
  return message;
}

/** Compiles a C program against libcurl and gives what it prints. */
function printedBy(statements: string): string[] {
  const directory = useTmp();
  const source = join(directory, 'print.c');
  const program = join(directory, 'print');
  writeFileSync(
    source,
    `#include <curl/curl.h>\n#include <stdio.h>\nint main(void) {\n${statements}\nreturn 0;\n}\n`,
  );
  const [compiler = 'cc', ...args] = findCompiler()?.split(' ') ?? [];
  execFileSync(compiler, [...args, '-w', '-x', 'c', source, '-lcurl', '-o', program]);
  return execFileSync(program, { encoding: 'utf8' }).trimEnd().split('\n');
}

describe('options', () => {
  it('are known to libcurl, each with the type that is expected here', () => {
    const lines = printedBy(`
      const struct curl_easyoption *option = NULL;
      while ((option = curl_easy_option_next(option)) != NULL)
        printf("%s %d\\n", option->name, option->type);`);
    const types = new Map(lines.map((line) => line.split(' ') as [string, string]));
    const kinds = ['number', 'number', 'number', 'body', 'string', 'list', '', 'blob', 'function'];
    for (const [name, kind] of OPTION_KINDS) {
      expect(types.has(name), name).toBe(true);
      if (kind !== 'private') expect(kinds[Number(types.get(name))], name).toBe(kind);
    }
  });

  it('take values of their own type, which the compiler knows', () => {
    const easy = useEasy();
    expectTypeOf<EasyOptions['URL']>().toEqualTypeOf<string | null>();
    const wrong: [keyof EasyOptions, unknown][] = [
      ['URL', 1],
      ['URL', undefined],
      ['TIMEOUT_MS', '1'],
      ['TIMEOUT_MS', 1.5],
      ['TIMEOUT_MS', Number.NaN],
      ['TIMEOUT_MS', 2 ** 60],
      ['HTTPHEADER', 'A: b'],
      ['HTTPHEADER', [1]],
      ['CAINFO_BLOB', 'PEM'],
      ['WRITEFUNCTION', 'print'],
      ['POSTFIELDS', 7],
    ];
    for (const [name, value] of wrong) {
      expect(() => easy.setopt(name, value as never), `${name} ${value}`).toThrow(TypeError);
    }
    // @ts-expect-error: a number
    expect(() => easy.setopt('URL', 1)).toThrow('URL takes a string');
    // @ts-expect-error: a string
    expect(() => easy.setopt('VERBOSE', 'yes')).toThrow(
      'VERBOSE takes a whole number or a boolean',
    );
    // @ts-expect-error: no such option
    expect(codeOf(() => easy.setopt('URI', 'x'))).toBe('CURLE_UNKNOWN_OPTION');
  });

  it('that want pointers, files or sharing are refused with a word', () => {
    const easy = useEasy();
    for (const name of [
      'WRITEDATA',
      'STDERR',
      'SHARE',
      'OPENSOCKETFUNCTION',
      'NOSIGNAL',
      'CURLU',
    ]) {
      expect(() => easy.setopt(name as 'URL', null)).toThrow(
        `${name} is no option that JavaScript can set`,
      );
    }
  });

  it('are refused by libcurl with its code', () => {
    const easy = useEasy();
    expect(codeOf(() => easy.setopt('TIMEOUT', -1))).toBe('CURLE_BAD_FUNCTION_ARGUMENT');
    expect(codeOf(() => easy.setopt('PROTOCOLS_STR', 'nope'))).toBe('CURLE_UNSUPPORTED_PROTOCOL');
  });

  it('cannot contain NUL where they are text', () => {
    const easy = useEasy();
    expect(() => easy.setopt('URL', 'http://127.0.0.1/\0')).toThrow('NUL');
    expect(() => easy.setopt('HTTPHEADER', ['A: b', 'C: \0'])).toThrow('NUL');
  });

  it('reach the server', async () => {
    const origin = await useOrigin();
    const { easy } = useGet(origin.url('/options'));
    easy.setopt('HTTPHEADER', ['X-One: 1', 'X-Two: zwei ü', 'Accept:']);
    easy.setopt('USERAGENT', 'multi test');
    easy.setopt('RANGE', '10-19');
    easy.setopt('USERPWD', 'me:secret');
    easy.setopt('CUSTOMREQUEST', 'REPORT');
    expect((await run(easy)).result).toBe(CURLE_OK);
    const [request] = origin.requests;
    expect(request).toMatchObject({ method: 'REPORT' });
    expect(request?.headers).toMatchObject({
      'x-one': '1',
      'x-two': Buffer.from('zwei ü').toString('latin1'),
      'user-agent': 'multi test',
      range: 'bytes=10-19',
      authorization: `Basic ${Buffer.from('me:secret').toString('base64')}`,
    });
    expect(request?.headers).not.toHaveProperty('accept');
  });

  it('are taken back by null and by reset', async () => {
    const origin = await useOrigin();
    const { easy } = useGet(origin.url('/back'));
    easy.setopt('HTTPHEADER', ['X-One: 1']);
    easy.setopt('USERAGENT', 'multi test');
    easy.setopt('HTTPHEADER', null);
    easy.setopt('USERAGENT', null);
    await run(easy);
    expect(origin.requests[0]?.headers).not.toHaveProperty('x-one');
    expect(origin.requests[0]?.headers).not.toHaveProperty('user-agent');

    easy.setopt('HTTPHEADER', ['X-One: 1']);
    easy.setopt('PRIVATE', 'mine');
    easy.reset();
    let body = '';
    easy.setopt('URL', origin.url('/reset?size=1'));
    easy.setopt('HEADERFUNCTION', (line) => {
      body += line;
    });
    easy.setopt('NOBODY', true);
    await run(easy);
    expect(body).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(origin.requests[1]).toMatchObject({ method: 'HEAD', path: '/reset' });
    expect(origin.requests[1]?.headers).not.toHaveProperty('x-one');
    expect(easy.getinfo('PRIVATE')).toBe('mine');
  });

  it('RESOLVE is forgotten by reset, though libcurl keeps it for the next transfer', async () => {
    const origin = await useOrigin();
    const easy = useEasy();
    easy.setopt('RESOLVE', [`localhost:${origin.port}:127.0.0.9`]);
    easy.reset();
    easy.setopt('URL', `http://localhost:${origin.port}/resolved`);
    easy.setopt('IPRESOLVE', 1); // IPv4
    easy.setopt('WRITEFUNCTION', () => {});
    expect((await run(easy)).result).toBe(CURLE_OK);
    expect(easy.getinfo('PRIMARY_IP')).toBe('127.0.0.1');
  });

  it('whose memory a running transfer uses wait until its end', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/running?hold'));
    driver.multi.addHandle(easy);
    const finished = driver.run();
    await origin.arrived('/running');
    for (const call of [
      () => easy.setopt('URL', origin.url('/other')),
      () => easy.setopt('HTTPHEADER', ['A: b']),
      () => easy.setopt('CAINFO_BLOB', new Uint8Array(1)),
      () => easy.setopt('POSTFIELDS', 'x'),
      () => easy.setopt('POSTFIELDSIZE', 10),
      () => easy.setopt('BUFFERSIZE', 10_000_000),
      () => easy.reset(),
    ]) {
      expect(codeOf(call)).toBe('ERR_MCURL_RUNNING');
    }
    easy.setopt('TIMEOUT_MS', 20_000);
    easy.setopt('PRIVATE', {});
    origin.release();
    expect((await finished)[0]?.result).toBe(CURLE_OK);
    easy.setopt('URL', origin.url('/other'));
  });

  it('TLS ones work: a private CA as bytes', async () => {
    const certificates = makeCertificates(useTmp());
    const origin = await useOrigin({ tls: certificates.server });
    const { easy, body } = useGet(origin.url('/tls'));
    expect((await run(easy)).result).toBe(60);
    expect(easy.errorBuffer).toMatch(/certificate/i);
    easy.setopt('CAINFO_BLOB', Buffer.from(certificates.ca));
    easy.setopt('CERTINFO', true);
    expect((await run(easy)).result).toBe(CURLE_OK);
    expect(body().equals(content('/tls'))).toBe(true);
    const [certificate] = easy.getinfo('CERTINFO');
    expect(certificate?.some((field) => field.startsWith('Subject:'))).toBe(true);
    expect(easy.getinfo('SCHEME')?.toLowerCase()).toBe('https');
  });
});

describe('a request body', () => {
  async function useEcho() {
    const bodies: Buffer[] = [];
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece) => pieces.push(piece));
      request.on('end', () => {
        bodies.push(Buffer.concat(pieces));
        if (request.url === '/moved') response.writeHead(307, { location: '/there' });
        response.end(request.method);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    return { url: (path: string) => `http://127.0.0.1:${port}${path}`, bodies };
  }

  it.each([
    ['text', 'grüße', Buffer.from('grüße')],
    ['bytes', Buffer.from([0, 1, 0, 255]), Buffer.from([0, 1, 0, 255])],
    ['nothing', '', Buffer.alloc(0)],
  ])('of %s is posted as it is', async (_name, body, expected) => {
    const echo = await useEcho();
    const { easy } = useGet(echo.url('/post'));
    easy.setopt('POSTFIELDS', body);
    expect((await run(easy)).result).toBe(CURLE_OK);
    expect(echo.bodies).toEqual([expected]);
    // Its length is not to be given a second time: libcurl would read as far.
    expect(() => easy.setopt('POSTFIELDSIZE', 1000)).toThrow(TypeError);
    expect(() => easy.setopt('POSTFIELDSIZE_LARGE', -1)).toThrow(TypeError);
    easy.setopt('POSTFIELDS', null);
    easy.setopt('POSTFIELDSIZE', -1);
  });

  it('is read piece by piece, paused and continued, and again after a redirect', async () => {
    const echo = await useEcho();
    const { easy } = useGet(echo.url('/moved'));
    const data = content('/upload', 300_000);
    let at = 0;
    let isPausedOnce = false;
    const origins: number[] = [];
    easy.setopt('UPLOAD', true);
    easy.setopt('FOLLOWLOCATION', true);
    easy.setopt('INFILESIZE_LARGE', data.length);
    easy.setopt('READFUNCTION', (bytes) => {
      if (at > 100_000 && !isPausedOnce) {
        isPausedOnce = true;
        setImmediate(() => easy.pause(CURLPAUSE_CONT));
        return CURL_READFUNC_PAUSE;
      }
      const piece = data.subarray(at, at + bytes);
      at += piece.length;
      return piece.length > 0 ? piece : null;
    });
    easy.setopt('SEEKFUNCTION', (offset, origin) => {
      origins.push(origin);
      at = offset;
    });
    expect((await run(easy)).result).toBe(CURLE_OK);
    expect(isPausedOnce).toBe(true);
    expect(origins).toEqual([0]);
    expect(echo.bodies.map((body) => body.equals(data))).toEqual([true, true]);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no data');
      },
      'no data',
    ],
    ['gives too much', (bytes: number) => Buffer.alloc(bytes + 1), 'were asked for'],
    ['gives text', () => 'text', 'READFUNCTION gave string'],
    // libcurl would send as many bytes of its memory.
    ['gives a count as write functions do', () => 4000, 'READFUNCTION gave 4000'],
    ['gives a number that is none of its own', () => -1, 'READFUNCTION gave -1'],
  ])('ends the transfer when its function %s', async (_name, give, message) => {
    const echo = await useEcho();
    const { easy } = useGet(echo.url('/put'));
    easy.setopt('UPLOAD', true);
    easy.setopt('READFUNCTION', give as never);
    const { result, cause } = await run(easy);
    expect(result).toBe(42);
    expect(String(cause)).toContain(message);
    expect(easy.getinfo('SIZE_UPLOAD_T')).toBe(0);
  });

  it('is broken off by CURL_READFUNC_ABORT, and ends with 0', async () => {
    const echo = await useEcho();
    for (const [answer, expected] of [
      [CURL_READFUNC_ABORT, 42],
      [0, CURLE_OK],
    ] as const) {
      const { easy } = useGet(echo.url('/put'));
      easy.setopt('UPLOAD', true);
      easy.setopt('READFUNCTION', () => answer);
      expect(await run(easy)).toMatchObject({ result: expected, cause: undefined });
    }
  });
});

describe('a function that throws', () => {
  it.each(['WRITEFUNCTION', 'HEADERFUNCTION'] as const)(
    'as %s fails its transfer with a write error, and the others go on',
    async (name) => {
      const origin = await useOrigin();
      const driver = useDriver();
      const bad = useGet(origin.url('/bad')).easy;
      const good = useGet(origin.url('/good'));
      const error = new Error(`from ${name}`);
      bad.setopt(name, () => {
        throw error;
      });
      driver.multi.addHandle(bad);
      driver.multi.addHandle(good.easy);
      const messages = await driver.run();
      expect(messages.find(({ easy }) => easy === bad)).toMatchObject({ result: 23, cause: error });
      expect(bad.error).toBe(error);
      expect(messages.find(({ easy }) => easy === good.easy)).toMatchObject({ result: CURLE_OK });
      expect(good.easy.error).toBeUndefined();
      expect(good.body().equals(content('/good'))).toBe(true);

      // It is forgotten when the Easy is used again.
      driver.multi.removeHandle(bad);
      bad.setopt(name, () => {});
      driver.multi.addHandle(bad);
      expect(bad.error).toBeUndefined();
      await driver.run();
      expect(driver.messages.at(-1)).toMatchObject({ result: CURLE_OK, cause: undefined });
    },
  );

  it('as XFERINFOFUNCTION ends its transfer', async () => {
    const origin = await useOrigin();
    const { easy } = useGet(origin.url('/progress'));
    easy.setopt('NOPROGRESS', false);
    easy.setopt('XFERINFOFUNCTION', () => {
      throw new Error('enough');
    });
    expect(await run(easy)).toMatchObject({ result: 42, cause: new Error('enough') });
  });

  it('as SEEKFUNCTION fails the transfer that must go back', async () => {
    const server = createServer((request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(307, { location: '/there' }).end());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { easy } = useGet(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    let isRead = false;
    easy.setopt('UPLOAD', true);
    easy.setopt('FOLLOWLOCATION', true);
    easy.setopt('READFUNCTION', () => {
      if (isRead) return null;
      isRead = true;
      return Buffer.from('once');
    });
    easy.setopt('SEEKFUNCTION', () => {
      throw new Error('cannot go back');
    });
    const { result, cause } = await run(easy);
    expect(result).not.toBe(CURLE_OK);
    expect(cause).toEqual(new Error('cannot go back'));
  });

  it('as DEBUGFUNCTION is told without harm', async () => {
    const origin = await useOrigin();
    const { easy } = useGet(origin.url('/debug'));
    easy.setopt('VERBOSE', true);
    easy.setopt('DEBUGFUNCTION', () => {
      throw new Error('in debug');
    });
    expect(await run(easy)).toMatchObject({ result: CURLE_OK, cause: new Error('in debug') });
  });

  it('or is async is told so', async () => {
    const origin = await useOrigin();
    const { easy } = useGet(origin.url('/async'));
    easy.setopt('WRITEFUNCTION', (async () => {}) as never);
    const { result, cause } = await run(easy);
    expect(result).toBe(23);
    expect(String(cause)).toContain('must not be async');
  });
});

describe('functions', () => {
  it('may take less than all, which is a write error without a cause', async () => {
    const origin = await useOrigin();
    const { easy } = useGet(origin.url('/less'));
    easy.setopt('WRITEFUNCTION', (data) => data.length - 1);
    expect(await run(easy)).toMatchObject({ result: 23, cause: undefined });
  });

  it('may pause, and the same bytes come again', async () => {
    const origin = await useOrigin();
    const { easy } = useGet(origin.url('/paused?size=100000'));
    const pieces: Buffer[] = [];
    let pauses = 0;
    easy.setopt('WRITEFUNCTION', (data) => {
      if (pauses < 3) {
        pauses += 1;
        setImmediate(() => easy.pause(CURLPAUSE_CONT));
        return CURL_WRITEFUNC_PAUSE;
      }
      pieces.push(data);
      return data.length;
    });
    expect((await run(easy)).result).toBe(CURLE_OK);
    expect(pauses).toBe(3);
    expect(Buffer.concat(pieces).equals(content('/paused', 100_000))).toBe(true);
  });

  it('that throw when pause hands them what was kept fail the transfer all the same', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/kept?size=1000&stall=500'));
    let calls = 0;
    easy.setopt('WRITEFUNCTION', () => {
      calls += 1;
      if (calls > 1) throw new Error('after the pause');
      setImmediate(() => easy.pause(CURLPAUSE_CONT));
      return CURL_WRITEFUNC_PAUSE;
    });
    driver.multi.addHandle(easy);
    driver.act(CURL_SOCKET_TIMEOUT);
    await driver.until(() => driver.messages.length > 0);
    expect(driver.messages).toMatchObject([
      { easy, result: 23, cause: new Error('after the pause') },
    ]);
    expect(driver.timers).toContain(0);
    // libcurl still runs it: its memory is not free, its function not called, its end not told again.
    expect(codeOf(() => easy.setopt('URL', 'http://other.invalid/'))).toBe('ERR_MCURL_RUNNING');
    const gone = driver.multi.socketAction(CURL_SOCKET_TIMEOUT);
    expect(gone).toBe(1);
    await origin.stop(); // ends the connection
    await driver.until(() => driver.running === 0);
    expect(driver.messages).toHaveLength(1);
    expect(calls).toBe(2);
    driver.multi.removeHandle(easy);
    easy.setopt('URL', 'http://other.invalid/');
  });

  it('are told headers, progress and what libcurl does', async () => {
    const origin = await useOrigin();
    const { easy } = useGet(origin.url('/told?size=70000&header=X-Mine:yes'));
    const headers: string[] = [];
    const progress: number[][] = [];
    const debug: [number, string][] = [];
    easy.setopt('HEADERFUNCTION', (line) => {
      headers.push(line.toString());
    });
    easy.setopt('NOPROGRESS', 0);
    easy.setopt('XFERINFOFUNCTION', (...counts) => {
      progress.push(counts);
    });
    easy.setopt('VERBOSE', 1);
    easy.setopt('DEBUGFUNCTION', (type, data) => {
      debug.push([type, data.toString('latin1')]);
    });
    expect((await run(easy)).result).toBe(CURLE_OK);
    expect(headers[0]).toBe('HTTP/1.1 200 OK\r\n');
    expect(headers).toContain('X-Mine:yes\r\n');
    expect(headers.at(-1)).toBe('\r\n');
    expect(progress.at(-1)).toEqual([70_000, 70_000, 0, 0]);
    expect(debug.some(([type, data]) => type === 2 && data.startsWith('GET /told'))).toBe(true);
  });

  it('may be replaced while the transfer runs', async () => {
    const origin = await useOrigin();
    const { easy } = useGet(origin.url('/replaced?size=200000'));
    let first = 0;
    let second = 0;
    easy.setopt('WRITEFUNCTION', (data) => {
      first += data.length;
      easy.setopt('WRITEFUNCTION', (more) => {
        second += more.length;
      });
    });
    expect((await run(easy)).result).toBe(CURLE_OK);
    expect(second).toBeGreaterThan(0);
    expect(first + second).toBe(200_000);
  });
});

test('values with names have the numbers of libcurl, and mcurl/multi has them', async () => {
  expect(await import('../../src/native/multi.ts')).toMatchObject(values);
  for (const family of ['HTTP_VERSION', 'AUTH', 'PROXY', 'SSLVERSION', 'USESSL']) {
    const isMember = (name: string) => new RegExp(`^CURL_?${family}_`).test(name);
    expect(Object.keys(values).filter(isMember).length, family).toBeGreaterThan(3);
  }
  const all = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  const lines = printedBy(
    Object.keys(values)
      .map((name) => `printf("${name} %ld\\n", (long)${name});`)
      .join('\n'),
  );
  expect(lines).toEqual(all);
});

test('values with names are what their options take', async () => {
  const origin = await useOrigin();
  const { easy } = useGet(origin.url('/named'));
  easy.setopt('HTTP_VERSION', values.CURL_HTTP_VERSION_1_0);
  easy.setopt('HTTPAUTH', values.CURLAUTH_ANY & ~values.CURLAUTH_NTLM);
  easy.setopt('HTTPAUTH', values.CURLAUTH_ONLY | values.CURLAUTH_BASIC);
  easy.setopt('HTTPAUTH', values.CURLAUTH_BASIC);
  easy.setopt('USERPWD', 'me:secret');
  easy.setopt('SSLVERSION', values.CURL_SSLVERSION_TLSv1_2 | values.CURL_SSLVERSION_MAX_TLSv1_3);
  easy.setopt('PROXYTYPE', values.CURLPROXY_SOCKS5_HOSTNAME);
  easy.setopt('USE_SSL', values.CURLUSESSL_ALL);
  expect((await run(easy)).result).toBe(CURLE_OK);
  expect(origin.requests[0]?.headers).toHaveProperty('authorization');
  expect(origin.requests[0]?.headers['connection']).not.toBe('keep-alive');
});

describe('infos', () => {
  it('have the numbers of libcurl', () => {
    const names = Object.keys(INFO_NUMBERS);
    const lines = printedBy(
      names.map((name) => `printf("${name} %d\\n", CURLINFO_${name});`).join('\n'),
    );
    expect(lines).toEqual(Object.entries(INFO_NUMBERS).map(([name, at]) => `${name} ${at}`));
  });

  it('can all be asked for, before and after a transfer', async () => {
    const origin = await useOrigin();
    const { easy } = useGet(origin.url('/infos?size=5000&header=Content-Type:text/x-mine'));
    const all = () =>
      Object.fromEntries(
        (Object.keys(INFO_NUMBERS) as (keyof typeof INFO_NUMBERS)[]).map((name) => [
          name,
          easy.getinfo(name),
        ]),
      );
    expect(all()).toMatchObject({ RESPONSE_CODE: 0, CONTENT_TYPE: null, COOKIELIST: [] });
    easy.setopt('COOKIELIST', 'Set-Cookie: a=b; domain=127.0.0.1');
    await run(easy);
    const infos = all();
    expect(infos).toMatchObject({
      EFFECTIVE_URL: origin.url('/infos?size=5000&header=Content-Type:text/x-mine'),
      RESPONSE_CODE: 200,
      CONTENT_TYPE: 'text/x-mine',
      SIZE_DOWNLOAD_T: 5000,
      SIZE_DOWNLOAD: 5000,
      CONTENT_LENGTH_DOWNLOAD_T: 5000,
      PRIMARY_IP: '127.0.0.1',
      PRIMARY_PORT: origin.port,
      NUM_CONNECTS: 1,
      REDIRECT_URL: null,
      HTTP_VERSION: 2,
      CERTINFO: [],
    });
    expect(infos['TOTAL_TIME_T']).toBeGreaterThan(0);
    expect(infos['ACTIVESOCKET']).toBe(-1); // The Multi has the connection now.
    expect(infos['COOKIELIST']).toHaveLength(1);
    expectTypeOf(easy.getinfo('RESPONSE_CODE')).toBeNumber();
    expectTypeOf(easy.getinfo('CONTENT_TYPE')).toEqualTypeOf<string | null>();
  });

  it('of other names do not exist', () => {
    const easy = useEasy();
    for (const name of ['TLS_SSL_PTR', 'constructor', '']) {
      expect(codeOf(() => easy.getinfo(name as 'SCHEME'))).toBe('CURLE_UNKNOWN_OPTION');
    }
  });

  it('PRIVATE is a value of the program', () => {
    const easy = useEasy();
    expect(easy.getinfo('PRIVATE')).toBeUndefined();
    const mine = { any: 'value' };
    easy.setopt('PRIVATE', mine);
    expect(easy.getinfo('PRIVATE')).toBe(mine);
  });
});

describe('inside a function of an Easy that is in no Multi', () => {
  /** Has libcurl call a DEBUGFUNCTION from within setopt, and gives what `call` did in it. */
  function codeInside(call: (easy: Easy) => unknown): string | undefined {
    const easy = useEasy();
    const codes: (string | undefined)[] = [];
    easy.setopt('VERBOSE', true);
    easy.setopt('DEBUGFUNCTION', () => {
      try {
        call(easy);
        codes.push(undefined);
      } catch (error) {
        codes.push((error as MultiError).code);
      }
    });
    easy.setopt('COOKIELIST', 'Set-Cookie: a=b; domain=127.0.0.1');
    expect(codes).toHaveLength(1);
    expect(easy.error).toBeUndefined();
    expect(easy.getinfo('COOKIELIST')).toHaveLength(1);
    return codes[0];
  }

  it.each<[string, (easy: Easy) => unknown]>([
    ['cleanup', (easy) => easy.cleanup()],
    ['reset', (easy) => easy.reset()],
    ['addHandle', (easy) => useDriver().multi.addHandle(easy)],
  ])('%s is refused', (_name, call) => {
    expect(codeInside(call)).toBe('CURLM_RECURSIVE_API_CALL');
  });

  it('what libcurl is using cannot be set, and the rest can', () => {
    expect(codeInside((easy) => easy.setopt('COOKIELIST', 'ALL'))).toBe('ERR_MCURL_RUNNING');
    expect(codeInside((easy) => easy.setopt('TIMEOUT', 5))).toBeUndefined();
  });
});

test('pause without a connection is refused', () => {
  const easy = useEasy();
  expect(codeOf(() => easy.pause(CURLPAUSE_CONT))).toBe('CURLE_BAD_FUNCTION_ARGUMENT');
});

test('an Easy that is cleaned up says so, and leaves its Multi', async () => {
  const origin = await useOrigin();
  const driver = useDriver();
  const { easy } = useGet(origin.url('/gone?hold'));
  driver.multi.addHandle(easy);
  driver.act(CURL_SOCKET_TIMEOUT);
  await origin.arrived('/gone');
  easy.cleanup();
  easy.cleanup();
  easy[Symbol.dispose]();
  expect(driver.watched.size).toBe(0);
  expect(driver.multi.socketAction(CURL_SOCKET_TIMEOUT)).toBe(0);
  for (const call of [
    () => easy.setopt('URL', 'x'),
    () => easy.getinfo('RESPONSE_CODE'),
    () => easy.errorBuffer,
    () => easy.pause(0),
    () => easy.reset(),
  ]) {
    expect(codeOf(call)).toBe('ERR_MCURL_CLOSED');
  }
});

test('without a function of its own the body goes to stdout, as libcurl does', () => {
  // In a process of its own: it is the real stdout.
  const script = `
    import { Easy, Multi } from 'mcurl/multi';
    const multi = new Multi();
    const easy = new Easy();
    easy.setopt('URL', 'file:///etc/hostname');
    easy.setopt('WRITEFUNCTION', () => { throw new Error('replaced'); });
    easy.setopt('WRITEFUNCTION', null);
    multi.addHandle(easy);
    while (multi.socketAction(-1) > 0);
    multi.cleanup();`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script]);
  expect(printed.toString()).toBe(execFileSync('cat', ['/etc/hostname']).toString());
});
