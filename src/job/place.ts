/** Where a job writes: the output directory and the journal, each made when missing and locked against a second job. */
import { createHash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { McurlError, NativeError, UsageError } from '../errors.ts';
import { binding } from '../native/binding.ts';
import type { Names } from './names.ts';
import type { FetchOptions, Inputs } from './options.ts';

/** The journal's name in an output directory. */
export const JOURNAL = '.mcurl-journal';
const MAX_NAME_BYTES = 255;

export interface Place {
  readonly directory: string;
  /** The inputs are one entry that says its name. */
  readonly isNamed: boolean;
  readonly journal: { readonly fd: number; readonly path: string } | undefined;
  /** The journal is of no more use, unless the user named it. */
  forget(): void;
  /** Another job may have the place. To be called once. */
  close(): void;
}

/**
 * @throws McurlError `ERR_MCURL_DIRECTORY` when nothing can be written there
 * @throws NativeError `ERR_MCURL_LOCKED` when another job has it, `ERR_MCURL_JOURNAL` when the journal cannot be opened
 * @throws UsageError `ERR_MCURL_JOURNAL` when there is none and only what it has not done is asked for
 */
export function openPlace(inputs: Inputs, options: FetchOptions): Place {
  const { directory = '.' } = options;
  const path = journalPath(inputs, options);
  makeDirectory(directory);
  const name = nameOf(inputs);
  const isDefault = options.journal === undefined;
  const directoryFd = name === undefined ? lock(directory, true) : undefined;
  let journal: Place['journal'];
  try {
    journal = path === false ? undefined : { fd: lock(path, false), path: resolve(path) };
  } catch (error) {
    close(directoryFd);
    throw error;
  }
  const forget = () => {
    if (isDefault && journal !== undefined) {
      rmSync(journal.path, { force: true });
    }
  };
  return {
    directory,
    isNamed: name !== undefined,
    journal,
    forget,
    close() {
      // Nothing was ever written to it: the job did not begin.
      if (journal !== undefined && fstatSync(journal.fd).size === 0) {
        forget();
      }
      close(journal?.fd);
      close(directoryFd);
    },
  };
}

/**
 * Where the journal of a job is, or is to be; false when it has none.
 *
 * @throws UsageError `ERR_MCURL_JOURNAL` when there is none and only what it has not done is asked for
 */
export function journalPath(inputs: Inputs, options: FetchOptions): string | false {
  const { directory = '.', onlyFailed = false } = options;
  const path = options.journal ?? join(directory, journalName(nameOf(inputs)));
  if (onlyFailed && (path === false || !existsSync(path))) {
    const where = path === false ? '' : `${path} `;
    throw new UsageError(
      'ERR_MCURL_JOURNAL',
      `no journal ${where}tells what is not done: it is there after a run that did not finish, and --journal keeps one`,
    );
  }
  return path;
}

/** Reserves the names of files of ours that lie among the downloads: they are none of them. */
export function reserveOurs(names: Names, journal: string | false, options: FetchOptions): void {
  const { directory = '.', manifest, failedOut } = options;
  for (const path of [journal || undefined, manifest, failedOut]) {
    if (path !== undefined && dirname(resolve(path)) === resolve(directory)) {
      names.reserve(basename(path));
    }
  }
}

function close(fd: number | undefined): void {
  if (fd !== undefined) {
    closeSync(fd);
  }
}

/** The name of a job of one file, which shares its directory with other jobs. */
export function nameOf(inputs: Inputs): string | undefined {
  const [only] = Array.isArray(inputs) && inputs.length === 1 ? inputs : [];
  return typeof only === 'object' && only !== null && 'output' in only ? only.output : undefined;
}

function journalName(name: string | undefined): string {
  if (name === undefined) {
    return JOURNAL;
  }
  const whole = `.${name}${JOURNAL}`;
  return Buffer.byteLength(whole) <= MAX_NAME_BYTES
    ? whole
    : `.${createHash('sha256').update(name).digest('hex')}${JOURNAL}`;
}

function lock(path: string, isDirectory: boolean): number {
  try {
    return binding().lock(path, isDirectory);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === undefined) {
      throw cause;
    }
    const wayOut =
      code === 'ERR_MCURL_JOURNAL' ? '; choose another with --journal, or --no-journal' : '';
    throw new NativeError(code, message + wayOut, { cause });
  }
}

function makeDirectory(directory: string): void {
  try {
    makeWithParents(directory);
    if (!statSync(directory).isDirectory()) {
      throw new Error('it is no directory');
    }
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new McurlError(
      'ERR_MCURL_DIRECTORY',
      `cannot write to the output directory ${directory}: ${(cause as Error).message}; choose another with -d`,
      { cause },
    );
  }
}

/** Node's own recursive mkdir never ends below /proc. */
function makeWithParents(directory: string): void {
  try {
    mkdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const parent = dirname(directory);
    if (code === 'ENOENT' && !existsSync(parent)) {
      makeWithParents(parent);
      mkdirSync(directory);
    } else if (!existsSync(directory)) {
      throw error;
    }
  }
}
