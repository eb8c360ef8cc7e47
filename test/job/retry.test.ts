import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { EXIT, UsageError } from '../../src/errors.ts';
import type { RetryOptions } from '../../src/job/options.ts';
import {
  curlName,
  decide,
  type Failure,
  type History,
  type Mirrors,
  NO_HISTORY,
  parseRetryOn,
  RETRY_DEFAULTS,
} from '../../src/job/retry.ts';
import { REASON, RECORD_FIELDS, type RecordField } from '../../src/native/binding.ts';

type Fields = Partial<Record<RecordField, number>>;

const MIB = 1024 * 1024;

function failure(fields: Fields, error = ''): Failure {
  const zero = Object.fromEntries(RECORD_FIELDS.map((name) => [name, 0])) as Failure['record'];
  return { record: { ...zero, reason: REASON.transfer, retryAfterMs: -1, ...fields }, error };
}

interface Given {
  readonly history?: Partial<History>;
  readonly options?: Partial<RetryOptions>;
  readonly maxTimeMs?: number;
  readonly random?: number;
  readonly mirrors?: Mirrors;
}

function decideOn(fields: Fields, given: Given = {}, error = '') {
  return decide(
    failure(fields, error),
    { ...NO_HISTORY, ...given.history },
    { ...RETRY_DEFAULTS, ...given.options },
    given.maxTimeMs ?? 0,
    () => given.random ?? 0.5,
    given.mirrors,
  );
}

const status = (responseCode: number, more: Fields = {}): Fields => ({
  reason: REASON.http,
  responseCode,
  ...more,
});

describe('is tried again', () => {
  it.each<[string, Fields, string?]>([
    ...[408, 425, 429, 500, 502, 503, 504, 522, 524].map((code): [string, Fields] => [
      `HTTP ${code}`,
      status(code),
    ]),
    ...[5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92, 95, 96].map((result): [string, Fields] => [
      `${curlName(result)} (${result})`,
      { result },
    ]),
    ['a broken body', { result: 56, responseCode: 200 }],
    ['a reset in the handshake', { result: 35 }, 'Recv failure: Connection reset by peer'],
    ['a replaced CURLM', { reason: REASON.interrupted }],
  ])('%s', (_, fields, error) => {
    expect(decideOn(fields, {}, error)).toMatchObject({
      type: 'retry',
      delayMs: 500,
      pauseHostMs: 0,
    });
  });
});

describe('a wrong checksum', () => {
  const wrong = { reason: REASON.integrity };

  it('is final', () => {
    expect(decideOn(wrong)).toMatchObject({
      ...{ type: 'fail', kind: 'integrity', exitCode: EXIT.integrity, mayPass: false },
    });
  });

  it('of a continued file has it begun anew once, at once and free of charge', () => {
    const continued = { ...wrong, resumedFrom: 5 };
    const first = decideOn(continued, { options: { attempts: 0 } });
    expect(first).toMatchObject({ type: 'retry', delayMs: 0, turn: 'stay' });
    const { history } = first as { history: History };
    expect(decideOn(continued, { history })).toMatchObject({ type: 'fail', kind: 'integrity' });
  });
});

describe('a target with mirrors', () => {
  const mirrors = { count: 2, untried: 1 };

  it('turns to the next at once, as long as one was not tried', () => {
    const broken = { result: 56 };
    expect(decideOn(broken, { mirrors })).toMatchObject({ turn: 'next', delayMs: 0 });
    const all = { count: 2, untried: 0 };
    expect(decideOn(broken, { mirrors: all })).toMatchObject({ turn: 'next', delayMs: 500 });
  });

  it.each([
    ['has what it asked for', status(404), {}],
    ['has a wrong file', { reason: REASON.integrity }, {}],
    ['has an address that is refused', { reason: REASON.address }, {}],
    ['was tried often enough', { result: 56 }, { charged: 5 }],
  ])('drops one for good that no longer %s', (_, fields, history) => {
    expect(decideOn(fields, { mirrors, history })).toMatchObject({
      ...{ type: 'retry', turn: 'drop', delayMs: 0, history: { charged: 0 } },
    });
  });

  it('fails for what no mirror helps against, and when none is left', () => {
    expect(decideOn({ reason: REASON.local }, { mirrors })).toMatchObject({ type: 'fail' });
    expect(decideOn(status(404), { mirrors, maxTimeMs: 1, history: { totalMs: 1 } })).toMatchObject(
      { type: 'fail', message: expect.stringContaining('--max-time') },
    );
    const none = { count: 0, untried: 0 };
    expect(decideOn(status(404), { mirrors: none })).toMatchObject({ type: 'fail' });
  });

  it('still has the host pause that asked for it', () => {
    const asked = status(503, { retryAfterMs: 3000 });
    expect(decideOn(asked, { mirrors })).toMatchObject({ delayMs: 0, pauseHostMs: 3000 });
  });
});

describe('progress', () => {
  it('is what an attempt adds, not what it continues', () => {
    const history = { charged: 5, bestBytes: 10 * MIB };
    const stuck = { result: 56, sizeDelivered: 10 * MIB, resumedFrom: 10 * MIB };
    expect(decideOn(stuck, { history })).toMatchObject({ type: 'fail' });
    const further = { ...stuck, sizeDelivered: 12 * MIB };
    expect(decideOn(further, { history })).toMatchObject({
      type: 'retry',
      history: { charged: 1 },
    });
  });
});

describe('is never tried again, with its kind and exit code', () => {
  it.each<[string, Fields, string, number, string?]>([
    ['HTTP 404', status(404), 'http', EXIT.server],
    ['HTTP 501', status(501), 'http', EXIT.server],
    ['HTTP 304', status(304), 'http', EXIT.server],
    ['HTTP 401', status(401), 'auth', EXIT.auth],
    ['HTTP 407', status(407), 'auth', EXIT.auth],
    ['a local error', { reason: REASON.local, osErrno: 28 }, 'local', EXIT.local, 'No space left'],
    ['a refused redirect', { reason: REASON.redirect }, 'redirect', EXIT.protocol],
    ['a refused address', { reason: REASON.address, result: 42 }, 'address', EXIT.protocol],
    ['another reading of the URL', { reason: REASON.url }, 'list', EXIT.usage],
    ['an unknown reason', { reason: 99 }, 'defect', EXIT.defect],
    ['EMFILE', { result: 7, osErrno: constants.errno.EMFILE }, 'local', EXIT.local],
    ['an unknown CURLcode', { result: 300 }, 'network', EXIT.network],
    ['a handshake refused', { result: 35 }, 'tls', EXIT.tls, 'sslv3 alert handshake failure'],
    [
      'a wrong TLS version',
      { result: 35 },
      'tls',
      EXIT.tls,
      'error:0A00010B: wrong version number',
    ],
    ...[51, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98].map(
      (result): [string, Fields, string, number] => [curlName(result), { result }, 'tls', EXIT.tls],
    ),
    ...[1, 8, 33, 61, 63].map((result): [string, Fields, string, number] => [
      curlName(result),
      { result },
      'protocol',
      EXIT.protocol,
    ]),
    ['CURLE_URL_MALFORMAT', { result: 3 }, 'list', EXIT.usage],
    ['CURLE_TOO_MANY_REDIRECTS', { result: 47 }, 'redirect', EXIT.protocol],
    ['CURLE_LOGIN_DENIED', { result: 67 }, 'auth', EXIT.auth],
    ['CURLE_AUTH_ERROR', { result: 94 }, 'auth', EXIT.auth],
    ['CURLE_WRITE_ERROR', { result: 23 }, 'local', EXIT.local],
    ['CURLE_REMOTE_FILE_NOT_FOUND', { result: 78 }, 'protocol', EXIT.server],
    ['CURLE_ABORTED_BY_CALLBACK', { result: 42 }, 'defect', EXIT.defect],
  ])('%s', (_, fields, kind, exitCode, error) => {
    const decision = decideOn(fields, {}, error);
    expect(decision).toMatchObject({ type: 'fail', kind, exitCode });
    expect(decision.message).toContain(error ?? '');
    expect(decision.message).not.toContain('gave up');
  });
});

describe('ends, once no attempt is left, as', () => {
  it.each<[Fields, string, number]>([
    [{ result: 6 }, 'dns', EXIT.network],
    [{ result: 7 }, 'connect', EXIT.network],
    [{ result: 28 }, 'timeout', EXIT.network],
    [{ result: 18 }, 'truncated', EXIT.network],
    [{ result: 56, responseCode: 200 }, 'truncated', EXIT.network],
    [{ result: 92, responseCode: 200 }, 'truncated', EXIT.network],
    [{ result: 92 }, 'protocol', EXIT.protocol],
    [{ result: 56 }, 'network', EXIT.network],
    [{ result: 35 }, 'tls', EXIT.tls],
    [status(503), 'http', EXIT.server],
    [{ reason: REASON.interrupted }, 'interrupted', EXIT.defect],
  ])('%j: %s', (fields, kind, exitCode) => {
    const history = { retries: 5, charged: 5, interruptions: 3 };
    const decision = decideOn(fields, { history });
    expect(decision).toMatchObject({ type: 'fail', kind, exitCode });
    expect(decision.message).toMatch(/gave up after 5 retries$/);
  });
});

it('names what libcurl said, and the CURLcode', () => {
  const decision = decideOn({ result: 56 }, { options: { attempts: 0 } }, 'reset by peer');
  expect(decision.message).toBe('reset by peer (CURLE_RECV_ERROR)');
  expect(decideOn({ result: 300 }).message).toBe('the transfer failed (CURLE_300)');
});

describe('a TLS failure names the way out', () => {
  const MISNAMED = "SSL: no alternative certificate subject name matches target host name 'a.test'";
  it.each<[number, string, RegExp]>([
    [60, 'unable to get local issuer certificate', /--cacert FILE; -k would .* unsafe$/],
    [60, 'self-signed certificate in certificate chain', /--cacert FILE; -k would .* unsafe$/],
    [51, '', /--cacert FILE; -k would .* unsafe$/],
    [60, 'certificate has expired', /: that is the server's to mend; -k would .* unsafe$/],
    [60, MISNAMED, /: that is the server's to mend; -k would .* unsafe$/],
    [77, 'error setting certificate file: /nowhere', /--cacert$/],
    [58, 'could not load PEM client certificate', /--cert and --key$/],
    [98, '', /--cert FILE and --key FILE$/],
    [35, 'sslv3 alert handshake failure', /failure \(CURLE_SSL_CONNECT_ERROR\)$/],
  ])('%i, %s', (result, error, hint) => {
    expect(decideOn({ result }, {}, error).message).toMatch(hint);
  });

  it('also when the alert comes after the handshake', () => {
    const error = 'SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required';
    const decision = decideOn({ result: 56 }, {}, error);
    expect(decision).toMatchObject({ type: 'fail', kind: 'tls', exitCode: EXIT.tls });
    expect(decision.message).toContain('--cert FILE');
  });
});

describe('a failure may pass by itself', () => {
  const last = { attempts: 0 };
  it.each<[string, Fields, Partial<RetryOptions>, boolean]>([
    ['when no attempt was left', { result: 7 }, last, true],
    ['when it would be tried again by default', status(503), { statuses: new Set() }, true],
    ['when it was to be tried again', status(404), { ...last, statuses: new Set([404]) }, true],
    ['but not what the server has not', status(404), last, false],
    ['nor a certificate', { result: 60 }, last, false],
    ['nor what the machine lacks', { reason: REASON.local, osErrno: 28 }, last, false],
  ])('%s', (_, fields, options, mayPass) => {
    expect(decideOn(fields, { options })).toMatchObject({ type: 'fail', mayPass });
  });
});

describe('back-off', () => {
  it('is drawn from 0 to twice as much each time, to 60 s', () => {
    const delays = [0, 1, 2, 5, 6, 40].map((charged) => {
      const decision = decideOn(status(503), {
        history: { charged },
        options: { attempts: 50 },
        random: 0.999,
      });
      return decision.type === 'retry' ? decision.delayMs : undefined;
    });
    expect(delays).toEqual([999, 1998, 3996, 31_968, 59_940, 59_940]);
    expect(decideOn(status(503), { random: 0 })).toMatchObject({ delayMs: 0 });
  });

  it('charges attempts until none is left', () => {
    let history = NO_HISTORY;
    for (let retries = 1; retries <= 5; retries += 1) {
      const decision = decideOn({ result: 7, timeTotalUs: 2_000_000 }, { history });
      expect(decision).toMatchObject({ type: 'retry', history: { retries, charged: retries } });
      history = decision.type === 'retry' ? decision.history : NO_HISTORY;
    }
    // 5 x 2 s of trying, and half of 1 + 2 + 4 + 8 + 16 s of sleeping.
    expect(history).toMatchObject({ totalMs: 25_500, spentMs: 25_500 });
    expect(decideOn({ result: 7 }, { history })).toMatchObject({ type: 'fail', kind: 'connect' });
  });

  it('ends with the budget of 10 minutes', () => {
    const history = { spentMs: 599_000, totalMs: 599_000, retries: 2, charged: 2 };
    expect(decideOn({ result: 28, timeTotalUs: 500_000 }, { history, random: 0.1 })).toMatchObject({
      type: 'retry',
    });
    const decision = decideOn({ result: 28, timeTotalUs: 2_000_000 }, { history });
    expect(decision).toMatchObject({ type: 'fail', kind: 'timeout' });
    expect(decision.message).toContain('600 s for retries are over; gave up after 2 retries');
  });

  it('is free of charge for a replaced CURLM, three times', () => {
    const fields = { reason: REASON.interrupted };
    const options = { attempts: 0 };
    for (const interruptions of [0, 1, 2]) {
      expect(decideOn(fields, { history: { interruptions }, options })).toMatchObject({
        type: 'retry',
        history: { charged: 0, interruptions: interruptions + 1 },
      });
    }
    expect(decideOn(fields, { history: { interruptions: 3 }, options })).toMatchObject({
      type: 'fail',
      kind: 'interrupted',
    });
  });
});

describe('progress of 1 MiB', () => {
  const broken = { result: 18, sizeDelivered: 2 * MIB, timeTotalUs: 5_000_000 };
  const worn = { retries: 9, charged: 5, spentMs: 599_999, totalMs: 700_000 };

  it('starts the counting anew', () => {
    expect(decideOn(broken, { history: worn })).toMatchObject({
      type: 'retry',
      delayMs: 500,
      history: { retries: 10, charged: 1, spentMs: 500, totalMs: 705_500, bestBytes: 2 * MIB },
    });
  });

  it('a byte less does not', () => {
    expect(decideOn({ ...broken, sizeDelivered: MIB - 1 }, { history: worn }).type).toBe('fail');
  });

  it('nor does the body of an HTTP error', () => {
    expect(decideOn(status(503, { sizeDelivered: 2 * MIB }), { history: worn }).type).toBe('fail');
  });

  it('does so for ever only while attempts come further: one place that always breaks is an end', () => {
    let history = NO_HISTORY;
    let attempts = 0;
    for (; attempts < 1000; attempts += 1) {
      const decision = decideOn(broken, { history });
      if (decision.type === 'fail') {
        break;
      }
      history = decision.history;
    }
    expect(attempts).toBeGreaterThan(20);
    expect(attempts).toBeLessThan(30);

    for (attempts = 0; attempts < 1000; attempts += 1) {
      const decision = decideOn(
        { ...broken, sizeDelivered: (attempts + 1) * 2 * MIB },
        { history: { ...worn, bestBytes: attempts * 2 * MIB } },
      );
      expect(decision.type).toBe('retry');
    }
  });
});

describe('Retry-After', () => {
  it('wins over the back-off and pauses the host', () => {
    for (const retryAfterMs of [0, 90_000]) {
      expect(decideOn(status(429, { retryAfterMs }))).toMatchObject({
        type: 'retry',
        delayMs: retryAfterMs,
        pauseHostMs: retryAfterMs,
        history: { charged: 1, spentMs: retryAfterMs },
      });
    }
  });

  it('beyond the budget fails now and says so', () => {
    const decision = decideOn(status(503, { retryAfterMs: 3_600_000 }));
    expect(decision).toMatchObject({ type: 'fail', kind: 'http', exitCode: EXIT.server });
    expect(decision.message).toContain('Retry-After of 3600 s');
  });

  it('means nothing for an answer that is not tried again', () => {
    expect(decideOn(status(404, { retryAfterMs: 1000 })).type).toBe('fail');
  });
});

describe('--max-time', () => {
  it('leaves no attempt that cannot start before it ends', () => {
    const late = { timeTotalUs: 29_600_000, result: 7 };
    expect(decideOn(late, { maxTimeMs: 30_000, random: 0.3 })).toMatchObject({ type: 'retry' });
    const decision = decideOn(late, { maxTimeMs: 30_000 });
    expect(decision).toMatchObject({ type: 'fail', kind: 'connect' });
    expect(decision.message).toContain('--max-time');
  });

  it('counts earlier attempts and sleeps', () => {
    const history = { totalMs: 25_000, retries: 1, charged: 1 };
    const decision = decideOn(
      { result: 28, timeTotalUs: 5_000_000 },
      { history, maxTimeMs: 30_000, random: 0 },
    );
    expect(decision).toMatchObject({ type: 'fail', kind: 'timeout' });
    expect(decision.message).toContain('--max-time of 30 s is over');
  });
});

describe('--retry-on', () => {
  it('replaces the default', () => {
    const options = parseRetryOn('404, 5XX,timeout');
    expect(options.statuses.size).toBe(101);
    expect([...options.kinds]).toEqual(['timeout']);
    expect(decideOn(status(404), { options }).type).toBe('retry');
    expect(decideOn(status(599), { options }).type).toBe('retry');
    expect(decideOn(status(429), { options }).type).toBe('fail');
    expect(decideOn({ result: 28 }, { options }).type).toBe('retry');
    expect(decideOn({ result: 7 }, { options }).type).toBe('fail');
    expect(decideOn({ result: 18 }, { options }).type).toBe('fail');
  });

  it('retries nothing when empty', () => {
    expect(parseRetryOn('')).toEqual({ statuses: new Set(), kinds: new Set() });
  });

  it.each(['sunday', '200', '6xx', '5x', '1e2', 'tls'])('refuses %s', (word) => {
    expect(() => parseRetryOn(`503,${word}`)).toThrow(UsageError);
    expect(() => parseRetryOn(`503,${word}`)).toThrow(word);
  });
});
