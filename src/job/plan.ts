/** Entry to target: what a line must be to be fetched, and what of it may be shown. */
import { type Entry, entryText, outputProblem } from '../list/entry.ts';
import type { RequestOptions } from '../native/binding.ts';
import { nameFromPath } from './names.ts';

/** For who may not know lists. */
export { outputProblem } from '../list/entry.ts';

/** What may be fetched, as WHATWG writes schemes (`https:`). */
export function schemesOf({ protocols = ['http', 'https'] }: RequestOptions): ReadonlySet<string> {
  return new Set(protocols.map((name) => `${name}:`));
}

/** An entry that can be fetched. */
export interface PlannedEntry {
  readonly url: string;
  /** Hrefs. */
  readonly mirrors: readonly string[] | undefined;
  /** The name it would have alone. */
  readonly name: string;
  /** Its list form, with hrefs. */
  readonly text: string;
}

/** What an entry asks for, or why it is bad. */
export function planEntry(entry: Entry, schemes: ReadonlySet<string>): PlannedEntry | string {
  const { output } = entry;
  const problem = entry.problem ?? (output === undefined ? undefined : outputProblem(output));
  const url = problem ?? parseEntry(entry.text, schemes);
  if (typeof url === 'string') {
    return url;
  }
  const { href } = url;
  const name = output ?? nameFromPath(url.pathname);
  if (entry.mirrors === undefined) {
    return { url: href, mirrors: undefined, name, text: entryText(href, entry) };
  }
  const mirrors: string[] = [];
  for (const text of entry.mirrors) {
    const mirror = parseEntry(text, schemes);
    if (typeof mirror === 'string') {
      return `its mirror ${redacted(text)}: ${mirror}`;
    }
    mirrors.push(mirror.href);
  }
  return { url: href, mirrors, name, text: entryText(href, { ...entry, mirrors }) };
}

const HAS_SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * Parses an entry, once for the whole job.
 *
 * @param schemes what may be fetched, as WHATWG writes it (`https:`)
 * @returns the URL, or in one sentence why the line is bad and what to type
 */
export function parseEntry(text: string, schemes: ReadonlySet<string>): URL | string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return HAS_SCHEME.test(text) ? 'this is no valid URL' : noScheme(text);
  }
  const { protocol } = url;
  if (!schemes.has(protocol)) {
    const scheme = protocol.slice(0, -1);
    const hint = /^(https?|ftps?)$/.test(scheme) ? `: --proto +${scheme} allows it` : '';
    // `localhost:8080/x` parses, with the scheme `localhost`.
    return HAS_SCHEME.test(text) ? `the scheme ${scheme} is not allowed${hint}` : noScheme(text);
  }
  return url.host === '' ? 'the URL names no host' : url;
}

function noScheme(text: string): string {
  if (text.includes('://')) {
    return 'this is no valid URL';
  }
  return `no scheme: did you mean https://${redacted(text).replace(/^\/+/, '')}?`;
}

/** An href without user and password: what may be printed. */
export function withoutUserinfo(href: string): string {
  return href.includes('@') ? href.replace(/^([^/?#]*:\/\/)[^/?#]*@/, '$1') : href;
}

/** A bad line without anything that may be a password: where no parser helps, all before the last `@` goes. */
export function redacted(text: string): string {
  return text.includes('@') ? text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/i, '$1') : text;
}

/** Scheme, host and port, by which failures are grouped; empty when `href` is no URL. */
export function hostOf(href: string): string {
  try {
    const { protocol, host } = new URL(href);
    return `${protocol}//${host}`;
  } catch {
    return '';
  }
}
