/** An easy handle: one transfer's options, functions and facts. `Multi` runs it. */
import { EasyError, NativeError } from '../errors.ts';
import { binding, type NativeEasy, type NativeFunction } from './binding.ts';
import {
  type EasyFunctions,
  type EasyInfos,
  type EasyOptions,
  type FunctionOption,
  INFO_NUMBERS,
  OPTION_KINDS,
} from './easy-options.ts';
import { CURL_READFUNC_ABORT, CURL_READFUNC_PAUSE, CURLE_OK } from './easy-values.ts';
import { type MultiCalls, recursive } from './multi-calls.ts';

const WRITEFUNC_ERROR = 0xffffffff;

/** The names of the codes that options, infos and pausing fail with. */
const CODE_NAMES = new Map([
  [1, 'CURLE_UNSUPPORTED_PROTOCOL'],
  [4, 'CURLE_NOT_BUILT_IN'],
  [23, 'CURLE_WRITE_ERROR'],
  [27, 'CURLE_OUT_OF_MEMORY'],
  [43, 'CURLE_BAD_FUNCTION_ARGUMENT'],
  [48, 'CURLE_UNKNOWN_OPTION'],
  [53, 'CURLE_SSL_ENGINE_NOTFOUND'],
  [54, 'CURLE_SSL_ENGINE_SETFAILED'],
  [66, 'CURLE_SSL_ENGINE_INITFAILED'],
]);
const BAD_FUNCTION_ARGUMENT = 43;
const UNKNOWN_OPTION = 48;

/** Options beside texts, lists and bytes whose memory a running transfer uses. */
const BUFFER_OPTIONS = new Set(['BUFFERSIZE', 'UPLOAD_BUFFERSIZE']);
const SIZE_OPTIONS = new Set(['POSTFIELDSIZE', 'POSTFIELDSIZE_LARGE']);

/** The Multi that an Easy is inside. */
export interface Home {
  readonly calls: MultiCalls;
  remove(easy: Easy): void;
  /** libcurl only says so to whoever called: the transfer is to end with this CURLcode. */
  failedInPause(easy: Easy, code: number): void;
}

/** What a Multi may do with an Easy, and nobody else. */
export interface EasyInside {
  readonly native: NativeEasy;
  readonly isClosed: boolean;
  readonly home: Home | undefined;
  /** It failed in `pause`; what libcurl says of it later does not count. */
  readonly hasFailed: boolean;
  /**
   * It is inside `home` from now on.
   *
   * @throws MultiError CURLM_RECURSIVE_API_CALL from inside a function of its own
   */
  enter(home: Home): void;
  /** infoRead has told its end: libcurl does no more with it. */
  ended(): void;
  leave(): void;
}

/** The inside of an Easy, for Multi. */
export let insideOf: (easy: Easy) => EasyInside;

/**
 * An easy handle (curl_easy_init(3)) for transfers that a `Multi` runs.
 *
 * libcurl's defaults hold, with two exceptions: `NOSIGNAL` is 1, for signals are Node's, and `QUICK_EXIT` is 1, so that a
 * removal does not wait until a name has been looked up. So every protocol that libcurl was built with is allowed, `file:`
 * too; give `PROTOCOLS_STR` ('http,https') where URLs come from others, and `REDIR_PROTOCOLS_STR` beside
 * `FOLLOWLOCATION`. Without a WRITEFUNCTION the body goes to stdout.
 *
 * @example
 * const easy = new Easy();
 * easy.setopt('URL', 'https://example.com/');
 * easy.setopt('WRITEFUNCTION', (data) => { body.push(data); });
 */
export class Easy {
  readonly #native: NativeEasy;
  #home: Home | undefined;
  #isRunning = false;
  /** libcurl's calls of functions of this Easy that have not returned. */
  #callbacks = 0;
  #hasFailed = false;
  #isClosed = false;
  #hasBody = false;
  #private: unknown;
  #thrown: { readonly error: unknown } | undefined;

  static {
    insideOf = (easy) => easy.#inside;
  }

  readonly #inside: EasyInside;

  /** @throws NativeError `ERR_MCURL_LIBCURL` when the libcurl in use cannot be */
  constructor() {
    const { NativeEasy: Native } = binding();
    try {
      this.#native = new Native();
    } catch (cause) {
      throw new NativeError('ERR_MCURL_LIBCURL', (cause as Error).message, { cause });
    }
    this.#native.owner = this;
    this.#inside = this.#makeInside();
  }

  /**
   * Sets an option (curl_easy_setopt(3)). While a transfer runs, that is from `addHandle` until `infoRead` told its end,
   * and within its functions at any time, only numbers other than sizes, functions and `PRIVATE` may be set: libcurl uses
   * the memory of the others.
   *
   * @throws EasyError with libcurl's code: `CURLE_UNKNOWN_OPTION` also for options that cannot be set from JavaScript;
   *   `ERR_MCURL_RUNNING` for what a running transfer uses; `ERR_MCURL_CLOSED` after `cleanup`
   * @throws TypeError when the value is not of the option's type
   */
  setopt<Name extends keyof EasyOptions>(name: Name, value: EasyOptions[Name]): void {
    const native = this.#open('setopt');
    const kind = OPTION_KINDS.get(name);
    if (kind === undefined) {
      throw new EasyError('CURLE_UNKNOWN_OPTION', `${name} is no option that JavaScript can set`);
    }
    const isSize = SIZE_OPTIONS.has(name);
    if (
      (this.#isRunning || this.#callbacks > 0) &&
      (kind === 'string' ||
        kind === 'list' ||
        kind === 'blob' ||
        kind === 'body' ||
        isSize ||
        BUFFER_OPTIONS.has(name))
    ) {
      throw new EasyError(
        'ERR_MCURL_RUNNING',
        `${name} cannot be set while the transfer runs: set it before addHandle, or after removeHandle`,
      );
    }
    switch (kind) {
      case 'number':
        // libcurl copied as many bytes as the body has, and would read as many as this says.
        if (isSize && this.#hasBody) {
          throw new TypeError(`${name} is set by POSTFIELDS; set POSTFIELDS to null first`);
        }
        this.#check(name, native.setopt(name, integerOf(name, value)));
        return;
      case 'string':
        this.#check(name, native.setopt(name, value === null ? null : textOf(name, value)));
        return;
      case 'list': {
        if (value !== null && !Array.isArray(value)) throw wrongType(name, 'an array of strings');
        const lines = value as readonly unknown[] | null;
        this.#check(name, native.setopt(name, lines?.map((line) => textOf(name, line)) ?? null));
        return;
      }
      case 'blob':
        if (value !== null && !(value instanceof Uint8Array)) throw wrongType(name, 'a Uint8Array');
        this.#check(name, native.setopt(name, value as Uint8Array | null));
        return;
      case 'body': {
        const body: unknown = typeof value === 'string' ? Buffer.from(value) : value;
        if (body !== null && !(body instanceof Uint8Array)) {
          throw wrongType(name, 'a string or a Uint8Array');
        }
        this.#check(name, native.setBody(body));
        this.#hasBody = body !== null;
        return;
      }
      case 'function':
        if (value !== null && typeof value !== 'function') throw wrongType(name, 'a function');
        this.#setFunction(name as FunctionOption, value as EasyFunctions[FunctionOption] | null);
        return;
      case 'private':
        this.#private = value;
    }
  }

  /**
   * A fact about the last transfer (curl_easy_getinfo(3)); null where libcurl has none. Allowed within callbacks.
   *
   * @throws EasyError `CURLE_UNKNOWN_OPTION` for a name that this libcurl does not know, `ERR_MCURL_CLOSED` after `cleanup`
   */
  getinfo<Name extends keyof EasyInfos>(name: Name): EasyInfos[Name] {
    const native = this.#open('getinfo');
    if (name === 'PRIVATE') return this.#private as EasyInfos[Name];
    const value = Object.hasOwn(INFO_NUMBERS, name)
      ? native.getinfo(INFO_NUMBERS[name as keyof typeof INFO_NUMBERS])
      : undefined;
    if (value === undefined) throw this.#failure(name, UNKNOWN_OPTION);
    return value as EasyInfos[Name];
  }

  /**
   * What one of this Easy's functions threw during the last transfer, the first one; undefined when none did. Forgotten by
   * `addHandle` and `reset`.
   */
  get error(): unknown {
    return this.#thrown?.error;
  }

  /** libcurl's own words about the last failure (CURLOPT_ERRORBUFFER(3)), or ''; may have the server's text in it. */
  get errorBuffer(): string {
    return this.#open('errorBuffer').errorBuffer;
  }

  /**
   * Pauses and continues a running transfer (curl_easy_pause(3)): `bitmask` is the new state, of the CURLPAUSE_ constants.
   * To continue may call the write function before this returns; when the transfer fails then, its end is told by
   * `infoRead` like any other. Allowed in the functions of an Easy.
   *
   * @throws MultiError `CURLM_RECURSIVE_API_CALL` inside a socket or timer function
   * @throws EasyError `CURLE_BAD_FUNCTION_ARGUMENT` when the transfer has no connection yet, or no more
   */
  pause(bitmask: number): void {
    const native = this.#open('pause');
    const bits = intOf('pause: bitmask', bitmask);
    const home = this.#home;
    if (home === undefined) {
      this.#check('pause', native.pause(bits));
      return;
    }
    home.calls.pause(() => {
      const code = native.pause(bits);
      if (code === CURLE_OK || code === BAD_FUNCTION_ARGUMENT) {
        this.#check('pause', code);
      } else if (!this.#hasFailed) {
        this.#hasFailed = true;
        home.failedInPause(this, code);
      }
    });
  }

  /**
   * Sets all options to their defaults (curl_easy_reset(3)); connections, cookies and `PRIVATE`, which is the program's, stay.
   *
   * @throws EasyError `ERR_MCURL_RUNNING` while the transfer runs
   * @throws MultiError `CURLM_RECURSIVE_API_CALL` inside a function of this Easy
   */
  reset(): void {
    const native = this.#open('reset');
    if (this.#isRunning) {
      throw new EasyError('ERR_MCURL_RUNNING', 'reset: the transfer runs; removeHandle first');
    }
    this.#refuseInside('reset');
    for (const [name, kind] of OPTION_KINDS) {
      if (kind === 'function') native[name as FunctionOption] = undefined;
    }
    native.reset();
    this.#hasBody = false;
    this.#thrown = undefined;
  }

  /** libcurl's words for a CURLcode (curl_easy_strerror(3)). */
  strerror(code: number): string {
    return binding().NativeEasy.strerror(intOf('strerror: code', code));
  }

  /**
   * Frees the handle (curl_easy_cleanup(3)), after it was removed from its Multi. A second call does nothing.
   *
   * @throws MultiError `CURLM_RECURSIVE_API_CALL` inside a function of this Easy, or a callback of its Multi; nothing is
   *   freed then
   */
  cleanup(): void {
    if (this.#isClosed) return;
    this.#refuseInside('cleanup');
    try {
      this.#home?.remove(this);
    } finally {
      if (this.#home === undefined) {
        this.#isClosed = true;
        this.#native.cleanup();
      }
    }
  }

  /** `cleanup`, for `using`. */
  [Symbol.dispose](): void {
    this.cleanup();
  }

  #open(name: string): NativeEasy {
    if (this.#isClosed) throw new EasyError('ERR_MCURL_CLOSED', `${name}: the Easy is cleaned up`);
    return this.#native;
  }

  /** libcurl, which called it, still uses the handle. In no Multi it may call a DEBUGFUNCTION within setopt. */
  #refuseInside(name: string): void {
    if (this.#callbacks > 0) throw recursive(name);
  }

  #makeInside(): EasyInside {
    const easy = this;
    return {
      native: easy.#native,
      get isClosed() {
        return easy.#isClosed;
      },
      get home() {
        return easy.#home;
      },
      get hasFailed() {
        return easy.#hasFailed;
      },
      enter(home) {
        easy.#refuseInside('addHandle');
        easy.#home = home;
        easy.#isRunning = true;
        easy.#hasFailed = false;
        easy.#thrown = undefined;
      },
      ended() {
        easy.#isRunning = false;
      },
      leave() {
        easy.#home = undefined;
        easy.#isRunning = false;
      },
    };
  }

  #check(name: string, code: number): void {
    if (code !== CURLE_OK) throw this.#failure(name, code);
  }

  #failure(name: string, code: number): EasyError {
    return new EasyError(
      CODE_NAMES.get(code) ?? `CURLE_${code}`,
      `${name}: ${this.strerror(code)}`,
    );
  }

  #setFunction(name: FunctionOption, called: EasyFunctions[FunctionOption] | null): void {
    const native = this.#native;
    if (called !== null) {
      const { answer, otherwise } = answerOf(name, called);
      native[name] = (...args) => {
        if (this.#hasFailed) return otherwise;
        const calls = this.#home?.calls;
        if (calls !== undefined) calls.transferCallbacks += 1;
        this.#callbacks += 1;
        try {
          return answer(...args);
        } catch (error) {
          this.#thrown ??= { error };
          return otherwise;
        } finally {
          this.#callbacks -= 1;
          if (calls !== undefined) calls.transferCallbacks -= 1;
        }
      };
    }
    this.#check(name, native.setopt(name, called !== null));
    if (called === null) native[name] = undefined;
  }
}

interface Answer {
  /** Calls the program's function and gives libcurl its answer. */
  readonly answer: NativeFunction;
  /** The answer when it throws. */
  readonly otherwise: number;
}

function answerOf(name: FunctionOption, called: EasyFunctions[FunctionOption]): Answer {
  switch (name) {
    case 'WRITEFUNCTION':
    case 'HEADERFUNCTION': {
      const take = called as EasyFunctions['WRITEFUNCTION'];
      return {
        answer: (data) => countOf(name, take(data as Buffer), (data as Buffer).length),
        otherwise: WRITEFUNC_ERROR,
      };
    }
    case 'READFUNCTION': {
      const give = called as EasyFunctions['READFUNCTION'];
      return {
        answer: (bytes) => {
          const given: unknown = give(bytes as number) ?? 0;
          if (given instanceof Uint8Array) {
            if (given.length <= (bytes as number)) return given;
            throw new RangeError(
              `READFUNCTION gave ${given.length} bytes, ${bytes} were asked for`,
            );
          }
          if (given === 0 || given === CURL_READFUNC_PAUSE || given === CURL_READFUNC_ABORT) {
            return given;
          }
          throw new TypeError(
            `READFUNCTION gave ${typeof given === 'number' ? given : typeof given}, not bytes or null`,
          );
        },
        otherwise: CURL_READFUNC_ABORT,
      };
    }
    case 'SEEKFUNCTION':
    case 'XFERINFOFUNCTION': {
      const tell = called as (...numbers: unknown[]) => unknown;
      return { answer: (...numbers) => countOf(name, tell(...numbers), 0), otherwise: 1 };
    }
    case 'DEBUGFUNCTION': {
      const tell = called as EasyFunctions['DEBUGFUNCTION'];
      return {
        answer: (type, data) => {
          tell(type as number, data as Buffer);
          return 0;
        },
        otherwise: 0,
      };
    }
  }
}

/** What a function returned, which JavaScript does not check; `otherwise` when it returned nothing. */
function countOf(name: string, returned: unknown, otherwise: number): number {
  if (returned === undefined) return otherwise;
  if (Number.isInteger(returned)) return returned as number;
  throw new TypeError(
    returned instanceof Promise
      ? `${name} must not be async: libcurl cannot wait for it`
      : `${name} returned ${typeof returned}, not a whole number`,
  );
}

function integerOf(name: string, value: unknown): number {
  const number = typeof value === 'boolean' ? Number(value) : value;
  if (!Number.isSafeInteger(number)) throw wrongType(name, 'a whole number or a boolean');
  return number as number;
}

/** A descriptor, bits or a code: what libcurl has as an int, and the addon would cut to one. */
export function intOf(name: string, value: unknown): number {
  if (typeof value === 'number' && (value | 0) === value) return value;
  throw new TypeError(`${name} is not a whole number of 32 bits`);
}

function textOf(name: string, value: unknown): string {
  if (typeof value !== 'string') throw wrongType(name, 'a string');
  if (value.includes('\0')) throw new TypeError(`${name}: libcurl's strings cannot contain NUL`);
  return value;
}

function wrongType(name: string, wanted: string): TypeError {
  return new TypeError(`${name} takes ${wanted}`);
}
