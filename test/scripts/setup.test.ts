import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findProgram } from '../../scripts/system-packages.mjs';
import { useTmp } from '../support/tmp.ts';
import { useSmallHouse } from './small-house.ts';

const TOOLS = ['g++', 'make', 'python3', 'pkg-config'];

/** Runs the set-up of a small house with `path` as PATH. */
function setup(path: string, house = useSmallHouse()) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/setup.mjs', 'build'], {
    cwd: house,
    encoding: 'utf8',
    env: { PATH: path },
  });
  return { status, stdout, lines: stderr.trim().split('\n') };
}

function link(directory: string, program: string): void {
  symlinkSync(findProgram(program) ?? '', join(directory, program));
}

function script(directory: string, name: string, text: string): void {
  writeFileSync(join(directory, name), `#!${findProgram('sh')}\n${text}\n`);
  chmodSync(join(directory, name), 0o755);
}

test('what is missing is installed, and the build goes on', () => {
  const all = useTmp();
  for (const tool of TOOLS) {
    script(all, tool, `PATH='${process.env['PATH']}' exec ${findProgram(tool)} "$@"`);
  }
  const path = useTmp();
  const log = join(useTmp(), 'log');
  link(path, 'sh');
  script(path, 'sudo', '[ "$1" = -n ] && shift\nexec "$@"');
  // They come with the PATH that they need themselves.
  const installs = TOOLS.map((tool) => `${findProgram('cp')} ${all}/${tool} ${path}/`);
  script(
    path,
    'apt-get',
    `echo "$DEBIAN_FRONTEND $*" >>${log}\n[ "$1" = update ] && exit\n${installs.join('\n')}`,
  );
  const { status, lines } = setup(path);
  expect(status, lines.join('\n')).toBe(0);
  expect(readFileSync(log, 'utf8').split('\n')).toEqual([
    'noninteractive update -q',
    'noninteractive install -q -y --no-install-recommends g++ make python3 pkg-config libcurl4-openssl-dev libssl-dev',
    '',
  ]);
  expect(lines[0]).toMatch(/^Installing a C\+\+20 compiler .+: (sudo )?apt-get install .+$/);
});

test.each([
  ['no package manager', () => {}],
  ['one that installs nothing', (path: string) => script(path, 'apt-get', 'exit 1')],
])('with %s it ends by saying what to install', (_, prepare) => {
  const path = useTmp();
  link(path, 'sh');
  script(path, 'sudo', '[ "$1" = -n ] && shift\nexec "$@"');
  prepare(path);
  const { status, lines } = setup(path);
  expect(status).toBe(1);
  expect(lines.at(-1)).toMatch(
    /^mcurl needs a C\+\+20 compiler .+ libcurl 7\.87 or newer, and the headers of OpenSSL: .+\.$/,
  );
});

// root may always.
test.skipIf(process.getuid?.() === 0)('without a right to install it says what to type', () => {
  const path = useTmp();
  const log = join(useTmp(), 'log');
  link(path, 'sh');
  script(path, 'apt-get', `echo "$*" >>${log}`);
  const { status, lines } = setup(path);
  expect({ status, lines }).toEqual({
    status: 1,
    lines: [expect.stringMatching(/: type 'sudo apt-get install .+'\.$/)],
  });
  expect(existsSync(log)).toBe(false);
});

test('when nothing is missing it says nothing', () => {
  const house = useSmallHouse();
  const path = process.env['PATH'] ?? '';
  expect(setup(path, house).status).toBe(0);
  expect(existsSync(join(house, 'dist/main.js'))).toBe(true);
  expect(setup(path, house)).toEqual({ status: 0, stdout: '', lines: [''] });
  // But what changed is built.
  writeFileSync(join(house, 'src/main.ts'), 'export const answer: string = 42;\n');
  const { status, stdout } = setup(path, house);
  expect(status).toBe(1);
  expect(stdout).toContain('TS2322');
  expect(setup(path, house).status).toBe(1);
});
