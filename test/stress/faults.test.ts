/** Every fault that a retry cures, many at a time and mixed: all targets end whole. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { content, useOrigin } from '../support/origin.ts';
import { runFetch } from '../support/run-cli.ts';

const BYTES = 40_000;
const FAULTS = [
  '',
  'chunked',
  'stale',
  'status=503&times=1',
  'status=429&retry-after=0&times=1',
  'cut=head&times=1',
  'cut=20000&times=1',
  'cut=30000&chunked&times=2',
  'reset=head&times=1',
  'reset=10000&times=1',
  'bad-chunk=15000&chunked&times=1',
  'stall=5000&times=1',
  'stall=head&times=1',
  'hops=3',
];

test.each(['1', '2'])('%s loops', async (loops) => {
  const origins = [
    await useOrigin(),
    await useOrigin({ requestsPerConnection: 3 }),
    await useOrigin(),
  ];
  const paths = Array.from({ length: 900 }, (_, index) => `/${index}.bin`);
  const urls = paths.map((path, index) => {
    const fault = FAULTS[(index * 5) % FAULTS.length];
    return origins[index % origins.length]?.url(`${path}?size=${BYTES}&${fault}`) ?? '';
  });
  const { code, stderr, names, out } = await runFetch(urls, [
    ...['--loops', loops, '-j', '64', '--max-per-host', '24', '-y', '2', '--retry', '10'],
  ]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(names).toEqual(paths.map((path) => path.slice(1)).sort());
  for (const path of paths) {
    expect(readFileSync(join(out, path.slice(1))).equals(content(path, BYTES)), path).toBe(true);
  }
  for (const { peak } of origins) expect(peak.requests).toBeLessThanOrEqual(24);
});
