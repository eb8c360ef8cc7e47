/** The name that a server proposes for a body: RFC 6266, read as browsers do, for few servers write it as it should be. */
import { safeName } from './names.ts';

/**
 * A parameter: a name, `=`, a quoted string (which may lack its end) or all up to the next semicolon. RFC 6266 4.1 wants a token
 * there, but servers send blanks, commas and raw UTF-8.
 */
const PARAMETER = /(?:^|;)\s*([^=;\s"]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"?|([^;]*))/gs;
/** RFC 8187 3.2: charset, language, percent-encoded bytes. */
const EXTENDED = /^(utf-8|iso-8859-1)'[^']*'((?:[!-$&-~]|%[0-9a-f]{2})+)$/i;

/**
 * The file name in a Content-Disposition header, made one safe path component of at most 240 bytes. `filename*` wins over
 * `filename`, and a broken one counts as none; of equal ones the first wins.
 *
 * @returns undefined when there is none, or nothing of it is left
 */
export function nameFromContentDisposition(header: string): string | undefined {
  let plain: string | undefined;
  let extended: string | undefined;
  for (const [, name = '', quoted, bare = ''] of header.matchAll(PARAMETER)) {
    // Internet Explorer's paths have bare backslashes, so only what must be escaped counts as escaped.
    const value = quoted?.replace(/\\(["\\])/g, '$1') ?? bare.trim();
    if (name.toLowerCase() === 'filename') {
      plain ??= utf8(value);
    } else if (name.toLowerCase() === 'filename*') {
      extended ??= decoded(value);
    }
  }
  return safeName(extended ?? '') || safeName(plain ?? '') || undefined;
}

/** What an extended value says; undefined when it is not as RFC 8187 wants it. */
function decoded(value: string): string | undefined {
  const [, charset = '', encoded] = EXTENDED.exec(value) ?? [];
  if (encoded === undefined) {
    return undefined;
  }
  const bytes = encoded.replace(/%(..)/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  if (charset.toLowerCase() === 'iso-8859-1') {
    return bytes;
  }
  const text = Buffer.from(bytes, 'latin1').toString('utf8');
  return text.includes('\ufffd') ? undefined : text;
}

/** A header that came as bytes, one a character: they are UTF-8 if they can be, else Latin-1. */
function utf8(value: string): string {
  if (!/^[\0-\xff]*$/.test(value)) {
    return value;
  }
  const text = Buffer.from(value, 'latin1').toString('utf8');
  return text.includes('\ufffd') ? value : text;
}
