/**
 * `mcurl/multi`: libcurl's multi-socket interface for programs with an event loop of their own.
 *
 * It offers curl_multi_socket_action(3) as it is: libcurl says which sockets to watch and how long to wait, the program
 * watches and waits and tells what happened, and `infoRead` tells which transfers have ended. `pollSocket` watches sockets
 * on Node's loop, `setTimeout` does for the times. Everything runs on the calling thread; workers may each have their own.
 *
 * @example
 * const multi = new Multi<SocketPoll>();
 * multi.setSocketFunction((_easy, sockfd, what, poll) => {
 *   if (what === CURL_POLL_REMOVE) poll?.close();
 *   else if (poll) poll.update(what);
 *   else multi.assign(sockfd, pollSocket(sockfd, what, (events) => act(sockfd, events)));
 * });
 * multi.setTimerFunction((timeoutMs) => {
 *   clearTimeout(timer);
 *   if (timeoutMs >= 0) timer = setTimeout(act, timeoutMs, CURL_SOCKET_TIMEOUT, 0);
 * });
 *
 * @module mcurl/multi
 */
import { MultiError, NativeError } from '../errors.ts';
import { binding, type NativeMulti } from './binding.ts';
import { type Easy, type Home, insideOf, intOf } from './easy.ts';
import { MultiCalls } from './multi-calls.ts';

export { EasyError, McurlError, MultiError, NativeError } from '../errors.ts';
export { Easy } from './easy.ts';
export type { EasyFunctions, EasyInfos, EasyOptions } from './easy-options.ts';
export * from './easy-values.ts';
export { pollSocket, type SocketPoll } from './poll-socket.ts';

/** `what` of a socket function: the socket is libcurl's, and nothing is to be watched now. */
export const CURL_POLL_NONE = 0;
/** `what` of a socket function: watch for reading. */
export const CURL_POLL_IN = 1;
/** `what` of a socket function: watch for writing. */
export const CURL_POLL_OUT = 2;
/** `what` of a socket function: watch for both. */
export const CURL_POLL_INOUT = 3;
/** `what` of a socket function: watch it no more. */
export const CURL_POLL_REMOVE = 4;

/** For `socketAction`: no socket, the time is up; also starts everything. */
export const CURL_SOCKET_TIMEOUT = -1;
/** Bit of `socketAction`'s events: can be read. */
export const CURL_CSELECT_IN = 1;
/** Bit of `socketAction`'s events: can be written. */
export const CURL_CSELECT_OUT = 2;
/** Bit of `socketAction`'s events: has an error. Alone it loses, on libcurl 7.88, what could still be read. */
export const CURL_CSELECT_ERR = 4;

/** `msg` of a message: the transfer has ended. libcurl has no other. */
export const CURLMSG_DONE = 1;

/** For `setopt('PIPELINING', …)`: each transfer has a connection to itself. */
export const CURLPIPE_NOTHING = 0;
/** For `setopt('PIPELINING', …)`: HTTP/2 transfers share connections; libcurl's default. */
export const CURLPIPE_MULTIPLEX = 2;

/**
 * Is told how a socket is to be watched from now on (CURLMOPT_SOCKETFUNCTION(3)).
 *
 * @param easy the transfer that the socket serves; undefined when it is one of libcurl's own handles
 * @param what CURL_POLL_IN, OUT, INOUT, NONE or REMOVE
 * @param socketData what `assign` gave to the socket; undefined before, and forgotten at REMOVE
 */
export type SocketFunction<SocketData> = (
  easy: Easy | undefined,
  sockfd: number,
  what: number,
  socketData: SocketData | undefined,
) => void;

/**
 * Is told when to call `socketAction(CURL_SOCKET_TIMEOUT)` (CURLMOPT_TIMERFUNCTION(3)). It replaces what was told before
 * and is for one time. libcurl before 8.4 may forget the time-out of a silent transfer when the loop was late; a program that
 * must end it keeps a timer of its own, and removes it.
 *
 * @param timeoutMs 0: as soon as possible, but not from inside; -1: no time is to be waited for
 */
export type TimerFunction = (timeoutMs: number) => void;

/** The options of a Multi (curl_multi_setopt(3)): whole numbers, libcurl's defaults. */
export const MULTI_OPTIONS = {
  /** CURLPIPE_MULTIPLEX or CURLPIPE_NOTHING. */
  PIPELINING: 3,
  /** Connections kept, idle and busy; default four times the handles inside. */
  MAXCONNECTS: 6,
  /** Connections to a host; 0 is no limit. What is over it waits inside libcurl, where no time-out is served. */
  MAX_HOST_CONNECTIONS: 7,
  /** Connections in all; 0 is no limit. As above. */
  MAX_TOTAL_CONNECTIONS: 13,
  /** Streams on an HTTP/2 connection; default 100. */
  MAX_CONCURRENT_STREAMS: 16,
} as const;

/** A name that `Multi.setopt` takes. */
export type MultiOption = keyof typeof MULTI_OPTIONS;

/** A transfer has ended (CURLMsg, curl_multi_info_read(3)). */
export interface MultiMessage {
  /** CURLMSG_DONE. */
  readonly msg: number;
  readonly easy: Easy;
  /** CURLcode: CURLE_OK (0), or why it failed; `easy.strerror(result)` has the words. */
  readonly result: number;
  /** Messages that are known to wait; more may come. */
  readonly remaining: number;
  /** What a function of the Easy threw; undefined when none did. */
  readonly cause: unknown;
}

/** Every CURLMcode by number. */
const CODE_NAMES = [
  'CURLM_OK',
  'CURLM_BAD_HANDLE',
  'CURLM_BAD_EASY_HANDLE',
  'CURLM_OUT_OF_MEMORY',
  'CURLM_INTERNAL_ERROR',
  'CURLM_BAD_SOCKET',
  'CURLM_UNKNOWN_OPTION',
  'CURLM_ADDED_ALREADY',
  'CURLM_RECURSIVE_API_CALL',
  'CURLM_WAKEUP_FAILURE',
  'CURLM_BAD_FUNCTION_ARGUMENT',
  'CURLM_ABORTED_BY_CALLBACK',
  'CURLM_UNRECOVERABLE_POLL',
];
const BAD_HANDLE = 1;
const BAD_EASY_HANDLE = 2;
const UNKNOWN_OPTION = 6;
const ADDED_ALREADY = 7;
const RECURSIVE_API_CALL = 8;

/**
 * A multi handle (curl_multi_init(3)), driven by `socketAction`.
 *
 * All methods but `assign` and `strerror` throw `CURLM_RECURSIVE_API_CALL` inside the functions that libcurl calls on behalf
 * of this Multi, and nothing happens; of an Easy `getinfo`, `pause` and most of `setopt` may be called there. What a socket or timer function throws is kept, and the call of the program's during
 * which it was thrown throws it at its end; after several the first one.
 *
 * A Multi keeps the Easies inside it alive, and they keep it. When the program lets go of all of them with transfers in
 * flight and without an open `pollSocket` or timer that leads to them, they are freed without a word.
 *
 * @typeParam SocketData what the program binds to sockets by `assign`
 */
export class Multi<SocketData = unknown> {
  readonly #native: NativeMulti;
  readonly #calls = new MultiCalls();
  readonly #easies = new Set<Easy>();
  readonly #socketData = new Map<number, SocketData>();
  /** Ends that libcurl does not tell, with their CURLcodes. */
  readonly #failedInPause = new Map<Easy, number>();
  readonly #home: Home = {
    calls: this.#calls,
    remove: (easy) => this.removeHandle(easy),
    failedInPause: (easy, code) => {
      this.#failedInPause.set(easy, code);
      this.#calls.event(() => this.#timerFunction?.(0));
    },
  };
  #socketFunction: SocketFunction<SocketData> | null = null;
  #timerFunction: TimerFunction | null = null;
  #failure: MultiError | undefined;
  #isClosed = false;

  /** @throws NativeError `ERR_MCURL_LIBCURL` when the libcurl in use cannot be */
  constructor() {
    const { NativeMulti: Native } = binding();
    try {
      this.#native = new Native();
    } catch (cause) {
      throw new NativeError('ERR_MCURL_LIBCURL', (cause as Error).message, { cause });
    }
    this.#native.onTimer = (timeoutMs) => {
      this.#calls.event(() => this.#timerFunction?.(timeoutMs));
    };
    this.#native.onSocket = (easy, sockfd, what, isAssigned) => {
      // libcurl may have forgotten what was assigned, without a REMOVE.
      if (!isAssigned) this.#socketData.delete(sockfd);
      const data = this.#socketData.get(sockfd);
      this.#calls.event(() => this.#socketFunction?.(easy as Easy | undefined, sockfd, what, data));
      if (what === CURL_POLL_REMOVE) this.#socketData.delete(sockfd);
    };
  }

  /** Sets who is told of sockets (CURLMOPT_SOCKETFUNCTION(3)), or null: nobody. Set it before the first `addHandle`. */
  setSocketFunction(called: SocketFunction<SocketData> | null): void {
    this.#enter('setSocketFunction', () => {
      this.#socketFunction = functionOrNull('setSocketFunction', called);
    });
  }

  /** Sets who is told of times (CURLMOPT_TIMERFUNCTION(3)), or null: nobody, then poll `timeout()`. */
  setTimerFunction(called: TimerFunction | null): void {
    this.#enter('setTimerFunction', () => {
      this.#timerFunction = functionOrNull('setTimerFunction', called);
    });
  }

  /**
   * Adds an Easy (curl_multi_add_handle(3)); its transfer starts at the next `socketAction`. The timer function is called
   * with 0 meanwhile.
   *
   * @throws MultiError `CURLM_ADDED_ALREADY`, `CURLM_BAD_EASY_HANDLE` after its cleanup, `CURLM_RECURSIVE_API_CALL` inside a
   *   function of its own, or after a failure of `socketAction` that failure's code, until all handles are removed. Any other
   *   code is libcurl's (`CURLM_OUT_OF_MEMORY`, …): the Easy is not inside, and when others are it counts as a failure of
   *   `socketAction`.
   */
  addHandle(easy: Easy): void {
    this.#enter('addHandle', () => {
      this.#refuseAfterFailure('addHandle');
      const inside = insideOf(easy);
      if (inside.isClosed) throw this.#error('addHandle', BAD_EASY_HANDLE);
      if (inside.home !== undefined) throw this.#error('addHandle', ADDED_ALREADY);
      inside.enter(this.#home);
      this.#easies.add(easy);
      const code = this.#native.add(inside.native);
      if (code === 0) return;
      inside.leave();
      this.#easies.delete(easy);
      throw this.#failed('addHandle', code);
    });
  }

  /**
   * Takes an Easy out (curl_multi_remove_handle(3)), at any time; a running transfer is broken off, and an end that
   * `infoRead` has not told is forgotten. One that is inside no Multi is left alone.
   *
   * @throws MultiError `CURLM_BAD_EASY_HANDLE` when it is inside another Multi; any other code but
   *   `CURLM_RECURSIVE_API_CALL` is libcurl's, and the Easy is out
   */
  removeHandle(easy: Easy): void {
    this.#enter('removeHandle', () => {
      const inside = insideOf(easy);
      if (inside.home === undefined) return;
      if (inside.home !== this.#home) throw this.#error('removeHandle', BAD_EASY_HANDLE);
      this.#remove(easy);
    });
  }

  /**
   * Tells libcurl what happened (curl_multi_socket_action(3)): action on a socket, or with CURL_SOCKET_TIMEOUT that the
   * time is up, or that it shall start. Call it for each socket that had action, then `infoRead` until it gives nothing.
   *
   * @param evBitmask CURL_CSELECT_ bits, or 0 when the events are not known: libcurl looks itself
   * @returns how many transfers run. When it drops, ask `infoRead` which ones ended: it may be any.
   * @throws MultiError with libcurl's code. After any but `CURLM_RECURSIVE_API_CALL` and `CURLM_BAD_SOCKET` the state of
   *   all transfers is uncertain: it throws again, without asking libcurl, until every handle has been removed; then new
   *   ones may be added.
   * @throws TypeError when an argument is no int
   */
  socketAction(sockfd: number, evBitmask = 0): number {
    return this.#enter('socketAction', () => {
      const fd = intOf('socketAction: sockfd', sockfd);
      const events = intOf('socketAction: evBitmask', evBitmask);
      this.#refuseAfterFailure('socketAction');
      const running = this.#native.socketAction(fd, events);
      if (running < 0) throw this.#failed('socketAction', -running);
      return running;
    });
  }

  /**
   * Milliseconds until CURL_SOCKET_TIMEOUT is due, 0 for now, -1 for never (curl_multi_timeout(3)). The timer function tells
   * the same without being asked.
   */
  timeout(): number {
    return this.#enter('timeout', () =>
      this.#failedInPause.size > 0 ? 0 : this.#native.timeout(),
    );
  }

  /**
   * Binds a value to one of libcurl's sockets (curl_multi_assign(3)): the socket function gets it from then on, until and
   * with CURL_POLL_REMOVE; undefined unbinds. Allowed within callbacks.
   *
   * @throws MultiError `CURLM_BAD_SOCKET` when libcurl does not use the socket
   */
  assign(sockfd: number, data: SocketData | undefined): void {
    if (this.#isClosed) throw this.#error('assign', BAD_HANDLE);
    const code = this.#native.assign(intOf('assign: sockfd', sockfd), data !== undefined);
    if (code !== 0) throw this.#error('assign', code);
    if (data === undefined) this.#socketData.delete(sockfd);
    else this.#socketData.set(sockfd, data);
  }

  /**
   * The next transfer that has ended, or undefined (curl_multi_info_read(3)). Its Easy is still inside: remove it, then it
   * may be changed and added again, here or elsewhere.
   */
  infoRead(): MultiMessage | undefined {
    return this.#enter('infoRead', () => {
      for (const [easy, code] of this.#failedInPause) {
        this.#failedInPause.delete(easy);
        return messageOf(easy, code, this.#failedInPause.size);
      }
      for (;;) {
        const message = this.#native.infoRead();
        if (message === undefined) return undefined;
        const easy = message[0] as Easy;
        insideOf(easy).ended();
        if (!insideOf(easy).hasFailed) return messageOf(easy, message[1], message[2]);
      }
    });
  }

  /**
   * Sets an option by libcurl's name without its prefix; see MULTI_OPTIONS.
   *
   * @throws MultiError `CURLM_UNKNOWN_OPTION`
   * @throws TypeError when the value is no whole number
   */
  setopt(name: MultiOption, value: number): void {
    this.#enter('setopt', () => {
      if (!Object.hasOwn(MULTI_OPTIONS, name)) throw this.#error(`setopt ${name}`, UNKNOWN_OPTION);
      if (!Number.isSafeInteger(value)) throw new TypeError(`${name} takes a whole number`);
      const code = this.#native.setopt(MULTI_OPTIONS[name], value);
      if (code !== 0) throw this.#error(`setopt ${name}`, code);
    });
  }

  /** libcurl's words for a CURLMcode (curl_multi_strerror(3)). */
  strerror(code: number): string {
    return binding().NativeMulti.strerror(intOf('strerror: code', code));
  }

  /**
   * Removes every Easy, which stay usable, closes all connections and frees the handle (curl_multi_cleanup(3)). The socket
   * function is told of each watched socket with CURL_POLL_REMOVE. A second call does nothing. Stop your timer yourself: the
   * timer function is not always told -1, and `socketAction` throws from then on.
   */
  cleanup(): void {
    if (this.#isClosed) return;
    this.#enter('cleanup', () => {
      for (const easy of this.#easies) this.#remove(easy);
      this.#isClosed = true;
      this.#native.cleanup();
      this.#socketData.clear();
    });
  }

  /** `cleanup`, for `using`. */
  [Symbol.dispose](): void {
    this.cleanup();
  }

  #enter<Result>(name: string, call: () => Result): Result {
    if (this.#isClosed) throw this.#error(name, BAD_HANDLE);
    return this.#calls.enter(name, call);
  }

  #remove(easy: Easy): void {
    const inside = insideOf(easy);
    const code = this.#native.remove(inside.native);
    if (code !== RECURSIVE_API_CALL) {
      this.#easies.delete(easy);
      this.#failedInPause.delete(easy);
      inside.leave();
    }
    if (code !== 0) throw this.#error('removeHandle', code);
  }

  #refuseAfterFailure(name: string): void {
    if (!this.#native.failed) return;
    const cause = this.#failure;
    throw new MultiError(
      cause?.code ?? 'CURLM_INTERNAL_ERROR',
      `${name}: an earlier call failed and all transfers are uncertain; remove every handle first`,
      { cause },
    );
  }

  #failed(name: string, code: number): MultiError {
    const error = this.#error(name, code);
    if (this.#native.failed) this.#failure = error;
    return error;
  }

  #error(name: string, code: number): MultiError {
    return new MultiError(CODE_NAMES[code] ?? `CURLM_${code}`, `${name}: ${this.strerror(code)}`);
  }
}

function functionOrNull<Called>(name: string, called: Called): Called {
  if (called === null || typeof called === 'function') return called;
  throw new TypeError(`${name} takes a function, or null for none`);
}

function messageOf(easy: Easy, result: number, remaining: number): MultiMessage {
  return { msg: CURLMSG_DONE, easy, result, remaining, cause: easy.error };
}
