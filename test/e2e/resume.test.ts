/** What a run that was ended leaves, and what the same command makes of it. */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { content, type Origin, type OriginRequest, useOrigin } from '../support/origin.ts';
import { jsonRecords, namesIn, runFetch, startCli, startFetch } from '../support/run-cli.ts';
import { useTmp } from '../support/tmp.ts';

const SIZE = 1_000_000;
const CUT = 600_000;
const OLD = 'Wed, 01 Jan 2020 00:00:00 GMT';

let origin: Origin;
let cwd: string;
let out: string;

beforeEach(async () => {
  origin = await useOrigin();
  cwd = useTmp();
  out = join(cwd, 'out');
});

/** The path /a, whose first answer stops after CUT bytes. */
function url(query: string): string {
  return origin.url(`/a?size=${SIZE}&times=1&stall=${CUT}&${query}`);
}

function bytesOf(name: string): Buffer {
  return readFileSync(join(out, name));
}

/** Kills a run when its .part has what comes of it. */
async function runKilled(lines: string[], args: string[] = []): Promise<void> {
  const run = startFetch(lines, args, { cwd });
  await vi.waitFor(() => expect(statSync(join(out, 'a.part')).size).toBe(CUT), 10_000);
  run.child.kill('SIGKILL');
  await run.finished;
}

/** The request that asked for the rest; undefined when all was asked for. */
function rangeOf(request: OriginRequest | undefined): string | undefined {
  return request?.headers['range'];
}

describe('a file that was killed half-way', () => {
  it.each([
    ['a strong ETag', `etag`, '"version-0"'],
    ['a strong date', `modified=${OLD}`, OLD],
    ['both: the ETag is asked for', `etag&modified=${OLD}`, '"version-0"'],
  ])('is continued by %s', async (_, query, validator) => {
    await runKilled([url(query)]);
    const { code, stderr, names } = await runFetch([url(query)], [], { cwd });
    expect(code, stderr).toBe(0);
    expect(origin.requests[1]?.headers).toMatchObject({
      range: `bytes=${CUT}-`,
      'if-range': validator,
    });
    expect(bytesOf('a').equals(content('/a', SIZE))).toBe(true);
    expect(names).toEqual(['a']);
    expect(existsSync(join(out, '.mcurl-journal'))).toBe(false);
  });

  it.each([
    ['a weak ETag', 'etag=weak'],
    [
      'a date that is not before the answer',
      `modified=${new Date(Date.now() + 60_000).toUTCString()}`,
    ],
    ['no validator', ''],
    ['an encoding', 'etag&gzip=always'],
    ['no length', 'etag&chunked'],
  ])('is begun anew for %s', async (_, query) => {
    const run = startFetch([url(query)], [], { cwd });
    await vi.waitFor(() => expect(statSync(join(out, 'a.part')).size).toBeGreaterThan(0), 10_000);
    run.child.kill('SIGKILL');
    await run.finished;
    const { code, stderr } = await runFetch([url(query)], [], { cwd });
    expect(code, stderr).toBe(0);
    expect(rangeOf(origin.requests.at(-1))).toBeUndefined();
    if (!query.includes('gzip')) expect(bytesOf('a').equals(content('/a', SIZE))).toBe(true);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'is continued when it was %s that ended the run',
    async (signal) => {
      const run = startFetch([url('etag')], [], { cwd });
      await vi.waitFor(() => expect(statSync(join(out, 'a.part')).size).toBe(CUT), 10_000);
      run.child.kill(signal);
      await run.finished;
      const { code, stderr } = await runFetch([url('etag')], [], { cwd });
      expect(code, stderr).toBe(0);
      expect(rangeOf(origin.requests[1])).toBe(`bytes=${CUT}-`);
      expect(bytesOf('a').equals(content('/a', SIZE))).toBe(true);
    },
  );

  it('is begun anew with --no-journal, which leaves none', async () => {
    await runKilled([url('etag')], ['--no-journal']);
    const { code, stderr } = await runFetch([url('etag')], ['--no-journal'], { cwd });
    expect(code, stderr).toBe(0);
    expect(rangeOf(origin.requests[1])).toBeUndefined();
    expect(existsSync(join(out, '.mcurl-journal'))).toBe(false);
  });

  it('is begun anew, by the same answer, when the server has another version', async () => {
    await runKilled([url('etag')]);
    const path = origin.change('/a');
    const { code, stderr } = await runFetch([url('etag')], [], { cwd });
    expect(code, stderr).toBe(0);
    expect(bytesOf('a').equals(content(path, SIZE))).toBe(true);
    expect(origin.requests).toHaveLength(2);
  });

  it.each([
    { by: 'the same journal', args: [], ifRange: '"version-1"' },
    { by: 'no journal', args: ['--no-journal'], ifRange: undefined },
  ])(
    'is never a mixture: version A, killed, B begun by $by, killed, A again',
    async ({ args, ifRange }) => {
      const lines = [origin.url(`/a?size=${SIZE}&times=2&stall=${CUT}&etag`)];
      await runKilled(lines);
      const other = origin.change('/a');
      const second = startFetch(lines, args, { cwd });
      await origin.arrived('/a', 2);
      await vi.waitFor(
        () => expect(bytesOf('a.part').equals(content(other, CUT))).toBe(true),
        10_000,
      );
      second.child.kill('SIGKILL');
      await second.finished;
      origin.change('/a', 0);
      const { code, stderr } = await runFetch(lines, [], { cwd });
      expect(code, stderr).toBe(0);
      expect(origin.requests[2]?.headers['if-range']).toBe(ifRange);
      expect(bytesOf('a').equals(content('/a', SIZE))).toBe(true);
    },
  );

  it.each(['ignore', 'wrong'])('is begun anew when the server does %s ranges', async (ranges) => {
    const line = url(`etag&ranges=${ranges}`);
    await runKilled([line]);
    const { code, stderr } = await runFetch([line], [], { cwd });
    expect(code, stderr).toBe(0);
    expect(rangeOf(origin.requests[1])).toBe(`bytes=${CUT}-`);
    expect(bytesOf('a').equals(content('/a', SIZE))).toBe(true);
  });

  it('that is all there already is taken as it is', async () => {
    await runKilled([url('etag')]);
    writeFileSync(join(out, 'a.part'), content('/a', SIZE));
    const { code, stderr } = await runFetch([url('etag')], ['--json'], { cwd });
    expect(code, stderr).toBe(0);
    expect(rangeOf(origin.requests[1])).toBe(`bytes=${SIZE}-`);
    expect(bytesOf('a').equals(content('/a', SIZE))).toBe(true);
  });

  it.each([
    ['is gone', () => rmSync(join(out, 'a.part'))],
    ['is empty', () => truncateSync(join(out, 'a.part'), 0)],
    ['is shorter', () => truncateSync(join(out, 'a.part'), 1000)],
    ['is too long', () => writeFileSync(join(out, 'a.part'), Buffer.alloc(SIZE + 1))],
  ])('becomes whole also when its .part %s', async (_, harm) => {
    await runKilled([url('etag')]);
    harm();
    const { code, stderr, names } = await runFetch([url('etag')], [], { cwd });
    expect(code, stderr).toBe(0);
    expect(bytesOf('a').equals(content('/a', SIZE))).toBe(true);
    expect(names).toEqual(['a']);
  });

  it('whose ETag changes with every request is continued by --resume-by size only', async () => {
    const line = url(`etag=each&modified=${OLD}`);
    await runKilled([line]);
    const { code, stderr } = await runFetch([line], ['--resume-by', 'size'], { cwd });
    expect(code, stderr).toBe(0);
    expect(origin.requests[1]?.headers).toMatchObject({ range: `bytes=${CUT}-` });
    expect(origin.requests[1]?.headers['if-range']).toBeUndefined();
    expect(bytesOf('a').equals(content('/a', SIZE))).toBe(true);
  });
});

it('--overwrite that was killed goes on where it was, and begins anew after it has ended', async () => {
  mkdirSync(out);
  writeFileSync(join(out, 'b'), 'old');
  const lines = [origin.url('/b'), url('etag')];
  const asked = () => origin.requests.map(({ path }) => path).sort();
  const run = startFetch(lines, ['--overwrite'], { cwd });
  await vi.waitFor(() => expect(bytesOf('b').toString()).not.toBe('old'), 10_000);
  await vi.waitFor(() => expect(statSync(join(out, 'a.part')).size).toBe(CUT), 10_000);
  const journal = join(out, '.mcurl-journal');
  await vi.waitFor(() => expect(readFileSync(journal, 'utf8')).toContain('"done"'), 10_000);
  run.child.kill('SIGKILL');
  await run.finished;
  const gone = origin.url('/gone?status=404');
  expect(await runFetch([...lines, gone], ['--overwrite'], { cwd })).toMatchObject({ code: 8 });
  expect(asked()).toEqual(['/a', '/a', '/b', '/gone']);
  expect(bytesOf('a').equals(content('/a', SIZE))).toBe(true);
  expect(bytesOf('b').equals(content('/b'))).toBe(true);
  expect(await runFetch([...lines, gone], ['--overwrite'], { cwd })).toMatchObject({ code: 8 });
  expect(asked()).toEqual(['/a', '/a', '/a', '/b', '/b', '/gone', '/gone']);
});

it.each([['--overwrite'], ['--if-modified']])(
  'what a killed %s began does not stay when its file is skipped after all',
  async (option) => {
    mkdirSync(out);
    writeFileSync(join(out, 'a'), 'old');
    await runKilled([url('etag')], [option]);
    const { code, stderr, names } = await runFetch([url('etag')], [], { cwd });
    expect(code, stderr).toBe(0);
    expect(names).toEqual(['a']);
    expect(bytesOf('a').toString()).toBe('old');
    expect(origin.requests).toHaveLength(1);
  },
);

it('a .part of another program stays when its file is skipped', async () => {
  mkdirSync(out);
  writeFileSync(join(out, 'a'), 'old');
  await runKilled([url('etag')], ['--overwrite']);
  rmSync(join(out, 'a.part'));
  writeFileSync(join(out, 'a.part'), "a browser's");
  const { code, stderr, names } = await runFetch([url('etag')], [], { cwd });
  expect(code, stderr).toBe(0);
  expect(names).toEqual(['a', 'a.part']);
});

describe('a retry', () => {
  it('continues what came before it, and --json tells from where', async () => {
    const line = origin.url(`/a?size=${SIZE}&times=1&cut=${CUT}&etag`);
    const result = await runFetch([line], ['--json'], { cwd });
    expect(result.code, result.stderr).toBe(0);
    expect(rangeOf(origin.requests[1])).toBe(`bytes=${CUT}-`);
    expect(bytesOf('a').equals(content('/a', SIZE))).toBe(true);
    expect(jsonRecords(result)).toMatchObject([
      { num_retries: 1, resumed_from: CUT, size_delivered: SIZE, size_download: SIZE - CUT },
    ]);
  });

  it('of another version begins anew', async () => {
    const line = origin.url(`/a?size=${SIZE}&times=1&cut=${CUT}&etag`);
    const run = startFetch([line], [], { cwd });
    await origin.arrived('/a');
    const path = origin.change('/a');
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(0);
    expect(bytesOf('a').equals(content(path, SIZE))).toBe(true);
  });
});

describe('what is whole', () => {
  const gone = () => origin.url('/gone?status=404');

  it('is not fetched again; what was removed or cut since is', async () => {
    const lines = ['/a', '/b', '/c'].map((path) => origin.url(path));
    const first = await runFetch([...lines, gone()], [], { cwd });
    expect(first.code, first.stderr).toBe(8);
    rmSync(join(out, 'a'));
    truncateSync(join(out, 'b'), 10);
    const second = await runFetch([...lines, gone()], [], { cwd });
    expect(second.code, second.stderr).toBe(8);
    const asked = origin.requests.slice(4).map(({ path }) => path);
    expect(asked.sort()).toEqual(['/a', '/b', '/gone']);
    for (const name of ['a', 'b', 'c']) {
      expect(bytesOf(name).equals(content(`/${name}`))).toBe(true);
    }
  });

  it('keeps its name when the list is reordered and has grown', async () => {
    const [x, y] = [origin.url('/x/f'), origin.url('/y/f')];
    await runFetch([x, y, gone()], [], { cwd });
    const second = await runFetch([y, origin.url('/z/f'), x, gone()], [], { cwd });
    expect(second.names).toEqual(['f', 'f.2', 'f.3']);
    expect(bytesOf('f').equals(content('/x/f'))).toBe(true);
    expect(bytesOf('f.2').equals(content('/y/f'))).toBe(true);
    expect(bytesOf('f.3').equals(content('/z/f'))).toBe(true);
    expect(origin.requests.filter(({ path }) => path !== '/gone')).toHaveLength(3);
  });

  it('is fetched once for each of equal lines', async () => {
    const line = origin.url('/f');
    await runFetch([line, line, gone()], [], { cwd });
    const second = await runFetch([line, line, line, gone()], [], { cwd });
    expect(second.names).toEqual(['f', 'f.2', 'f.3']);
    expect(origin.requests.filter(({ path }) => path === '/f')).toHaveLength(3);
  });
});

it('a power cut that took a file and the line of its end costs another fetch, not the file', async () => {
  const lines = [origin.url('/a'), origin.url('/b'), origin.url('/gone?status=404')];
  await runFetch(lines, [], { cwd });
  const journal = join(out, '.mcurl-journal');
  const text = readFileSync(journal, 'utf8').replace(/"boot":"[^"]*"/, '"boot":"before"');
  writeFileSync(journal, text.replace(/\n\{"done":0.*(?=\n)/, ''));
  truncateSync(join(out, 'a'), 0);
  const { code, stderr } = await runFetch(lines, [], { cwd });
  expect(code, stderr).toBe(8);
  expect(bytesOf('a').equals(content('/a'))).toBe(true);
  expect(origin.requests.filter(({ path }) => path === '/b')).toHaveLength(1);
});

describe('the journal', () => {
  it('stays when the user named it, and may lie anywhere', async () => {
    const { code, stderr } = await runFetch([origin.url('/a')], ['--journal', 'x.journal'], {
      cwd,
    });
    expect(code, stderr).toBe(0);
    const lines = readFileSync(join(cwd, 'x.journal'), 'utf8').split('\n').filter(Boolean);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { job: 1 },
      { plan: 0, entry: origin.url('/a'), name: 'a' },
      { done: 0, size: 1024 },
    ]);
    expect(statSync(join(cwd, 'x.journal')).mode & 0o777).toBe(0o600);
  });

  it('of -o is beside the file, which shares its directory with other jobs', async () => {
    const args = (name: string) => [origin.url(`/${name}?hold`), '-o', name];
    const first = startFetch([], [], { cwd });
    await first.finished;
    const runs = ['p', 'q'].map((name) => startCliIn(args(name)));
    await Promise.all([origin.arrived('/p'), origin.arrived('/q')]);
    expect(existsSync(join(cwd, '.p.mcurl-journal'))).toBe(true);
    origin.release();
    for (const run of runs) expect(await run.finished).toMatchObject({ code: 0 });
    expect(namesIn(cwd)).toEqual(['list.txt', 'out', 'p', 'q']);
    expect(existsSync(join(cwd, '.p.mcurl-journal'))).toBe(false);
  });

  it('that is none is refused and left alone', async () => {
    writeFileSync(join(cwd, 'notes'), 'my notes\n');
    const { code, stderr } = await runFetch([origin.url('/a')], ['--journal', 'notes'], { cwd });
    expect(code, stderr).toBe(2);
    expect(stderr).toContain('notes');
    expect(readFileSync(join(cwd, 'notes'), 'utf8')).toBe('my notes\n');
  });

  it('that takes only a part of a line ends the run before it begins', async () => {
    const run = `${JSON.stringify({ job: 1, boot: null, at: '' })}\n`;
    writeFileSync(join(cwd, 'journal'), run + '\n'.repeat(505 - run.length));
    const args = ['--journal', 'journal'];
    const how = { cwd, before: 'ulimit -f 1' }; // 512 bytes
    const { code, stderr } = await runFetch([origin.url('/a')], args, how);
    expect(code, stderr).toBe(3);
    expect(stderr).toContain('cannot write the journal');
    expect(statSync(join(cwd, 'journal')).size).toBe(512);
    expect(origin.requests).toEqual([]);
  });

  it('that is torn costs nothing but its last line', async () => {
    const lines = [origin.url('/a'), origin.url('/gone?status=404')];
    await runFetch(lines, [], { cwd });
    const journal = join(out, '.mcurl-journal');
    truncateSync(journal, statSync(journal).size - 5);
    const { code, stderr } = await runFetch(lines, [], { cwd });
    expect(code, stderr).toBe(8);
    expect(origin.requests.filter(({ path }) => path === '/a')).toHaveLength(1);
  });

  it('with --durable is on the disk before a file counts as done', async () => {
    const lines = [origin.url('/a'), origin.url('/b?size=500000')];
    const result = await runFetch(lines, ['--durable', '--json'], { cwd });
    expect(result.code, result.stderr).toBe(0);
    expect(jsonRecords(result).map(({ type }) => type)).toEqual(['done', 'done']);
    expect(result.names).toEqual(['a', 'b']);
  });
});

describe('--only-failed', () => {
  it('reruns what failed, with its list or without', async () => {
    const lines = [
      origin.url('/a'),
      origin.url('/b?status=503&times=1'),
      origin.url('/c?status=404'),
    ];
    await runFetch(lines, ['--retry', '0'], { cwd });
    const before = origin.requests.length;
    const second = await runFetch(lines, ['--only-failed'], { cwd });
    expect(second.code, second.stderr).toBe(8);
    const asked = () => origin.requests.slice(before).map(({ path }) => path);
    expect(asked().sort()).toEqual(['/b', '/c']);
    expect(second.names).toEqual(['a', 'b']);
    const third = startCliIn(['--only-failed', '-d', 'out']);
    expect(await third.finished).toMatchObject({ code: 8 });
    expect(asked().sort()).toEqual(['/b', '/c', '/c']);
  });

  it('reruns also what a killed run had failed before, or left in the middle', async () => {
    const small = origin.url('/b?status=503&times=2');
    const large = origin.url(`/a?size=${SIZE}&times=2&stall=${CUT}&etag`);
    const first = startFetch([small, large], ['--retry', '0'], { cwd });
    const journal = join(out, '.mcurl-journal');
    await vi.waitFor(() => {
      expect(statSync(join(out, 'a.part')).size).toBe(CUT);
      expect(readFileSync(journal, 'utf8')).toContain('"fail":0');
    }, 10_000);
    first.child.kill('SIGKILL');
    await first.finished;
    const second = startCliIn(['--only-failed', '-d', 'out', '--retry', '0']);
    await origin.arrived('/a', 2);
    await origin.arrived('/b', 2);
    second.child.kill('SIGKILL');
    await second.finished;
    const third = await startCliIn(['--only-failed', '-d', 'out']).finished;
    expect(third.code, third.stderr).toBe(0);
    expect(bytesOf('a').equals(content('/a', SIZE))).toBe(true);
    expect(bytesOf('b').equals(content('/b'))).toBe(true);
  });

  it('reruns what failed when not even that could be written down', async () => {
    const lines = [origin.url('/a?status=503&times=1'), origin.url('/b?status=404&times=1')];
    await runFetch(lines, ['--retry', '0'], { cwd });
    const journal = join(out, '.mcurl-journal');
    const kept = readFileSync(journal, 'utf8')
      .split('\n')
      .filter((line) => !line.includes('"fail"'));
    writeFileSync(journal, kept.join('\n'));
    const { code, stderr } = await startCliIn(['--only-failed', '-d', 'out']).finished;
    expect(code, stderr).toBe(0);
    expect(namesIn(out)).toEqual(['a', 'b']);
  });

  it('needs a journal', async () => {
    const run = startCliIn(['--only-failed', '-d', 'out']);
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(2);
    expect(stderr).toContain('out/.mcurl-journal');
  });
});

it('--failed-out has the failed entries, ready to be fed back', async () => {
  const lines = [
    origin.url('/a'),
    origin.url('/b?status=404'),
    `${origin.url('/c?cut=head')}\t${origin.url('/d?status=500')}`,
    ' out=e.bin',
  ];
  const args = ['--failed-out', 'failed.txt', '--retry', '0'];
  expect(await runFetch(lines, args, { cwd })).toMatchObject({ code: 8 });
  const text = readFileSync(join(cwd, 'failed.txt'), 'utf8');
  expect(text.split(/\n(?=http)/).sort()).toEqual([`${lines[1]}`, `${lines[2]}\n out=e.bin\n`]);
  expect(statSync(join(cwd, 'failed.txt')).mode & 0o777).toBe(0o600);
  const again = startCliIn(['failed.txt', '-d', 'out', ...args]);
  expect(await again.finished).toMatchObject({ code: 8 });
  expect(readFileSync(join(cwd, 'failed.txt'), 'utf8').length).toBe(text.length);
});

function startCliIn(args: string[]) {
  return startCli(['fetch', ...args], { cwd });
}
