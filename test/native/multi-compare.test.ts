/** What Multi reports is what a C program reports that does the same, against the same server, with the same libcurl. */
import { execFile, execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findCompiler } from '../../scripts/system-packages.mjs';
import { Easy } from '../../src/native/multi.ts';
import { freePort } from '../support/free-port.ts';
import { useDriver } from '../support/multi-driver.ts';
import { type Origin, useOrigin } from '../support/origin.ts';
import { makeTmp } from '../support/tmp.ts';

const directory = makeTmp();
const program = join(directory, 'multi_socket_action');

beforeAll(() => {
  const source = fileURLToPath(new URL('multi_socket_action.c', import.meta.url));
  const [compiler = 'cc', ...args] = findCompiler()?.split(' ') ?? [];
  execFileSync(compiler, [...args, '-x', 'c', source, '-lcurl', '-o', program]);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What the C program prints, sorted into the lines about each transfer. */
async function toldInC(urls: string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(program, urls);
  return stdout.trimEnd().split('\n').sort();
}

async function toldInJavaScript(urls: string[]): Promise<string[]> {
  const driver = useDriver();
  const easies = urls.map((url) => {
    const easy = new Easy();
    easy.setopt('URL', url);
    easy.setopt('WRITEFUNCTION', () => {});
    easy.setopt('FOLLOWLOCATION', true);
    easy.setopt('TIMEOUT_MS', 1500);
    driver.multi.addHandle(easy);
    return easy;
  });
  await driver.run();
  const lines = driver.messages.map(
    ({ easy, result }) => `${easies.indexOf(easy)} result ${result}`,
  );
  for (const [at, easy] of easies.entries()) {
    driver.multi.removeHandle(easy);
    const told = driver.told.filter((one) => one.easy === easy).map(({ what }) => ` ${what}`);
    lines.push(`${at} what${told.join('')}`);
  }
  lines.push(`timer ${driver.timers[0]}`);
  for (const easy of easies) easy.cleanup();
  return lines.sort();
}

/** Answers come a little after the request, so that neither program finds them there already. */
const CASES: [name: string, urls: (origin: Origin) => string[] | Promise<string[]>][] = [
  ['a small body', (origin) => [origin.url('/small?delay=20')]],
  ['a large body', (origin) => [origin.url('/large?delay=20&size=3000000')]],
  ['a chunked body', (origin) => [origin.url('/chunked?delay=20&chunked&size=100000')]],
  ['a body that ends early', (origin) => [origin.url('/cut?delay=20&cut=100')]],
  ['a broken chunk', (origin) => [origin.url('/chunk?delay=20&bad-chunk=100')]],
  ['no answer', (origin) => [origin.url('/none?delay=20&cut=head')]],
  ['a reset', (origin) => [origin.url('/reset?delay=20&reset=head')]],
  ['a body that stalls until the time is up', (origin) => [origin.url('/stall?stall=10')]],
  ['redirects on one connection', (origin) => [origin.url('/hops?delay=20&hops=3')]],
  ['a port where nobody listens', async () => [`http://127.0.0.1:${await freePort()}/`]],
  ['a scheme that there is not', () => ['nope://127.0.0.1/']],
  ['no URL at all', () => ['']],
  [
    'many at once, of all kinds',
    (origin) => [
      ...Array.from({ length: 8 }, (_, i) => origin.url(`/${i}?delay=${20 + i * 10}`)),
      origin.url('/cut?delay=30&cut=100'),
      origin.url('/stall?stall=10'),
      'nope://127.0.0.1/',
    ],
  ],
];

it.each(CASES)('%s', async (_name, urlsOf) => {
  const origin = await useOrigin();
  const urls = await urlsOf(origin);
  const [inC, inJavaScript] = await Promise.all([toldInC(urls), toldInJavaScript(urls)]);
  expect(inC).toHaveLength(urls.length * 2 + 1);
  expect(inJavaScript).toEqual(inC);
});
