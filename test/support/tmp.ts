/** Directories that last as long as the test that asked for them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** An empty directory that is the caller's to remove. */
export function makeTmp(): string {
  return mkdtempSync(join(tmpdir(), 'mcurl-test-'));
}

/** An empty directory, removed when the current test is over. */
export function useTmp(): string {
  const directory = makeTmp();
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
