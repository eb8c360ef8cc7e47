import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Output } from '../src/output.ts';
import { useTmp } from './support/tmp.ts';

/** A pipe: its name, and a descriptor that reads it without waiting. */
function usePipe(): { path: string; reader: number } {
  const path = join(useTmp(), 'pipe');
  spawnSync('mkfifo', [path]);
  return { path, reader: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) };
}

function open(path: string, flags: string | number): number {
  const fd = openSync(path, flags);
  onTestFinished(() => closeSync(fd));
  return fd;
}

it('writes everything, in order', async () => {
  const path = join(useTmp(), 'out');
  const output = new Output(open(path, 'w'));
  const lines = Array.from({ length: 5000 }, (_, index) => `line ${index} é\n`);
  for (const line of lines) output.write(line);
  expect(output.length).toBeGreaterThan(0);
  await output.flush();
  expect(output.length).toBe(0);
  expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
});

it.each([
  ['blocking', constants.O_WRONLY],
  ['not blocking', constants.O_WRONLY | constants.O_NONBLOCK],
])('waits for a reader that stands still, without standing still itself: %s', async (_, flags) => {
  const { path, reader } = usePipe();
  onTestFinished(() => closeSync(reader));
  const output = new Output(open(path, flags));
  const text = `${'x'.repeat(300_000)}\n`;
  output.write(text);
  let isFlushed = false;
  const flushed = output.flush().then(() => {
    isFlushed = true;
  });
  let read = '';
  const buffer = Buffer.alloc(65_536);
  // The loop below runs only because nothing blocks this thread.
  while (read.length < text.length) {
    await new Promise((resolve) => setImmediate(resolve));
    try {
      read += buffer.toString('utf8', 0, readSync(reader, buffer));
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN');
    }
    if (read.length < text.length / 2) expect(isFlushed).toBe(false);
  }
  await flushed;
  expect(read).toBe(text);
});

it('goes on in silence when the reader is gone', async () => {
  const { path, reader } = usePipe();
  const output = new Output(open(path, constants.O_WRONLY));
  closeSync(reader);
  output.write('nobody reads this\n');
  await output.flush();
  output.write('nor this\n');
  expect([output.length, output.failure]).toEqual([0, undefined]);
});

it('keeps the reason when it cannot write', async () => {
  const output = new Output(open('/dev/full', 'w'));
  output.write('lost\n');
  await output.flush();
  expect(output.failure?.message).toContain('ENOSPC');
});
