/** The rules of the house that a tool can see: who may import whom, and what only one file may do. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { useTmp } from '../support/tmp.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

function filesBelow(directory: string): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === 'build' ? [] : filesBelow(path);
    return [path];
  });
}

/** Files whose text matches, sorted. */
function filesWith(directory: string, pattern: RegExp): string[] {
  return filesBelow(directory).filter((path) =>
    pattern.test(readFileSync(join(root, path), 'utf8')),
  );
}

const FORBIDDEN = [
  ['src/new.ts', './job/plan.ts'],
  ['src/cli/new.ts', '../native/engine.ts'],
  ['src/cli/new.ts', '../main.ts'],
  ['src/job/new.ts', '../cli/fetch.ts'],
  ['src/list/new.ts', '../job/plan.ts'],
  ['src/native/new.ts', '../job/plan.ts'],
  ['src/progress/new.ts', '../job/plan.ts'],
  ['src/progress/new.ts', '../report/summary.ts'],
  ['src/report/new.ts', '../native/engine.ts'],
] as const;
const ALLOWED = [
  ['src/job/new.ts', '../native/engine.ts'],
  ['src/progress/new.ts', '../job/outcome.ts'],
  ['src/cli/new.ts', '../job/options.ts'],
  ['src/list/new.ts', '../errors.ts'],
] as const;

test('imports point one way', () => {
  const house = useTmp();
  writeFileSync(join(house, '.gitignore'), 'dist\n');
  copyFileSync(join(root, 'biome.json'), join(house, 'biome.json'));
  const lines = new Map<string, string[]>();
  for (const [path, imported] of [...FORBIDDEN, ...ALLOWED]) {
    lines.set(path, [...(lines.get(path) ?? []), `import '${imported}';`]);
  }
  for (const [path, imports] of lines) {
    mkdirSync(join(house, path, '..'), { recursive: true });
    writeFileSync(join(house, path), `${imports.join('\n')}\n`);
  }
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [biome, 'lint', '--only=style/noRestrictedImports', '--reporter=github', 'src'],
    { cwd: house, encoding: 'utf8' },
  );
  const found = [...stdout.matchAll(/file=[^,]*(src\/[^,]+),line=(\d+)/g)].map(
    ([, path, line]) => `${path} ${lines.get(path ?? '')?.[Number(line) - 1]}`,
  );
  const expected = FORBIDDEN.map(([path, imported]) => `${path} import '${imported}';`);
  expect(found.sort(), stderr).toEqual(expected.sort());
});

test('only the addon knows N-API', () => {
  const files = filesWith('native', /#include\s*[<"](napi|node_api|js_native_api)\b/);
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter((path) => !path.startsWith(join('native', 'addon')))).toEqual([]);
});

test('only src/native loads the addon', () => {
  expect(filesWith('src', /\bdlopen\b|\.node['"`]/)).toEqual([join('src', 'native', 'binding.ts')]);
});

test('only main ends the process', () => {
  expect(filesWith('src', /\bprocess\.(exit|reallyExit|abort)\b/)).toEqual([
    join('src', 'main.ts'),
  ]);
});
