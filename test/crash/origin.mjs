// @ts-check
/**
 * A loopback server whose files change, and which answers ranges as servers do: rightly, not at all, or wrongly. It
 * remembers what it served to which run.
 */
import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/** @typedef {import('./lot.mjs').Lot} Lot */

/**
 * @typedef {object} Version
 * @property {string} letter
 * @property {Buffer} bytes
 * @property {string} etag
 * @property {Date} modified
 */

/**
 * @typedef {object} File
 * @property {string} path of its URL
 * @property {readonly Version[]} versions the first is the first that it has
 * @property {Version} current
 * @property {Version | undefined} mirrored what its mirrors have, when that is not `current`
 * @property {Map<number, Set<Version>>} servedIn the versions that it had during a run, by the run's number
 * @property {keyof typeof VALIDATORS} validators what tells one version from another
 * @property {keyof typeof RANGES} ranges how a Range is answered
 * @property {keyof typeof FRAMINGS} framing how the body's end is told
 * @property {number} waitMs before the answer
 * @property {number} paceMs after each 64 KiB
 * @property {number} breaks bodies that end early, at a random place
 * @property {boolean} fails at times it is not there
 * @property {string | undefined} givenName by Content-Disposition
 * @property {'sha-256' | 'sha-512' | undefined} digested by a Repr-Digest
 * @property {string[]} aliases further paths: `/to/…` redirects here, `/mirrorN/…` is answered at times only
 */

/**
 * @typedef {object} Request
 * @property {number} run
 * @property {File} file
 * @property {string} path
 * @property {number} from of its Range; -1: none
 * @property {boolean} isConditional it had an If-Range
 */

/** Bodies are sent so. */
export const PIECE_BYTES = 64 * 1024;
const POOL_BYTES = 24 * 1024 * 1024;
/** Unseeded: which bytes they are decides nothing, only that no two places are alike. */
const pool = randomFillSync(Buffer.allocUnsafe(POOL_BYTES));

/** Each with how often it is drawn. */
export const VALIDATORS = {
  both: 40,
  etag: 12,
  date: 16,
  // Neither may be resumed by: RFC 9110 8.8.1, 8.8.2.2.
  'weak etag': 6,
  'fresh date': 6,
  none: 8,
  // A strong one all the same.
  'weak etag and date': 6,
};

export const RANGES = {
  right: 40,
  ignored: 6,
  'If-Range ignored': 20,
  'If-Range ignored, no validators': 4,
  shifted: 3,
  'from 0': 3,
  'other total': 3,
  'total not told': 2,
  short: 3,
  // Once: its Content-Range is right, and the body is not as long.
  'short body': 10,
  'long body': 8,
  multipart: 2,
  always416: 3,
  '416 with the size': 2,
  // Of the wrong bytes under the right name. Only a checksum can tell.
  lie: 0,
};

export const FRAMINGS = { length: 80, chunked: 10, close: 5, gzip: 5 };

/** What an answer to a Range may do as well, however the file is framed else: RFC 9110 15.3.7 wants no length. */
const RANGE_FRAMINGS = { length: 40, chunked: 30, close: 30 };

/** @param {string} type as lists and servers write it @param {Buffer} bytes */
export function hashOf(type, bytes) {
  return createHash(type.replace('sha-', 'sha')).update(bytes);
}

/** `size` bytes; no two bodies have a piece in common. @param {Lot} lot @param {number} size @returns {Buffer} */
export function makeBytes(lot, size) {
  if (size <= POOL_BYTES / 2) {
    const at = lot.whole(0, POOL_BYTES - size);
    return pool.subarray(at, at + size);
  }
  const pieces = [];
  for (let left = size; left > 0; ) {
    const piece = makeBytes(lot, Math.min(left, lot.whole(1, POOL_BYTES / 2)));
    pieces.push(piece);
    left -= piece.length;
  }
  return Buffer.concat(pieces);
}

export class Origin {
  /** @type {Map<string, File>} */
  #files = new Map();
  #lot;
  #server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    this.#answer(request, response).catch(this.onDefect);
  });
  /** @type {Request[]} */
  requests = [];
  /** Bytes that were not sent again, as a Range left them out and was answered rightly. */
  savedBytes = 0;
  /** Runs in which a file was not there. @type {Set<number>} */
  failedIn = new Set();
  /** Nothing is slow, fails or breaks off any more. */
  isCalm = false;
  /** A fault of the test's own. */
  onDefect = (/** @type {unknown} */ error) => {
    throw error;
  };
  /** Is told of each body that broke off: what is asked for again may have changed. */
  onBroken = (/** @type {File} */ _file) => {};
  /** Is told of each piece of a large body. */
  onSent = (/** @type {number} */ _bytes) => {};
  /** Is told of each answer that was sent wholly: 1. */
  onAnswered = (/** @type {number} */ _count) => {};

  /** @param {Lot} lot */
  constructor(lot) {
    this.#lot = lot;
  }

  add(/** @type {File} */ file) {
    for (const path of [file.path, ...file.aliases]) this.#files.set(path, file);
  }

  /** @returns {Promise<string>} `http://127.0.0.1:PORT` */
  async start() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `http://127.0.0.1:${address.port}`;
  }

  stop() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  async #answer(request, response) {
    response.on('error', () => {});
    const path = new URL(request.url ?? '', 'http://origin').pathname;
    const file = this.#files.get(path);
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    // A request may still be read when the run that made it is dead.
    const run = Number(request.headers['user-agent']);
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
    const ifRange = /** @type {string | undefined} */ (request.headers['if-range']);
    const asked = {
      run,
      file,
      path,
      from: Number(from ?? -1),
      isConditional: ifRange !== undefined,
    };
    this.requests.push(asked);
    if (path.startsWith('/to/')) {
      response.writeHead(302, { Location: file.path }).end();
      return;
    }
    const isMirror = path.startsWith('/mirror');
    const isMissing = file.fails && !this.isCalm && this.#lot.has(0.5);
    if (isMissing || (isMirror && this.#lot.has(0.4))) {
      if (isMissing) this.failedIn.add(run);
      response.writeHead(404).end();
      return;
    }
    if (file.waitMs > 0 && !this.isCalm) await sleep(file.waitMs);
    const version = (isMirror && file.mirrored) || file.current;
    const { status, headers, body } = this.#judge(file, version, asked.from, ifRange);
    const framing = status === 206 ? this.#lot.weighted(RANGE_FRAMINGS) : file.framing;
    const isEncoded = framing === 'gzip' && /gzip/.test(request.headers['accept-encoding'] ?? '');
    const sent = isEncoded && status === 200 ? gzipSync(body, { level: 1 }) : body;
    if (sent !== body) headers['Content-Encoding'] = 'gzip';
    if (framing === 'close') {
      response.setHeader('Connection', 'close');
      response.removeHeader('Transfer-Encoding');
    } else if (framing !== 'chunked') {
      headers['Content-Length'] = `${sent.length}`;
    }
    response.writeHead(status, headers);
    await this.#send(file, response, sent, framing === 'close' && status === 200);
  }

  /**
   * What the answer is.
   * @param {File} file @param {Version} version @param {number} from @param {string | undefined} ifRange
   * @returns {{ status: number, headers: Record<string, string>, body: Buffer }}
   */
  #judge(file, { bytes, etag, modified }, from, ifRange) {
    const { validators, ranges } = file;
    const date = modified.toUTCString();
    /** @type {Record<string, string>} */
    const named = {};
    if (validators === 'both' || validators === 'etag') named['ETag'] = etag;
    if (validators.startsWith('weak etag')) named['ETag'] = `W/${etag}`;
    if (/both|date/.test(validators)) named['Last-Modified'] = date;
    if (validators === 'fresh date')
      named['Last-Modified'] = named['Date'] = new Date().toUTCString();
    const headers = { ...named };
    if (file.givenName !== undefined) {
      headers['Content-Disposition'] = `attachment; filename="${file.givenName}"`;
    }
    if (file.digested !== undefined) {
      const digest = hashOf(file.digested, bytes).digest('base64');
      headers['Repr-Digest'] = `${file.digested}=:${digest}:`;
    }
    const whole = { status: 200, headers, body: bytes };
    const isSame = ifRange === undefined || ifRange === named['ETag'] || ifRange === date;
    if (from < 0 || ranges === 'ignored') return whole;
    if (!isSame && !/If-Range|lie/.test(ranges)) return whole;
    const total = bytes.length;
    // It is about the request, and often names no more than the size.
    const refusal = { status: 416, headers: isSame ? {} : named, body: Buffer.alloc(0) };
    if (ranges === 'always416') return refusal;
    if (from >= total || ranges === '416 with the size') {
      return { ...refusal, headers: { ...refusal.headers, 'Content-Range': `bytes */${total}` } };
    }
    const part = (/** @type {number} */ first, /** @type {number} */ end, of = `${total}`) => {
      headers['Content-Range'] = `bytes ${first}-${end - 1}/${of}`;
      return { status: 206, headers, body: bytes.subarray(first, end) };
    };
    switch (ranges) {
      case 'If-Range ignored, no validators':
        for (const name of Object.keys(named)) delete headers[name];
        return part(from, total);
      case 'shifted':
        return part(Math.max(0, from - 1), total);
      case 'from 0':
        return part(0, total);
      case 'other total':
        return part(from, total, `${total + 1}`);
      case 'total not told':
        return part(from, total, '*');
      case 'short':
        return part(from, Math.max(from + 1, total - 1));
      case 'short body':
      case 'long body':
        file.ranges = 'right';
        return {
          ...part(from, total),
          body:
            ranges === 'short body'
              ? bytes.subarray(from, this.#lot.whole(from, total - 1))
              : Buffer.concat([bytes.subarray(from), pool.subarray(0, this.#lot.whole(1, 999))]),
        };
      case 'multipart': {
        const text = `--x\r\nContent-Range: bytes ${from}-${total - 1}/${total}\r\n\r\n`;
        const pieces = [Buffer.from(text), bytes.subarray(from), Buffer.from('\r\n--x--\r\n')];
        headers['Content-Type'] = 'multipart/byteranges; boundary=x';
        return { status: 206, headers, body: Buffer.concat(pieces) };
      }
      case 'lie':
        return { ...part(from, total), body: pool.subarray(0, total - from) };
      default:
        if (isSame) this.savedBytes += from;
        return part(from, total);
    }
  }

  /**
   * @param {File} file @param {import('node:http').ServerResponse} response @param {Buffer} body
   * @param {boolean} isEndless nothing tells where it ends
   */
  async #send(file, response, body, isEndless) {
    let end = body.length;
    if (file.breaks > 0 && !this.isCalm && !isEndless) {
      file.breaks -= 1;
      end = this.#lot.whole(0, Math.max(0, end - 1));
    }
    let onRoom = (/** @type {unknown} */ _) => {};
    response.on('drain', () => onRoom(undefined)).on('close', () => onRoom(undefined));
    for (let at = 0; at < end && !response.destroyed; at += PIECE_BYTES) {
      const piece = body.subarray(at, Math.min(at + PIECE_BYTES, end));
      if (!response.write(piece) && !response.destroyed) {
        await new Promise((resolve) => {
          onRoom = resolve;
        });
      }
      if (body.length > PIECE_BYTES) this.onSent(piece.length);
      if (file.paceMs > 0 && !this.isCalm) await sleep(file.paceMs);
    }
    if (end < body.length) {
      response.destroy();
      this.onBroken(file);
    } else if (!response.destroyed) {
      response.end();
      this.onAnswered(1);
    }
  }
}
