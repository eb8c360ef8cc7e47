/** The second reader: counts a plain file's entries ahead, so that the total and the ETA are known early. */
import { open } from 'node:fs/promises';
import { isBlank, isGzip, withoutBom } from './lines.ts';

const CHUNK_BYTES = 1024 * 1024;
const LF = 0x0a;
const HASH = 0x23;
const EQUALS = 0x3d;
const SPACE = 0x20;
const TAB = 0x09;
const HYPHEN = 0x2d;
const NINE = 0x39;

/** Where in a line the reader is: `name` is a word at the beginning of an indented one, `named` behind it. */
type State = 'start' | 'indented' | 'name' | 'named' | 'decided';

/** What the name of an option is made of, as `parseOption` has it. */
function isWord(byte: number): boolean {
  const lower = byte | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || (byte >= 0x30 && byte <= NINE) || byte === HYPHEN;
}

/**
 * How many entries `readList` will find, bad ones included.
 *
 * @returns undefined when only reading can tell (stdin, a pipe, gzip, a file that cannot be read), or when aborted
 */
export async function countEntries(path: string, signal: AbortSignal): Promise<number | undefined> {
  if (path === '-') {
    return undefined;
  }
  let file: Awaited<ReturnType<typeof open>> | undefined;
  try {
    file = await open(path);
    if (!(await file.stat()).isFile()) {
      return undefined;
    }
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    let count = 0;
    let isStart = true;
    let state: State = 'start';
    while (!signal.aborted) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) {
        return count + (state === 'name' || state === 'named' ? 1 : 0);
      }
      let chunk: Buffer = buffer.subarray(0, bytesRead);
      if (isStart) {
        isStart = false;
        if (isGzip(chunk)) {
          return undefined;
        }
        chunk = withoutBom(chunk);
      }
      for (let at = 0; at < chunk.length; at += 1) {
        if (state === 'decided') {
          at = chunk.indexOf(LF, at);
          if (at < 0) {
            break;
          }
        }
        const byte = chunk[at] as number;
        if (state === 'name' || state === 'named') {
          if (state === 'name' && isWord(byte)) {
            continue;
          }
          if (byte === SPACE || byte === TAB) {
            state = 'named';
            continue;
          }
          // An option of the entry before it, when there is one.
          count += byte === EQUALS && count > 0 ? 0 : 1;
          state = 'decided';
        }
        if (byte === LF) {
          state = 'start';
        } else if (isBlank(byte)) {
          state = state === 'start' ? 'indented' : state;
        } else if (state === 'indented' && isWord(byte) && byte > NINE) {
          state = 'name';
        } else if (state !== 'decided') {
          state = 'decided';
          count += byte === HASH ? 0 : 1;
        }
      }
    }
    return undefined;
  } catch {
    return undefined; // The first reader meets the same trouble and reports it.
  } finally {
    await file?.close();
  }
}
