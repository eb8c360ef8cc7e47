/** Node's loop in the place of the program's own: drives a Multi as curl_multi_socket_action(3) says, and remembers. */
import { onTestFinished } from 'vitest';
import {
  CURL_POLL_REMOVE,
  CURL_SOCKET_TIMEOUT,
  Easy,
  Multi,
  type MultiMessage,
  pollSocket,
  type SocketPoll,
} from '../../src/native/multi.ts';

interface Told {
  readonly easy: Easy | undefined;
  readonly sockfd: number;
  readonly what: number;
}

export class MultiDriver {
  readonly multi = new Multi<SocketPoll>();
  readonly told: Told[] = [];
  readonly timers: number[] = [];
  readonly messages: MultiMessage[] = [];
  /** Sockets that libcurl wants watched, and for what. */
  readonly watched = new Map<number, number>();
  running = 0;
  /** What is passed for events: as they are, or 0 for unknown. */
  areEventsKnown = true;
  /** What a test does in the functions, after the driver's own part. */
  onSocket = () => {};
  onTimer = () => {};
  #timer: NodeJS.Timeout | undefined;
  #settled: PromiseWithResolvers | undefined;
  #watchers = new Set<() => void>();

  constructor() {
    this.multi.setSocketFunction((easy, sockfd, what, poll) => {
      this.told.push({ easy, sockfd, what });
      if (what === CURL_POLL_REMOVE) {
        this.watched.delete(sockfd);
        poll?.close();
      } else {
        this.watched.set(sockfd, what);
        if (poll !== undefined) poll.update(what);
        else this.multi.assign(sockfd, this.#poll(sockfd, what));
      }
      this.onSocket();
    });
    this.multi.setTimerFunction((timeoutMs) => {
      this.timers.push(timeoutMs);
      clearTimeout(this.#timer);
      if (timeoutMs >= 0) {
        this.#timer = setTimeout(() => this.act(CURL_SOCKET_TIMEOUT), timeoutMs);
      }
      this.onTimer();
    });
  }

  #poll(sockfd: number, what: number): SocketPoll {
    return pollSocket(sockfd, what, (bits) => this.act(sockfd, this.areEventsKnown ? bits : 0));
  }

  act(sockfd: number, events = 0): void {
    try {
      this.running = this.multi.socketAction(sockfd, events);
      for (let read = this.multi.infoRead(); read !== undefined; read = this.multi.infoRead()) {
        this.messages.push(read);
      }
    } catch (error) {
      this.#settled?.reject(error);
      return;
    }
    for (const watch of this.#watchers) watch();
    if (this.running === 0) this.#settled?.resolve();
  }

  /** Starts and drives all that is inside to its end; the messages so far. */
  async run(): Promise<MultiMessage[]> {
    await new Promise<void>((resolve, reject) => {
      this.#settled = { resolve, reject };
      this.act(CURL_SOCKET_TIMEOUT);
    });
    return this.messages;
  }

  /** Resolves after the action after which `is` holds. */
  until(is: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watch = () => {
        if (!is()) return;
        this.#watchers.delete(watch);
        resolve();
      };
      this.#watchers.add(watch);
      watch();
    });
  }

  stop(): void {
    this.onSocket = () => {};
    this.onTimer = () => {};
    this.multi.cleanup();
    clearTimeout(this.#timer);
  }
}

interface PromiseWithResolvers {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A driver that is stopped when the current test is over. */
export function useDriver(): MultiDriver {
  const driver = new MultiDriver();
  onTestFinished(() => driver.stop());
  return driver;
}

/** An Easy for `url` whose body is collected; freed when the current test is over. */
export function useGet(url: string): { easy: Easy; body: () => Buffer } {
  const easy = new Easy();
  onTestFinished(() => easy.cleanup());
  const pieces: Buffer[] = [];
  easy.setopt('URL', url);
  easy.setopt('WRITEFUNCTION', (data) => {
    pieces.push(data);
  });
  return { easy, body: () => Buffer.concat(pieces) };
}
