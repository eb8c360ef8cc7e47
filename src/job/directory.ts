/** The output directory: made when missing, refused when nothing can be written there. */
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { McurlError } from '../errors.ts';

/** @throws McurlError `ERR_MCURL_DIRECTORY` */
export function makeDirectory(directory: string): void {
  try {
    makeWithParents(directory);
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
