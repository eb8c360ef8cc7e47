/** What a job is given, as batches of entries: URLs, entries with options, and lists, in the order given. */
import { UsageError } from '../errors.ts';
import { quoteJson } from '../escape.ts';
import { type Entry, outputProblem, withOption } from '../list/entry.ts';
import { checkList, readList, textProblem } from '../list/lines.ts';
import type { EntryInput, Input, Inputs, ListInput } from './options.ts';

/** Entries of one list; `source` is undefined for those given by themselves. */
export interface Batch {
  readonly source: string | undefined;
  readonly entries: readonly Entry[];
}

/** Entries given by themselves that go on together; those of an async iterable go on one by one, as they come. */
const TOGETHER = 1024;

/** What an input may have. */
const OF_ENTRY: { readonly [Name in keyof Required<EntryInput>]: true } = {
  url: true,
  mirrors: true,
  output: true,
  checksum: true,
};
const OF_LIST: { readonly [Name in keyof Required<ListInput>]: true } = { list: true };

/**
 * Looks at an array of inputs before anything starts; of any other iterable nothing can be known.
 *
 * @throws UsageError `ERR_MCURL_INPUT` when these are no inputs, `ERR_MCURL_LIST` when a list cannot be read,
 *   `ERR_MCURL_OPTION` when a name is none
 */
export function checkInputs(inputs: Inputs): void {
  const given: unknown = inputs;
  if (
    typeof given !== 'object' ||
    given === null ||
    !(Symbol.iterator in given || Symbol.asyncIterator in given)
  ) {
    throw new UsageError('ERR_MCURL_INPUT', 'expected an iterable: put a single input in an array');
  }
  if (!Array.isArray(inputs)) {
    return;
  }
  const all: readonly Input[] = inputs;
  for (const [index, input] of all.entries()) {
    checkProperties(input, index + 1);
    const problem = isEntry(input) && input.output !== undefined && outputProblem(input.output);
    if (problem) {
      throw new UsageError('ERR_MCURL_OPTION', `output ${problem}`);
    }
  }
  const lists = all.filter(isList);
  if (lists.filter(({ list }) => list === '-').length > 1) {
    throw new UsageError('ERR_MCURL_LIST', 'stdin (-) can be read only once: name it once');
  }
  for (const { list } of lists) {
    checkList(list);
  }
}

/** How many entries there are, if that takes no reading: undefined as soon as there is a list. */
export function knownTotal(inputs: Inputs): number | undefined {
  return Array.isArray(inputs) && !inputs.some(isList) ? inputs.length : undefined;
}

/** Reads all lists, and nothing but counts. @returns undefined when only the first reader can tell, or when aborted */
export async function countInputs(
  inputs: Inputs,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (!Array.isArray(inputs)) {
    return undefined;
  }
  const { countEntries } = await import('../list/count.ts');
  let total = 0;
  for (const input of inputs as readonly Input[]) {
    const count = isList(input) ? await countEntries(input.list, signal) : 1;
    if (count === undefined) {
      return undefined;
    }
    total += count;
  }
  return total;
}

/**
 * Reads inputs as fast as batches are taken.
 *
 * @param signal ends the reading, also of an iterable that has nothing to say now
 * @throws UsageError `ERR_MCURL_INPUT` for an input that is none, and whatever the iterable throws
 */
export async function* readInputs(inputs: Inputs, signal: AbortSignal): AsyncGenerator<Batch> {
  const isAsync = Symbol.asyncIterator in inputs;
  const iterator = isAsync ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]();
  let isOver = false;
  const leave = () => {
    if (!isOver) {
      // Not waited for: one that hangs hangs alone.
      Promise.resolve(iterator.return?.()).catch(() => {});
    }
    isOver = true;
  };
  signal.addEventListener('abort', leave);
  try {
    let entries: Entry[] = [];
    for (let position = 1; !signal.aborted; position += 1) {
      const next = isAsync ? await iterator.next() : (iterator.next() as IteratorResult<Input>);
      if (next.done === true) {
        isOver = true;
        break;
      }
      const input = next.value;
      checkProperties(input, position);
      if (!isList(input)) {
        entries.push(entryOf(input, position));
      }
      if (entries.length > 0 && (isAsync || isList(input) || entries.length === TOGETHER)) {
        yield { source: undefined, entries };
        entries = [];
      }
      if (isList(input)) {
        for await (const ofList of readList(input.list, signal)) {
          yield { source: input.list, entries: ofList };
        }
      }
    }
    if (entries.length > 0) {
      yield { source: undefined, entries };
    }
  } finally {
    signal.removeEventListener('abort', leave);
    leave();
  }
}

function isList(input: Input): input is ListInput {
  return typeof input === 'object' && input !== null && 'list' in input;
}

function isEntry(input: Input): input is EntryInput {
  return typeof input === 'object' && input !== null && 'url' in input;
}

/** A misspelt checksum would check nothing. */
function checkProperties(input: Input, position: number): void {
  if (!isList(input) && !isEntry(input)) {
    return;
  }
  const known = isList(input) ? OF_LIST : OF_ENTRY;
  for (const name of Object.keys(input)) {
    if (!Object.hasOwn(known, name)) {
      throw new UsageError(
        'ERR_MCURL_INPUT',
        `input ${position} has ${quoteJson(name)}: ${isList(input) ? 'a list' : 'an entry'} can have ${Object.keys(known).join(', ')}`,
      );
    }
  }
}

function entryOf(input: Exclude<Input, ListInput>, line: number): Entry {
  const entry: EntryInput = isEntry(input) ? input : { url: input };
  const { url, mirrors, output, checksum } = entry;
  for (const part of [url, ...(mirrors ?? [])]) {
    if (typeof part !== 'string' && !(part instanceof URL)) {
      throw new UsageError(
        'ERR_MCURL_INPUT',
        `input ${line} is ${typeof part}: expected a URL, { url } or { list }`,
      );
    }
  }
  const text = String(url);
  const problem = textProblem([url, ...(mirrors ?? [])].join(''));
  let made: Entry = { line, text, problem };
  if (mirrors !== undefined && mirrors.length > 0) {
    made = { ...made, mirrors: mirrors.map(String) };
  }
  if (output !== undefined) {
    made = { ...made, output };
  }
  return checksum === undefined ? made : withOption(made, 'checksum', checksum);
}
