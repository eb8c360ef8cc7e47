/** What a job would do, without an engine. */
import { closeSync, constants, lstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { McurlError } from '../errors.ts';
import { type Earlier, readEarlier } from './earlier.ts';
import { checkInputs } from './inputs.ts';
import { bootId } from './journal.ts';
import { Names } from './names.ts';
import { checkOptions, type Inputs, type Planned, type PlanOptions } from './options.ts';
import { journalPath, nameOf, reserveOurs } from './place.ts';
import { planEntry, schemesOf, withoutUserinfo } from './plan.ts';
import { batchesOf, isWanted } from './read.ts';
import { badEntry } from './target.ts';

/**
 * Says of each input, in order, what would be fetched under which name, and touches nothing: the journal is read, if there
 * is one, but not locked. An entry that is no URL is a failed outcome.
 *
 * @throws UsageError as `fetchAll`, McurlError `ERR_MCURL_JOURNAL` when the journal cannot be read
 */
export async function* planAll(
  inputs: Inputs,
  options: PlanOptions = {},
): AsyncGenerator<Planned, void> {
  checkOptions(options);
  checkInputs(inputs);
  const { directory = '.', overwrite = false, onlyFailed = false, request = {} } = options;
  const { signal = new AbortController().signal } = options;
  const path = journalPath(inputs, options);
  const isNamed = nameOf(inputs) !== undefined;
  const schemes = schemesOf(request);
  const names = new Names();
  reserveOurs(names, path, options);
  const fd = path === false ? undefined : openIfThere(path);
  try {
    let earlier: Earlier | undefined;
    if (fd !== undefined) {
      const renew = overwrite && !onlyFailed;
      const how = { keepValidators: false, renew, signal, boot: bootId() };
      earlier = await readEarlier(fd, `${path}`, names, how);
    }
    let urlnum = 0;
    for await (const { source, entries } of batchesOf(inputs, options, earlier, signal)) {
      for (const entry of entries) {
        const planned = planEntry(entry, schemes);
        if (typeof planned === 'string') {
          yield badEntry(entry, source, urlnum, planned);
          urlnum += 1;
          continue;
        }
        const known = earlier?.take(planned.text, planned.name);
        if (!isWanted(known, options)) {
          continue;
        }
        const url = withoutUserinfo(planned.url);
        const name = isNamed ? planned.name : (known?.name ?? names.take(planned.name));
        const found = lstatSync(join(directory, name), { throwIfNoEntry: false });
        const isAgain = overwrite || known?.isUnsure === true;
        const { doneBytes = isAgain ? undefined : found?.size } = known ?? {};
        const exists = found?.isFile() === true && found.size === doneBytes;
        yield { type: 'plan', source, line: entry.line, url, name, exists };
        urlnum += 1;
      }
    }
  } finally {
    if (fd !== undefined) {
      closeSync(fd);
    }
  }
}

/** Never waits for a writer, if it is a pipe. */
function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return undefined;
    }
    throw new McurlError(
      'ERR_MCURL_JOURNAL',
      `cannot read the journal ${path}: ${message}; choose another with --journal, or --no-journal`,
      { cause },
    );
  }
}
