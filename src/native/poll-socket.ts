/** Watching a descriptor on Node's own loop, for which Node has no public way. */
import { AsyncResource } from 'node:async_hooks';
import { binding } from './binding.ts';
import { intOf } from './easy.ts';

/**
 * A descriptor that is watched. It keeps its callback alive until it is closed, and the process running unless it watches for
 * nothing.
 */
export interface SocketPoll {
  /** Watches for `what` from now on: CURL_POLL_IN, OUT, INOUT, or NONE for nothing; CURL_POLL_REMOVE closes. */
  update(what: number): void;
  /** Ends it; the callback is not called again. A second call does nothing. */
  close(): void;
}

/**
 * Watches a descriptor on Node's loop (uv_poll), level-triggered. Made for what libcurl gives to a socket function: call it
 * for a new socket, `update` when `what` changes, and `close` at CURL_POLL_REMOVE, before libcurl closes the socket. What
 * is watched is a duplicate, so a descriptor that libcurl has closed early harms nothing; until `close` the connection
 * stays open for the other end. It makes what `sockfd` stands for non-blocking (O_NONBLOCK), for all who share it.
 *
 * @param sockfd the descriptor of a socket or pipe, of which others may be watching, too
 * @param what CURL_POLL_IN, OUT, INOUT or NONE
 * @param callback gets CURL_CSELECT_IN and CURL_CSELECT_OUT bits, as `socketAction` takes them; an error on the descriptor
 *   is told as both. An exception in it is an uncaught exception.
 * @throws TypeError when an argument is none of its type
 * @throws Error with the system's `code` when the descriptor cannot be watched ('EBADF', 'EMFILE', …)
 */
export function pollSocket(
  sockfd: number,
  what: number,
  callback: (evBitmask: number) => void,
): SocketPoll {
  const fd = intOf('pollSocket: sockfd', sockfd);
  return new (binding().PollSocket)(
    fd,
    intOf('pollSocket: what', what),
    AsyncResource.bind(callback),
  );
}
