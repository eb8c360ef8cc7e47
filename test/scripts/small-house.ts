/** A copy of the project with little in it, so that set-up and build can be run without touching the real one. */
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { useTmp } from '../support/tmp.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Its directory; removed when the current test is over. */
export function useSmallHouse(): string {
  const house = useTmp();
  for (const path of ['scripts', 'package.json', 'package-lock.json', 'tsconfig.json']) {
    cpSync(join(root, path), join(house, path), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(house, 'node_modules'));
  mkdirSync(join(house, 'src'));
  writeFileSync(join(house, 'src/main.ts'), 'export const answer = 42;\n');
  mkdirSync(join(house, 'native'));
  writeFileSync(join(house, 'native/main.cc'), 'int answer() { return 42; }\n');
  writeFileSync(
    join(house, 'native/binding.gyp'),
    "{ 'targets': [{ 'target_name': 'mcurl', 'type': 'static_library', 'sources': ['main.cc'] }] }\n",
  );
  return house;
}
