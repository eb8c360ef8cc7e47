/** Which calls are under way between a program and libcurl for one Multi; decides what is allowed within what. */
import { MultiError } from '../errors.ts';

export class MultiCalls {
  /** libcurl's calls of functions of an Easy inside that have not returned. */
  transferCallbacks = 0;
  #eventCallbacks = 0;
  #thrown: { readonly error: unknown } | undefined;

  /**
   * A call of the program that may make libcurl call back.
   *
   * @throws what a socket or timer function threw meanwhile
   * @throws MultiError CURLM_RECURSIVE_API_CALL from inside a callback. libcurl is not asked: which calls it detects
   *   depends on its version.
   */
  enter<Result>(name: string, call: () => Result): Result {
    if (this.transferCallbacks > 0 || this.#eventCallbacks > 0) throw recursive(name);
    return this.#outermost(call);
  }

  /** `curl_easy_pause`: allowed in the functions of an Easy, but not in those for sockets and times (CVE-2026-9080). */
  pause<Result>(call: () => Result): Result {
    if (this.#eventCallbacks > 0) throw recursive('pause');
    return this.transferCallbacks > 0 ? call() : this.#outermost(call);
  }

  /** libcurl's call of a socket or timer function: never throws, for the exception would cross libcurl. */
  event(callback: () => void): void {
    this.#eventCallbacks += 1;
    try {
      callback();
    } catch (error) {
      this.#thrown ??= { error };
    } finally {
      this.#eventCallbacks -= 1;
    }
  }

  #outermost<Result>(call: () => Result): Result {
    try {
      return call();
    } finally {
      const thrown = this.#thrown;
      this.#thrown = undefined;
      // biome-ignore lint/correctness/noUnsafeFinally: the program's own error comes before what followed from it.
      if (thrown !== undefined) throw thrown.error;
    }
  }
}

/** A call that libcurl does not allow inside a callback. */
export function recursive(name: string): MultiError {
  return new MultiError(
    'CURLM_RECURSIVE_API_CALL',
    `${name}: libcurl cannot be called from inside this callback; do it afterwards, for example by setImmediate`,
  );
}
