import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { useConsumer } from '../support/consumer.ts';

const text = readFileSync(new URL('../../examples/crawler.ts', import.meta.url), 'utf8');

/** A site whose page N leads to 2N and 2N+1 up to `last`, and to what a crawler must leave alone. */
async function useSite(last: number) {
  const asked: string[] = [];
  let inAnswer = 0;
  const peak = { requests: 0 };
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    inAnswer += 1;
    peak.requests = Math.max(peak.requests, inAnswer);
    setImmediate(() => {
      inAnswer -= 1;
      const page = Number(path.slice(1));
      if (!(page <= last)) response.writeHead(404);
      const links = [page * 2, page * 2 + 1, 1, '#here', 'http://other.invalid/', 'javascript:0'];
      response.end(links.map((link) => `<a class="x" href="${link}">${link}</a>`).join('\n'));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: (path: string) => `http://127.0.0.1:${port}${path}`, asked, peak };
}

test('visits every page of the site once, at most twenty at a time', async () => {
  const site = await useSite(300);
  const consumer = useConsumer({ 'crawler.ts': text });
  const { code, stdout, stderr } = await consumer.run('crawler.ts', site.url('/1'));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = stdout.trimEnd().split('\n');
  const expected = Array.from({ length: 601 }, (_, i) => i + 1).map(
    (page) => `${page <= 300 ? 200 : 404} ${site.url(`/${page}`)}`,
  );
  expect(lines.sort()).toEqual(expected.sort());
  expect(new Set(site.asked).size).toBe(site.asked.length);
  expect(site.peak.requests).toBeLessThanOrEqual(20);
  expect(site.peak.requests).toBeGreaterThan(1);
});

test('stops at the number of pages that it is given', async () => {
  const site = await useSite(300);
  const consumer = useConsumer({ 'crawler.ts': text });
  const { code } = await consumer.run('crawler.ts', site.url('/1'), '50');
  expect(code).toBe(0);
  expect(site.asked).toHaveLength(50);
});
