import { expect, it } from 'vitest';
import { openLog } from '../src/log.ts';

/** A log, and all that it wrote. */
function useLog(level: string) {
  const written: string[] = [];
  return { log: openLog(level, (lines) => written.push(lines)), written };
}

it('writes whole JSON lines with level and time, and nothing of the machine', () => {
  const { log, written } = useLog('info');
  log.warn({ url: 'http://a.test/', delayMs: 5 }, 'the server\nanswered "503"');
  log.info('ended');
  expect(written).toHaveLength(2);
  expect(written.every((line) => /^\{.*\}\n$/.test(line))).toBe(true);
  const [warning, end] = written.map((line) => JSON.parse(line));
  expect(warning).toEqual({
    level: 40,
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    url: 'http://a.test/',
    delayMs: 5,
    msg: 'the server\nanswered "503"',
  });
  expect(Math.abs(Date.parse(warning.time) - Date.now())).toBeLessThan(60_000);
  expect(end).toEqual({ level: 30, time: expect.any(String), msg: 'ended' });
});

it.each([
  ['trace', ['trace', 'debug', 'info', 'warn', 'error', 'fatal']],
  ['info', ['info', 'warn', 'error', 'fatal']],
  ['fatal', ['fatal']],
])('at %s tells %j', (level, told) => {
  const { log, written } = useLog(level);
  for (const each of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) log[each](each);
  expect(written.map((line) => JSON.parse(line).msg)).toEqual(told);
});

it('tells an error with its stack', () => {
  const { log, written } = useLog('error');
  log.error(new Error('broken'), 'no progress');
  expect(JSON.parse(written.join(''))).toMatchObject({
    msg: 'no progress',
    err: { message: 'broken', stack: expect.stringContaining('log.test.ts') },
  });
});
