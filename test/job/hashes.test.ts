import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Hashes } from '../../src/job/hashes.ts';
import { useTmp } from '../support/tmp.ts';

it('hashes files by any type of checksum, a few at once', async () => {
  const directory = useTmp();
  const hashes = new Hashes(directory);
  for (let index = 0; index < 20; index += 1) writeFileSync(join(directory, `${index}`), 'abc');
  const all = Array.from({ length: 20 }, (_, index) => hashes.digestOf(`${index}`, 'sha-256'));
  const abc = 'sha-256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(new Set(await Promise.all(all))).toEqual(new Set([abc]));
  await expect(hashes.digestOf('gone', 'sha-256')).rejects.toThrow('ENOENT');
  expect(await hashes.digestOf('0', 'md5')).toBe('md5=900150983cd24fb0d6963f7d28e17f72');
  expect(await hashes.digestOf('0', 'sha-1')).toMatch(/^sha-1=a9993e36/);
  expect(await hashes.digestOf('0', 'sha-512')).toMatch(/^sha-512=ddaf35a1/);
});

it('leaves a file in the middle when the job is stopped, and those that wait', async () => {
  const directory = useTmp();
  writeFileSync(join(directory, 'huge'), '');
  truncateSync(join(directory, 'huge'), 2 ** 36);
  const hashes = new Hashes(directory);
  const stop = new AbortController();
  const all = Array.from({ length: 10 }, () => hashes.digestOf('huge', 'sha-256', stop));
  setImmediate(() => stop.abort());
  for (const each of await Promise.allSettled(all)) {
    expect(each).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } });
  }
  writeFileSync(join(directory, 'small'), '');
  expect(await hashes.digestOf('small', 'md5')).toBe('md5=d41d8cd98f00b204e9800998ecf8427e');
});
