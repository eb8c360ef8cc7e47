/** A final name is only ever seen whole, and nothing that was there is lost. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { content, type Origin, useOrigin } from '../support/origin.ts';
import { namesIn, runCli, runFetch, startFetch } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

/** Larger than any body that is held in memory, so that it goes through a .part. */
const LARGE = 1_000_000;

let origin: Origin;
let cwd: string;
let out: string;

beforeEach(async () => {
  origin = await useOrigin();
  cwd = useTmp();
  out = join(cwd, 'out');
  mkdirSync(out);
});

function bytesOf(name: string): Buffer {
  return readFileSync(join(out, name));
}

describe('a URL that ends in .part', () => {
  it.each([1000, LARGE])(
    'is not taken for a half file by a later run (%i bytes)',
    async (bytes) => {
      const first = await runFetch([origin.url(`/x.part?size=${bytes}`)], [], { cwd });
      expect(first.code, first.stderr).toBe(0);
      const second = await runFetch([origin.url(`/x?size=${bytes}`)], [], { cwd });
      expect(second.code, second.stderr).toBe(0);
      expect(second.names).toEqual(['x', 'x.part_']);
      expect(bytesOf('x.part_').equals(content('/x.part', bytes))).toBe(true);
      expect(bytesOf('x').equals(content('/x', bytes))).toBe(true);
    },
  );
});

describe('a file that was there before the run', () => {
  it('is planned to be replaced by --dry-run --overwrite', async () => {
    writeFileSync(join(out, 'a'), 'old');
    const { code, stdout, stderr } = await runFetch(
      [origin.url('/a')],
      ['--dry-run', '--overwrite'],
      { cwd },
    );
    expect(code, stderr).toBe(0);
    expect(stdout).not.toContain('exists');
  });

  it('counts as whole: skipped, counted, told as `exists`', async () => {
    writeFileSync(join(out, 'a'), 'old');
    const lines = [origin.url('/a'), origin.url('/b')];
    const { code, stdout, stderr } = await runFetch(lines, ['--json'], { cwd });
    expect(code, stderr).toBe(0);
    expect(bytesOf('a').toString()).toBe('old');
    expect(origin.requests.map(({ path }) => path)).toEqual(['/b']);
    expect(stdout).toMatch(/"type":"skip"[^\n]*"exists"/);
    expect(stderr).toMatch(/1 [^\n]*skipped|skipped[^\n]* 1\b/);
  });

  it('is replaced with --overwrite, small or large', async () => {
    writeFileSync(join(out, 'a'), 'old');
    writeFileSync(join(out, 'b'), 'old');
    const lines = [origin.url('/a'), origin.url(`/b?size=${LARGE}`)];
    const { code, stderr, names } = await runFetch(lines, ['--overwrite'], { cwd });
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['a', 'b']);
    expect(bytesOf('a').equals(content('/a'))).toBe(true);
    expect(bytesOf('b').equals(content('/b', LARGE))).toBe(true);
  });

  it('stays when --overwrite fails', async () => {
    writeFileSync(join(out, 'a'), 'old');
    const lines = [origin.url(`/a?size=${LARGE}&cut=900000`)];
    const { code } = await runFetch(lines, ['--overwrite', '--retry', '0'], { cwd });
    expect(code).toBe(4);
    expect(bytesOf('a').toString()).toBe('old');
  });
});

describe('a final name', () => {
  it.each([
    ['small', 2000, 1000],
    ['large', LARGE, 900_000],
  ])('is not there while a %s body is under way', async (_, size, stallAt) => {
    const run = startFetch([origin.url(`/a?size=${size}&stall=${stallAt}`)], [], { cwd });
    await run.until(origin.arrived('/a'));
    if (size === LARGE) {
      await vi.waitFor(
        () => expect(statSync(join(out, 'a.part')).size).toBeGreaterThan(800_000),
        10_000,
      );
    }
    expect(namesIn(out)).not.toContain('a');
    run.child.kill('SIGKILL');
    await run.finished;
    expect(namesIn(out)).not.toContain('a');
  });

  it.each([1000, LARGE])(
    'that appears during the run is a failure, and stays (%i bytes)',
    async (size) => {
      const run = startFetch([origin.url(`/a?size=${size}&hold`)], ['--retry', '0'], { cwd });
      await run.until(origin.arrived('/a'));
      writeFileSync(join(out, 'a'), 'somebody else');
      origin.release();
      const { code, stderr } = await run.finished;
      expect(code, stderr).toBe(3);
      expect(bytesOf('a').toString()).toBe('somebody else');
    },
  );

  it.each(['directory', 'symbolic link', 'dangling link'])(
    'that is a %s fails that target, and it stays; the others go on',
    async (kind) => {
      writeFileSync(join(cwd, 'precious'), 'precious');
      if (kind === 'directory') mkdirSync(join(out, 'a'));
      else
        symlinkSync(join(cwd, kind === 'dangling link' ? 'nowhere' : 'precious'), join(out, 'a'));
      const lines = [origin.url('/a'), origin.url('/b')];
      const { code, stderr, names } = await runFetch(lines, ['--retry', '0'], { cwd });
      expect(code, stderr).toBe(3);
      expect(stderr).toContain('list.txt:1:');
      expect(names).toEqual(['a', 'b']);
      expect(lstatSync(join(out, 'a')).isFile()).toBe(false);
      expect(readFileSync(join(cwd, 'precious'), 'utf8')).toBe('precious');
      expect(namesIn(cwd)).not.toContain('nowhere');
    },
  );

  it('has the mode that the umask leaves, small or large', async () => {
    const list = [origin.url('/a'), origin.url(`/b?size=${LARGE}`)];
    const { code, stderr } = await runFetch(list, [], { cwd, before: 'umask 027' });
    expect(code, stderr).toBe(0);
    for (const name of ['a', 'b']) expect(statSync(join(out, name)).mode & 0o777).toBe(0o640);
  });
});

describe('an old .part', () => {
  const lines = () => [origin.url(`/a?size=${LARGE}`), origin.url('/b')];

  it('is emptied and begun again, and gone in the end', async () => {
    writeFileSync(join(out, 'a.part'), Buffer.alloc(2 * LARGE, 'x'));
    const { code, stderr, names } = await runFetch(lines(), [], { cwd });
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['a', 'b']);
    expect(bytesOf('a').equals(content('/a', LARGE))).toBe(true);
  });

  it.each(['precious', 'nowhere'])(
    'that is a symbolic link to %s is not followed',
    async (name) => {
      writeFileSync(join(cwd, 'precious'), 'precious');
      symlinkSync(join(cwd, name), join(out, 'a.part'));
      const { code, stderr, names } = await runFetch(lines(), [], { cwd });
      expect(code, stderr).toBe(3);
      expect(names).toEqual(['a.part', 'b']);
      expect(readlinkSync(join(out, 'a.part'))).toBe(join(cwd, name));
      expect(readFileSync(join(cwd, 'precious'), 'utf8')).toBe('precious');
      expect(namesIn(cwd)).not.toContain('nowhere');
    },
  );

  it('that has a second name is left alone', async () => {
    writeFileSync(join(cwd, 'precious'), 'precious');
    linkSync(join(cwd, 'precious'), join(out, 'a.part'));
    const { code, stderr } = await runFetch(lines(), [], { cwd });
    expect(code, stderr).toBe(3);
    expect(readFileSync(join(cwd, 'precious'), 'utf8')).toBe('precious');
  });

  it('that is a FIFO does not hang the run', async () => {
    execFileSync('mkfifo', [join(out, 'a.part')]);
    const { code, stderr, names } = await runFetch(lines(), [], { cwd });
    expect(code, stderr).toBe(3);
    expect(names).toEqual(['a.part', 'b']);
  });

  it('that another mcurl writes is left to it', async () => {
    const first = startFetch([origin.url(`/a?size=${LARGE}&stall=900000`)], [], { cwd });
    await vi.waitFor(
      () => expect(statSync(join(out, 'a.part')).size).toBeGreaterThan(800_000),
      10_000,
    );
    const second = await runFetch(lines(), [], { cwd });
    expect(second.code, second.stderr).toBe(3);
    expect(second.stderr).toContain('another mcurl is at work on out');
    expect(statSync(join(out, 'a.part')).size).toBeGreaterThan(800_000);
    expect(first.child.exitCode).toBeNull();
  });

  it('that another program has locked is left to it', async () => {
    writeFileSync(join(out, 'a.part'), 'locked');
    const holder = spawn('flock', [join(out, 'a.part'), 'sh', '-c', 'echo locked; cat'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    onTestFinished(() => {
      holder.kill();
    });
    await once(holder.stdout, 'data');
    const { code, stderr } = await runFetch(lines(), [], { cwd });
    expect(code, stderr).toBe(3);
    expect(bytesOf('a.part').toString()).toBe('locked');
  });
});

describe('the output directory', () => {
  it('is made when it is missing, and is the current one unless told', async () => {
    const deep = await runCli(['fetch', origin.url('/a'), '-d', 'x/y/z'], { cwd });
    expect(deep.code, deep.stderr).toBe(0);
    expect(namesIn(join(cwd, 'x/y/z'))).toEqual(['a']);
    const here = await runCli(['fetch', origin.url('/a')], { cwd });
    expect(here.code, here.stderr).toBe(0);
    expect(namesIn(cwd)).toContain('a');
  });

  it('that is a file is told before anything starts', async () => {
    writeFileSync(join(cwd, 'file'), '');
    const { code, stderr } = await runCli(['fetch', origin.url('/a'), '-d', 'file'], { cwd });
    expect(code, stderr).toBe(3);
    expect(stderr).toContain('file');
    expect(origin.requests).toEqual([]);
  });
});

describe('the disk', () => {
  /** Mounts a tmpfs over `out`; false without the right to. */
  function mountOver(options: string): boolean {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', out], { stdio: 'pipe' });
    } catch {
      return false;
    }
    onTestFinished(() => {
      execFileSync('umount', ['--lazy', out]);
    });
    return true;
  }

  it('that is full fails the target that does not fit; the others go on', async ({ skip }) => {
    if (!mountOver('size=1m')) skip('mounting a small tmpfs needs root');
    // An empty file needs no block: it fits in when all else is full.
    const lines = ['/a?size=5000', '/b?size=4000000', '/c?size=0'].map((path) => origin.url(path));
    const { code, stderr, names } = await runFetch(lines, ['-j', '1'], { cwd });
    expect(code, stderr).toBe(3);
    expect(stderr).toMatch(/list\.txt:2:.*(no space|ENOSPC)/i);
    expect(names.filter((name) => name !== 'b.part')).toEqual(['a', 'c']);
    expect(bytesOf('a').equals(content('/a', 5000))).toBe(true);
    expect(origin.requests.filter(({ path }) => path === '/b')).toHaveLength(1);
  });

  it('that is full fails a small body as well', async ({ skip }) => {
    if (!mountOver('size=64k')) skip('mounting a small tmpfs needs root');
    writeFileSync(join(out, 'filler'), Buffer.alloc(64 * 1024));
    const { code, stderr, names } = await runFetch([origin.url('/b?size=20000')], [], { cwd });
    expect(code, stderr).toBe(3);
    expect(stderr).toMatch(/no space|ENOSPC/i);
    expect(names).toEqual(['filler']);
  });

  it('that may only be read is told for each target', async ({ skip }) => {
    if (process.getuid?.() === 0) {
      if (!mountOver('ro')) skip('mounting a read-only tmpfs needs more than root has here');
    } else {
      chmodSync(out, 0o555);
    }
    const lines = [origin.url('/a'), origin.url(`/b?size=${LARGE}`)];
    const { code, stderr } = await runFetch(lines, [], { cwd });
    expect(code, stderr).toBe(3);
    expect(stderr).toMatch(/read-only|permission|EROFS|EACCES/i);
  });
});
