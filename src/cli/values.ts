/** What option values may be: each parser throws an error that names what was expected. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { CHECKSUM_TYPES, parseChecksum } from '../checksum.ts';
import { parseDuration, parseSize } from '../units.ts';

/** Schemes that libcurl and mcurl can fetch from. */
export const SCHEMES = ['http', 'https', 'ftp', 'ftps'];

/** A parser of whole numbers from `least` to `most`. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  };
}

/** Milliseconds. */
export function duration(text: string): number {
  const delayMs = parseDuration(text);
  if (delayMs !== undefined) return delayMs;
  throw new InvalidArgumentError('Expected seconds (30, 2.5) or 10m, 1h.');
}

/** Bytes. */
export function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError('Expected bytes, or a size like 100k, 1.5M, 2G.');
}

/** `-`: what mcurl does anyway. */
export function continueAt(text: string): string {
  if (text === '-') return text;
  throw new InvalidArgumentError('mcurl finds out itself where a file goes on: leave it out.');
}

/** `TYPE=HEX`, in one form. */
export function checksum(text: string): string {
  const parsed = parseChecksum(text);
  if (parsed !== undefined) return parsed;
  throw new InvalidArgumentError(
    `Expected TYPE=HEX with all its digits; types are ${CHECKSUM_TYPES}.`,
  );
}

/** `FILE[:PASSWORD]` as curl's `-E` takes it: `\\:` is a colon of the name, `\\\\` a backslash. */
export function certificate(text: string): {
  readonly cert: string;
  readonly keyPassword?: string;
} {
  if (text.startsWith('pkcs11:')) return { cert: text };
  const name = /^(?:[^\\:]|\\.)*/.exec(text)?.[0] ?? '';
  const cert = name.replace(/\\([\\:])/g, '$1');
  return name.length < text.length ? { cert, keyPassword: text.slice(name.length + 1) } : { cert };
}

/** Text that becomes part of a request: what could end a header line is refused. */
export function headerText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
  if (!/[\u0000\r\n]/.test(text)) return text;
  throw new InvalidArgumentError('Expected no carriage return, line feed or NUL in it.');
}

/** Header lines: one as written, or those of a file (`@FILE`, `@-` is stdin), as curl's `-H`. */
export function headers(text: string, before: readonly string[] = []): readonly string[] {
  if (!text.startsWith('@')) return [...before, headerText(text)];
  return [
    ...before,
    ...fileLines(text.slice(1))
      .filter((line) => line !== '')
      .map(headerText),
  ];
}

/** What `-b` says: text with `=` is a cookie, anything else is the name of a cookie file. */
export interface Cookies {
  readonly cookie?: string;
  readonly cookieLines?: readonly string[];
}

export function cookies(text: string, before: Cookies = {}): Cookies {
  if (text.includes('=')) {
    const cookie = headerText(text);
    return { ...before, cookie: before.cookie ? `${before.cookie}; ${cookie}` : cookie };
  }
  const lines = text === '' ? [] : fileLines(text).filter((line) => line !== '');
  return { ...before, cookieLines: [...(before.cookieLines ?? []), ...lines] };
}

export function userpwd(text: string): string {
  if (text.includes(':')) return headerText(text);
  throw new InvalidArgumentError(
    `Expected -u user:password; mcurl does not ask for a password (-u ${text}: sends an empty one).`,
  );
}

/** curl's grammar: `+ftp` adds, `-http` removes, `=https` allows only that; `all`; several joined by commas. */
export function protocols(text: string, before = ['http', 'https']): string[] {
  let allowed = new Set(before);
  for (const word of text.split(',')) {
    const [, sign, name = ''] = /^([+=-]?)(.*)$/.exec(word.trim().toLowerCase()) ?? [];
    const named = name === 'all' ? SCHEMES : [name];
    if (name !== 'all' && !SCHEMES.includes(name)) {
      throw new InvalidArgumentError(
        `Expected schemes like +ftp, -http, =https or all; mcurl knows ${SCHEMES.join(', ')}.`,
      );
    }
    if (sign === '=') allowed = new Set();
    for (const scheme of named) {
      if (sign === '-') allowed.delete(scheme);
      else allowed.add(scheme);
    }
  }
  return [...allowed];
}

export function resolveLine(text: string, before: readonly string[] = []): readonly string[] {
  if (/^\+?[^:]+:\d+:\S+$|^-[^:]+:\d+$/.test(text)) return [...before, text];
  throw new InvalidArgumentError('Expected HOST:PORT:ADDRESS[,ADDRESS].');
}

export function connectToLine(text: string, before: readonly string[] = []): readonly string[] {
  const host = String.raw`(?:\[[^\]]*\]|[^:\s]*)`;
  if (new RegExp(`^${host}:\\d*:${host}:\\d*$`).test(text)) return [...before, text];
  throw new InvalidArgumentError('Expected HOST1:PORT1:HOST2:PORT2; each may be empty.');
}

/** A file that must be readable. */
export function readableFile(path: string): string {
  try {
    accessSync(path, constants.R_OK);
    return path;
  } catch (error) {
    throw new InvalidArgumentError(
      `Expected a file that can be read (${(error as Error).message}).`,
    );
  }
}

export function several(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function fileLines(path: string): string[] {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8').split(/\r?\n/);
  } catch (error) {
    throw new InvalidArgumentError(
      `Expected a file that can be read (${(error as Error).message}).`,
    );
  }
}
