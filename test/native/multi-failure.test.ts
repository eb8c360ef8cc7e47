/** What cannot be caused from outside: libcurl's own errors, and names that take long to be looked up. */
import { rmSync } from 'node:fs';
import { constants } from 'node:os';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EasyError, MultiError } from '../../src/errors.ts';
import { CURL_SOCKET_TIMEOUT, CURLE_OK } from '../../src/native/multi.ts';
import {
  FAIL_REMOVAL_WITH,
  FAIL_WITH,
  linkFaultyAddon,
  SLOW_NAME_MS,
} from '../support/faulty-addon.ts';
import { useDriver, useGet } from '../support/multi-driver.ts';
import { useOrigin } from '../support/origin.ts';
import { makeTmp } from '../support/tmp.ts';

const module = { exports: {} };
const directory = makeTmp();

beforeAll(() => {
  const { RTLD_NOW, RTLD_DEEPBIND } = constants.dlopen;
  process.dlopen(module, linkFaultyAddon(directory), RTLD_NOW | RTLD_DEEPBIND);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

vi.mock('../../src/native/binding.ts', () => ({ binding: () => module.exports }));

const CURLM_OUT_OF_MEMORY = 3;
const CURLM_INTERNAL_ERROR = 4;
const CURLM_BAD_SOCKET = 5;
const CURLM_RECURSIVE_API_CALL = 8;

/** The MultiError that `call` throws. */
function failureOf(call: () => unknown): MultiError {
  try {
    call();
  } catch (error) {
    if (error instanceof MultiError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('after an error of socketAction', () => {
  it('it is not to be called again until every handle is removed; then new ones work', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { multi } = driver;
    const [one, two] = [useGet(origin.url('/one?hold')).easy, useGet(origin.url('/two?hold')).easy];
    multi.addHandle(one);
    multi.addHandle(two);
    driver.act(CURL_SOCKET_TIMEOUT);
    await Promise.all([origin.arrived('/one'), origin.arrived('/two')]);

    const first = failureOf(() => multi.socketAction(-1, FAIL_WITH + CURLM_OUT_OF_MEMORY));
    expect(first).toMatchObject({ name: 'MultiError', code: 'CURLM_OUT_OF_MEMORY' });
    expect(first.message).toBe(`socketAction: ${multi.strerror(CURLM_OUT_OF_MEMORY)}`);

    // libcurl would answer these; it is not asked.
    const told = driver.told.length;
    for (const call of [
      () => multi.socketAction(CURL_SOCKET_TIMEOUT),
      () => multi.addHandle(useGet(origin.url('/new')).easy),
    ]) {
      const next = failureOf(call);
      expect(next).toMatchObject({ code: 'CURLM_OUT_OF_MEMORY', cause: first });
      expect(next.message).toContain('remove every handle first');
    }
    expect(driver.told).toHaveLength(told);

    multi.removeHandle(one);
    expect(failureOf(() => multi.socketAction(CURL_SOCKET_TIMEOUT)).cause).toBe(first);
    multi.removeHandle(two);
    expect(multi.socketAction(CURL_SOCKET_TIMEOUT)).toBe(0);
    multi.addHandle(useGet(origin.url('/fresh')).easy);
    expect((await driver.run()).map(({ result }) => result)).toEqual([CURLE_OK]);
  });

  it('it throws each time when a handle was kept and the error came twice', async () => {
    const driver = useDriver();
    const { easy } = useGet('nope://');
    for (const code of [CURLM_INTERNAL_ERROR, CURLM_OUT_OF_MEMORY]) {
      driver.multi.addHandle(easy);
      const first = failureOf(() => driver.multi.socketAction(-1, FAIL_WITH + code));
      expect(failureOf(() => driver.multi.socketAction(-1)).cause).toBe(first);
      driver.multi.removeHandle(easy);
    }
  });

  it('cleanup of an Easy counts as its removal', () => {
    const driver = useDriver();
    const { easy } = useGet('nope://');
    driver.multi.addHandle(easy);
    failureOf(() => driver.multi.socketAction(-1, FAIL_WITH + CURLM_INTERNAL_ERROR));
    easy.cleanup();
    expect(driver.multi.socketAction(CURL_SOCKET_TIMEOUT)).toBe(0);
  });
});

it.each([
  [CURLM_BAD_SOCKET, 'CURLM_BAD_SOCKET'],
  [CURLM_RECURSIVE_API_CALL, 'CURLM_RECURSIVE_API_CALL'],
])('error %i says nothing about the transfers and poisons nothing', async (code, name) => {
  const origin = await useOrigin();
  const driver = useDriver();
  driver.multi.addHandle(useGet(origin.url('/x')).easy);
  expect(failureOf(() => driver.multi.socketAction(-1, FAIL_WITH + code)).code).toBe(name);
  expect((await driver.run())[0]?.result).toBe(CURLE_OK);
});

it.each(['removeHandle', 'Easy.cleanup', 'Multi.cleanup'])(
  '%s does not wait until a name has been looked up',
  async (how) => {
    const driver = useDriver();
    const { easy } = useGet('http://one.slow.invalid/');
    driver.multi.addHandle(easy);
    driver.act(CURL_SOCKET_TIMEOUT);
    const start = performance.now();
    if (how === 'removeHandle') driver.multi.removeHandle(easy);
    else if (how === 'Easy.cleanup') easy.cleanup();
    else driver.multi.cleanup();
    expect(performance.now() - start).toBeLessThan(SLOW_NAME_MS / 2);
  },
);

describe('a transfer that fails in pause', () => {
  const CURLE_BAD_FUNCTION_ARGUMENT = 43;

  it.each([23, 61])('ends with that code, %i, as infoRead tells, once', async (code) => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/x?hold'));
    driver.multi.addHandle(easy);
    const finished = driver.run();
    await origin.arrived('/x');
    easy.pause(FAIL_WITH + code);
    expect(driver.multi.timeout()).toBe(0);
    await driver.until(() => driver.messages.length > 0);
    expect(driver.messages).toMatchObject([{ easy, result: code, remaining: 0 }]);
    origin.release();
    await finished;
    expect(driver.messages).toHaveLength(1);
  });

  it('but not by a pause that libcurl refuses', async () => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/x?hold'));
    driver.multi.addHandle(easy);
    const finished = driver.run();
    await origin.arrived('/x');
    expect(() => easy.pause(FAIL_WITH + CURLE_BAD_FUNCTION_ARGUMENT)).toThrow(EasyError);
    origin.release();
    expect((await finished)[0]?.result).toBe(CURLE_OK);
  });
});

describe('a removal that fails', () => {
  it.each([CURLM_INTERNAL_ERROR, CURLM_OUT_OF_MEMORY])('with %i has happened', async (code) => {
    const origin = await useOrigin();
    const driver = useDriver();
    const { easy } = useGet(origin.url('/x?hold'));
    driver.multi.addHandle(easy);
    driver.act(CURL_SOCKET_TIMEOUT);
    await origin.arrived('/x');
    driver.multi.socketAction(CURL_SOCKET_TIMEOUT, FAIL_REMOVAL_WITH + code);
    const { code: name } = failureOf(() => driver.multi.removeHandle(easy));
    expect(name).toBe(
      code === CURLM_INTERNAL_ERROR ? 'CURLM_INTERNAL_ERROR' : 'CURLM_OUT_OF_MEMORY',
    );
    // It may be freed, or used again, and the rest goes on.
    easy.setopt('URL', origin.url('/y'));
    driver.multi.addHandle(easy);
    expect((await driver.run())[0]?.result).toBe(CURLE_OK);
    driver.multi.socketAction(CURL_SOCKET_TIMEOUT, FAIL_REMOVAL_WITH + code);
    failureOf(() => easy.cleanup());
    expect(() => easy.getinfo('RESPONSE_CODE')).toThrow('cleaned up');
  });

  it('as a call from inside a callback has not', () => {
    const driver = useDriver();
    const { easy } = useGet('nope://');
    driver.multi.addHandle(easy);
    const recursive = FAIL_REMOVAL_WITH + CURLM_RECURSIVE_API_CALL;
    driver.multi.socketAction(CURL_SOCKET_TIMEOUT, recursive);
    expect(failureOf(() => driver.multi.removeHandle(easy)).code).toBe('CURLM_RECURSIVE_API_CALL');
    expect(failureOf(() => driver.multi.addHandle(easy)).code).toBe('CURLM_ADDED_ALREADY');
  });
});
