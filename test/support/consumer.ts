/** A project of somebody else's that has mcurl among its packages. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { onTestFinished } from 'vitest';
import { useTmp } from './tmp.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a strict project asks of its compiler; declarations of its packages are checked, too. */
const STRICT = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'];
const TYPES = ['--types', 'node', '--module', 'nodenext', '--target', 'es2023', '--noEmit'];

/** A project, removed after the test, with these packages and these files (text by name). */
export function useConsumer(files: Readonly<Record<string, string>>, packages: string[] = []) {
  const directory = useTmp();
  mkdirSync(join(directory, 'node_modules', '@types'), { recursive: true });
  symlinkSync(root, join(directory, 'node_modules', 'mcurl'));
  for (const name of ['@types/node', ...packages]) {
    symlinkSync(join(root, 'node_modules', name), join(directory, 'node_modules', name));
  }
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }\n');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return {
    directory,
    /** What the compiler finds wrong. */
    typeErrors(): string {
      const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
      const sources = Object.keys(files);
      const args = [compiler, ...STRICT, ...TYPES, ...sources];
      return spawnSync(process.execPath, args, { cwd: directory, encoding: 'utf8' }).stdout;
    },
    /** Runs a TypeScript file with the Node of the tests, whatever that can read. */
    async run(name: string, ...args: string[]) {
      const options = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext };
      const text = ts.transpileModule(files[name] ?? '', { compilerOptions: options }).outputText;
      writeFileSync(join(directory, 'run.mjs'), text);
      const child = spawn(process.execPath, ['run.mjs', ...args], { cwd: directory });
      onTestFinished(() => void child.kill('SIGKILL'));
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (piece: string) => {
        stdout += piece;
      });
      child.stderr.setEncoding('utf8').on('data', (piece: string) => {
        stderr += piece;
      });
      const [code] = await once(child, 'close');
      return { code, stdout, stderr };
    },
  };
}
