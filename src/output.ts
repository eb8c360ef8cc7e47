/** Writes to stdout and stderr from a thread of their own, so that a reader that stands still stops nobody here. */
import { write } from 'node:fs';

const RETRY_MS = 20;

/**
 * A queue of text before a file descriptor. What waits goes out in one write, whole lines if whole lines came in.
 * When the reader is gone (EPIPE) the rest is dropped in silence: a closed pipe ends no download.
 */
export class Output {
  readonly #fd: number;
  #pending: string[] = [];
  #pendingLength = 0;
  #writingLength = 0;
  #isGone = false;
  #failure: Error | undefined;
  #onIdle: (() => void)[] = [];

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Characters not yet written. */
  get length(): number {
    return this.#pendingLength + this.#writingLength;
  }

  /** Why writing ended, unless the reader just went away: a full disk, for example. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  write(text: string): void {
    if (this.#isGone || text === '') return;
    this.#pending.push(text);
    this.#pendingLength += text.length;
    if (this.#writingLength === 0) this.#next();
  }

  /** Resolves when all that was written so far has left, or nobody reads it any more. */
  flush(): Promise<void> {
    if (this.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  #next(): void {
    if (this.#pendingLength === 0) {
      this.#writingLength = 0;
      for (const resolve of this.#onIdle.splice(0)) resolve();
      return;
    }
    const text = this.#pending.join('');
    this.#pending = [];
    this.#writingLength = text.length;
    this.#pendingLength = 0;
    this.#send(Buffer.from(text));
  }

  #send(bytes: Buffer): void {
    write(this.#fd, bytes, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#send(bytes), RETRY_MS);
      } else if (error) {
        this.#isGone = true;
        if (error.code !== 'EPIPE') this.#failure = error;
        this.#pending = [];
        this.#pendingLength = 0;
        this.#next();
      } else if (written < bytes.length) {
        this.#send(bytes.subarray(written));
      } else {
        this.#next();
      }
    });
  }
}
