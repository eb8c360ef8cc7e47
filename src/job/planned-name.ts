/** What the bytes of a plan line say of the name in it, without making a string of each of ten million. */
import { nameFromPath, suffixOf } from './names.ts';

const SLASH = 0x2f;
const QUERY = 0x3f;
const FRAGMENT = 0x23;

/** An entry is more than a URL. */
export const OPTIONED = -1;

/**
 * The number that made `name` of the name that the URL `bytes[from, to)` would have alone. Undefined when it was made
 * otherwise: by `-o`, or by the rules of another version; OPTIONED when there is more than a URL.
 */
export function suffixIn(
  bytes: Uint8Array,
  from: number,
  to: number,
  name: string,
): number | undefined {
  let start = from;
  let end = to;
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] as number;
    if (byte < 0x20) {
      return OPTIONED;
    }
    if (end === to) {
      if (byte === SLASH) {
        start = at + 1;
      } else if (byte === QUERY || byte === FRAGMENT) {
        end = at;
      }
    }
  }
  return isAt(bytes, start, end, name) && nameFromPath(name) === name
    ? 0
    : suffixOf(nameFromPath(utf8(bytes, start, end)), name);
}

/** The name that a URL has alone; empty of what is none. */
export function plainName(url: string): string {
  return URL.canParse(url) ? nameFromPath(new URL(url).pathname) : '';
}

/** The text of `bytes[from, to)`. */
export function utf8(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString();
}

function isAt(bytes: Uint8Array, from: number, to: number, text: string): boolean {
  if (text.length !== to - from) {
    return false;
  }
  for (let at = 0; at < text.length; at += 1) {
    if (bytes[from + at] !== text.charCodeAt(at)) {
      return false;
    }
  }
  return true;
}
