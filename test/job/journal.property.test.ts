/** The reader against a simple one, on journals that no run would write in order, whole and cut anywhere. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { useTmp } from '../support/tmp.ts';
import { BOOT, RUN, withJournal } from './open-journal.ts';

/** Keys and the plain names that go with them. */
const KEYS: Readonly<Record<string, string>> = {
  'http://a/x': 'x',
  'http://a/x?q=a/b': 'x',
  'http://a/%22%C3%A9.bin#/y': '_é.bin',
  'http://b/d/': 'index.html',
  'http://b/x\thttp://c/y\n out=z.bin\n checksum=md5=d41d8cd98f00b204e9800998ecf8427e': 'z.bin',
  'http://b/x\n out=é "z"': 'é "z"',
};
/** The fifth entry before its mirror and its checksum were known. */
const EARLIER: readonly [string, string] = ['http://b/x\n out=z.bin', 'z.bin'];

/** The first URL and the name: more is no part of what an entry is known by. */
const isSame = (one: string, other: string) =>
  [one, other].every((text) => text.includes('z.bin')) || one === other;

interface Model {
  text: string;
  state: 'open' | 'failed' | 'done';
  name: string;
  isNamed: boolean;
  size: number | undefined;
  isSinceBoot: boolean;
  hasFailedLast: boolean;
  began: { name: string; version: string; trusted: number | undefined } | undefined;
}

type Line = Readonly<Record<string, unknown>>;

/** What the lines say, entry by entry. */
function modelOf(lines: readonly Line[]): Map<number, Model> {
  const entries = new Map<number, Model>();
  let isSinceBoot = false;
  for (const line of lines) {
    if ('job' in line) {
      isSinceBoot = line['boot'] === BOOT;
      for (const entry of isSinceBoot ? [] : entries.values()) entry.hasFailedLast = false;
    }
    if (line['renew'] === true) {
      for (const entry of entries.values()) {
        if (entry.state === 'done') entry.state = 'open';
        if (entry.size !== undefined) Object.assign(entry, { isSinceBoot, hasFailedLast: false });
        entry.size = undefined;
      }
    }
    const serial = Number(
      line['plan'] ??
        line['named'] ??
        line['began'] ??
        line['durable'] ??
        line['done'] ??
        line['fail'],
    );
    const entry = entries.get(serial);
    if ('plan' in line && entry === undefined) {
      const [text, name] = [String(line['entry']), String(line['name'])];
      const nothing = { isNamed: false, size: undefined, began: undefined, hasFailedLast: false };
      entries.set(serial, { text, name, state: 'open', isSinceBoot, ...nothing });
    } else if (entry !== undefined && 'plan' in line) {
      if (isSame(entry.text, String(line['entry']))) entry.text = String(line['entry']);
    } else if (entry !== undefined && 'named' in line) {
      Object.assign(entry, { name: line['name'], isNamed: true });
    } else if (entry !== undefined && 'began' in line) {
      const trusted = isSinceBoot ? undefined : 0;
      const [name, version] = [String(line['name']), String(line['version'])];
      entry.state = 'open';
      entry.began = { name, version, trusted };
    } else if (entry?.began?.trusted !== undefined && 'durable' in line) {
      entry.began.trusted = Number(line['size']);
    } else if (entry !== undefined && 'done' in line) {
      Object.assign(entry, { state: 'done', size: line['size'], began: undefined });
    } else if (entry !== undefined && 'fail' in line) {
      Object.assign(entry, { state: 'failed', hasFailedLast: true });
    }
  }
  return entries;
}

const size = fc.oneof(
  fc.nat(),
  fc.constantFrom(0, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER - 1),
);
const serial = fc.nat({ max: 12 });
const oddName = fc.constantFrom('x', 'x.2', 'odd', 'é.3', 'z.2.bin', 'index.7.html');
const text = fc.string({ unit: 'binary' });
const line: fc.Arbitrary<Line> = fc.oneof(
  fc.record({ job: fc.constant(1), boot: fc.constantFrom(BOOT, 'other', null) }),
  fc
    .tuple(
      serial,
      fc.constantFrom(EARLIER, ...Object.entries(KEYS)),
      fc.nat({ max: 3 }),
      fc.boolean(),
      oddName,
    )
    .map(([plan, [entry, plain], suffix, isOdd, odd]) => {
      const dot = plain.lastIndexOf('.') > 0 ? plain.lastIndexOf('.') : plain.length;
      const numbered = suffix < 2 ? plain : `${plain.slice(0, dot)}.${suffix}${plain.slice(dot)}`;
      return { plan, entry, name: isOdd ? odd : numbered };
    }),
  fc.record({ renew: fc.boolean() }),
  fc.record({ named: serial, name: oddName }),
  fc.record({ began: serial, name: oddName, version: text, total: size }),
  fc.record({ durable: serial, size }),
  fc.record({ done: serial, size }),
  fc.record({ done: serial, size, digest: fc.constant('sha-256=00') }),
  fc.record({ done: serial, size, etag: text, lastModified: text }),
  fc.record({ fail: serial, kind: fc.constant('http'), code: fc.constant(8), message: text }),
  fc.record({ later: serial, what: text }),
);

/** What `take` must give for each key, until nothing is left. */
function expectModel(path: string, model: ReadonlyMap<number, Model>): Promise<number> {
  return withJournal(path, {}, (journal, names) => {
    expect(journal.count).toBe(model.size);
    for (const [key, plain] of Object.entries(KEYS)) {
      const expected = [...model].filter(([, entry]) => isSame(entry.text, key));
      for (const [serial, entry] of expected.sort(([a], [b]) => a - b)) {
        const { text, state, name, isNamed, size, began, isSinceBoot, hasFailedLast } = entry;
        expect(journal.take(key, plain)).toMatchObject({
          serial,
          text,
          state,
          name,
          isNamed,
          doneBytes: size,
          isUnsure: size === undefined && !isSinceBoot && !hasFailedLast,
          version: began?.version,
          partName: began?.name,
          trustedBytes: began?.trusted,
        });
        expect(names.take(name)).not.toBe(name);
      }
      expect(journal.take(key, plain)).toMatchObject({ state: 'new', name: undefined });
    }
    return journal.badLines;
  });
}

const first = JSON.stringify(RUN);

it('reads any journal as the simple reader does', async () => {
  const path = join(useTmp(), 'journal');
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 60 }), async (lines) => {
      writeFileSync(path, [first, ...lines.map((each) => JSON.stringify(each)), ''].join('\n'));
      expect(await expectModel(path, modelOf([RUN, ...lines]))).toBe(0);
    }),
    { numRuns: 200 },
  );
});

it('reads any prefix of any journal', async () => {
  const path = join(useTmp(), 'journal');
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 20 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (lines, part) => {
        const all = [RUN, ...lines];
        const texts = all.map((each) => Buffer.from(`${JSON.stringify(each)}\n`));
        const bytes = Buffer.concat(texts);
        const end = Math.round(part * bytes.length);
        writeFileSync(path, bytes.subarray(0, end));
        let whole = 0;
        let wholeBytes = 0;
        // All but its newline is a whole line, too.
        while (whole < texts.length && wholeBytes + (texts[whole]?.length ?? 0) - 1 <= end) {
          wholeBytes += texts[whole]?.length ?? 0;
          whole += 1;
        }
        const badLines = await expectModel(path, modelOf(all.slice(0, whole)));
        expect(badLines).toBe(end > wholeBytes ? 1 : 0);
        // And what the next run appends is found behind it.
        await expectModel(path, modelOf(all.slice(0, whole)));
      },
    ),
    { numRuns: 300 },
  );
});

it('reads what torn lines, blank ones and garbage leave whole', async () => {
  const path = join(useTmp(), 'journal');
  const garbage = fc.oneof(
    fc.constantFrom(
      '',
      '\0\0\0',
      '{"plan":1,"entry":"',
      '{"done":3,"size":1',
      'null',
      '[]',
      '{}',
      '"',
    ),
    fc.constantFrom(
      '{"done":-1,"size":1}',
      '{"done":1e99,"size":1}',
      '{"plan":0,"entry":1,"name":2}',
    ),
    fc.constantFrom('{"plan":2,"entry":"http://a/x","name":"../x"}', '{"fail":1,"kind":1}'),
    fc.constantFrom('{"plan":4000000,"entry":"http://a/x","name":"x"}'),
    fc.constantFrom('{"plan":11,"entry":"http://a/x\0","name":"x"}'),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(line, garbage, fc.boolean()), { maxLength: 30 }),
      async (lines) => {
        const texts = lines.map(([each, before, isGlued]) => {
          const isWhole = before.endsWith('}') || before === 'null' || before.endsWith(']');
          return `${before}${isGlued && !isWhole ? '' : '\n'}${JSON.stringify(each)}\n`;
        });
        writeFileSync(path, `${first}\n${texts.join('')}`);
        await expectModel(path, modelOf([RUN, ...lines.map(([each]) => each)]));
      },
    ),
    { numRuns: 200 },
  );
});
