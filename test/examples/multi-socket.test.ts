import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { useConsumer } from '../support/consumer.ts';
import { freePort } from '../support/free-port.ts';
import { useOrigin } from '../support/origin.ts';

const read = (name: string) =>
  readFileSync(new URL(`../../examples/${name}`, import.meta.url), 'utf8');
const text = read('multi-socket.ts');

test('its types are right, and those of the crawler, in a strict project', () => {
  const consumer = useConsumer({ 'multi-socket.ts': text, 'crawler.ts': read('crawler.ts') });
  expect(consumer.typeErrors()).toBe('');
}, 120_000);

test('takes the eight steps in order', () => {
  expect([...text.matchAll(/^\/\/ (\d)\. /gm)].map(([, step]) => Number(step))).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8,
  ]);
});

test('fetches all at once and says what became of each', async () => {
  const origin = await useOrigin();
  const consumer = useConsumer({ 'multi-socket.ts': text });
  const urls = Array.from({ length: 30 }, (_, i) => origin.url(`/${i}?size=${i * 1000}`));
  const dead = `http://127.0.0.1:${await freePort()}/`;
  const run = await consumer.run('multi-socket.ts', ...urls, dead, 'file:///etc/passwd');
  expect(run.stderr).toBe('');
  expect(run.code).toBe(1);
  expect(run.stdout.trimEnd().split('\n').sort()).toEqual(
    [
      ...urls.map((url, i) => `${url}: 200, ${i * 1000} bytes`),
      `${dead}: Couldn't connect to server`,
      'file:///etc/passwd: Unsupported protocol',
    ].sort(),
  );
});
