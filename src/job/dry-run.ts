/** What a job would do, without an engine. */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { checkInputs, readInputs } from './inputs.ts';
import { Names } from './names.ts';
import type { Inputs, Planned, PlanOptions } from './options.ts';
import { planEntry, schemesOf, withoutUserinfo } from './plan.ts';
import { badEntry } from './target.ts';

/**
 * Says of each input, in order, what would be fetched under which name, and touches nothing. An entry that is no URL is a
 * failed outcome.
 *
 * @throws UsageError as `fetchAll`
 */
export async function* planAll(
  inputs: Inputs,
  options: PlanOptions = {},
): AsyncGenerator<Planned, void> {
  checkInputs(inputs);
  const { directory = '.', overwrite = false, request = {} } = options;
  const { signal = new AbortController().signal } = options;
  const schemes = schemesOf(request);
  const names = new Names();
  let urlnum = 0;
  for await (const { source, entries } of readInputs(inputs, signal)) {
    for (const entry of entries) {
      const planned = planEntry(entry, schemes);
      if (typeof planned === 'string') {
        yield badEntry(entry, source, urlnum, planned);
      } else {
        const { url } = planned;
        const name = names.take(planned.name);
        const found = lstatSync(join(directory, name), { throwIfNoEntry: false });
        const exists = !overwrite && found?.isFile() === true;
        yield { type: 'plan', source, line: entry.line, url: withoutUserinfo(url), name, exists };
      }
      urlnum += 1;
    }
  }
}
