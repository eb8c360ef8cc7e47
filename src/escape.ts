/** Makes text that a server or a list wrote harmless: on a terminal, in a log, in one line. */

// Written with \u escapes only, so that this file holds none of them: C0, DEL, C1; soft hyphen, zero-width and
// bidirectional controls, line and paragraph separators, tags and the byte order mark; lone surrogates.
const HARMFUL =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udc7f]/g;

/** `\n` as `\x0a`, a right-to-left override as `\u202e`: visible, and on one line. */
export function escapeText(text: string): string {
  return text.replace(HARMFUL, (found) => {
    const code = found.codePointAt(0) ?? 0;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code < 0x10000
      ? `\\u${code.toString(16).padStart(4, '0')}`
      : `\\u{${code.toString(16)}}`;
  });
}

/** A JSON string that shows nothing harmful either: JSON.stringify leaves DEL, C1 and bidirectional controls bare. */
export function quoteJson(text: string): string {
  // Most URLs, names and addresses need nothing.
  if (/^[ !#-[\]-~]*$/.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(HARMFUL, (found) =>
    [...Array(found.length).keys()]
      .map((at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
