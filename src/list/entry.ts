/** What one item of a list may ask for, and its list form: aria2's, of which these parts mean something here. */
import { parseChecksum } from '../checksum.ts';
import { quoteJson } from '../escape.ts';

/** One item of a list, as the user wrote it. */
export interface Entry {
  /** Line in the list, from 1. */
  readonly line: number;
  /** The URL without surrounding blanks; the beginning of it when it is too long. */
  readonly text: string;
  /** Why the entry is bad, for people; undefined when it may be fetched. */
  readonly problem: string | undefined;
  /** Further URLs of the same file, as written. */
  readonly mirrors?: readonly string[];
  /** Final name inside the output directory (`out=`). */
  readonly output?: string;
  /** What the file must be, as `parseChecksum` gives it (`checksum=`). */
  readonly checksum?: string;
}

/** `.part` must fit behind a name that the user chose. */
const MAX_OUTPUT_NAME_BYTES = 250;

/** Why a name that the user chose cannot be one; undefined when it can. */
export function outputProblem(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
    return `${name}: expected a file name without a path; choose the directory with -d`;
  }
  if (/[\p{Cc}\p{Cs}\ufffd]/u.test(name)) {
    return `${quoteJson(name)}: a name has no control characters, and is valid Unicode; choose another name`;
  }
  if (/\.part$/i.test(name)) {
    return `${name}: files that end in .part are those not yet whole; choose another name`;
  }
  if (/\.mcurl-journal$/i.test(name)) {
    return `${name}: files that end in .mcurl-journal are journals; choose another name`;
  }
  return Buffer.byteLength(name) > MAX_OUTPUT_NAME_BYTES
    ? `${name.slice(0, 50)}…: the name is longer than ${MAX_OUTPUT_NAME_BYTES} bytes`
    : undefined;
}

/**
 * The list form of an entry, without a newline at its end: what a journal has of it, and a list of failed entries.
 * For an entry without options it is the URL.
 *
 * @param url and `options.mirrors`: hrefs, so that one entry has one form however it was written
 */
export function entryText(
  url: string,
  { mirrors, output, checksum }: Pick<Entry, 'mirrors' | 'output' | 'checksum'>,
): string {
  let text = url;
  for (const mirror of mirrors ?? []) {
    text += `\t${mirror}`;
  }
  if (output !== undefined) {
    text += `\n out=${output}`;
  }
  return checksum === undefined ? text : `${text}\n checksum=${checksum}`;
}

/**
 * What a journal knows an entry by: of its list form the first URL and the name. Another mirror or checksum makes no other
 * entry.
 */
export function keyOf(text: string): string {
  if (!text.includes('\n') && !text.includes('\t')) {
    return text;
  }
  const [urls = '', ...options] = text.split('\n');
  const [url = ''] = urls.split('\t', 1);
  const output = options.find((option) => option.startsWith(' out='));
  return output === undefined ? url : `${url}\n${output}`;
}

/** `name=value`, its name without `--`; a URL has `:` or `.` before any `=`. */
const OPTION = /^([a-z][a-z0-9-]*)[ \t]*=[ \t]*(.*)$/is;

/** The parts of an option line; undefined when it is none. */
export function parseOption(text: string): { name: string; value: string } | undefined {
  const [, name, value] = OPTION.exec(text) ?? [];
  return name === undefined || value === undefined ? undefined : { name, value };
}

/** `entry` with one more option; bad when the option is. */
export function withOption(entry: Entry, name: string, value: string): Entry {
  if (entry.problem !== undefined) {
    return entry;
  }
  if (name === 'out') {
    const problem = outputProblem(value);
    return problem === undefined
      ? { ...entry, output: value }
      : { ...entry, problem: `out=${problem}` };
  }
  if (name === 'checksum') {
    const checksum = parseChecksum(value);
    return checksum === undefined
      ? { ...entry, problem: `checksum=${value}: expected TYPE=HEX, as sha-256=…` }
      : { ...entry, checksum };
  }
  return {
    ...entry,
    problem: `the option ${name}= is not known here: an entry can have out=NAME and checksum=TYPE=HEX`,
  };
}
