/** What a file must be: `TYPE=HEX`. */

/** Hexadecimal digits of each type, strongest first. */
const DIGITS: Readonly<Record<string, number>> = {
  'sha-512': 128,
  'sha-256': 64,
  'sha-1': 40,
  md5: 32,
};

/** The types, as a message names them. */
export const CHECKSUM_TYPES: string = Object.keys(DIGITS).join(', ');

/**
 * A checksum as aria2 and people write it (`sha-256=…`, `SHA256=…`).
 *
 * @returns it in one form, type and digits in lower case (`sha-256=…`); undefined when the type is not known or the digits are
 *   not as many as it has
 */
export function parseChecksum(text: string): string | undefined {
  const [, given = '', hex = ''] = /^([a-z0-9-]+)=([0-9a-f]+)$/i.exec(text) ?? [];
  const type = given.toLowerCase().replace(/^sha(?=\d)/, 'sha-');
  return Object.hasOwn(DIGITS, type) && DIGITS[type] === hex.length
    ? `${type}=${hex.toLowerCase()}`
    : undefined;
}
