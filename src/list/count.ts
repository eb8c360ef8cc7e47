/** The second reader: counts a plain file's entries ahead, so that the total and the ETA are known early. */
import { open } from 'node:fs/promises';
import { isBlank, isGzip, withoutBom } from './lines.ts';

const CHUNK_BYTES = 1024 * 1024;
const LF = 0x0a;
const HASH = 0x23;

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
    /** The line has shown its first character that is no blank. */
    let isDecided = false;
    while (!signal.aborted) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) {
        return count;
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
        if (isDecided) {
          at = chunk.indexOf(LF, at);
          if (at < 0) {
            break;
          }
        }
        const byte = chunk[at] as number;
        if (byte === LF) {
          isDecided = false;
        } else if (!isBlank(byte)) {
          isDecided = true;
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
