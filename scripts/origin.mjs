/**
 * A loopback origin that serves generated files and every fault a server can have; the demo and the tests use it.
 * It speaks HTTP/1.1 on bare sockets, because the point of many answers is to be wrong.
 *
 * The path makes the body: an AES key stream keyed by the path, so that any size costs no storage and `sha256(path, size)`
 * tells the digest. The query orders how it is answered; everything may be combined:
 *
 *   size=N              body bytes (default 1024)
 *   chunked             Transfer-Encoding: chunked
 *   eof                 neither length nor chunks: the body ends with the connection
 *   gzip                Content-Encoding: gzip when the request accepts it, `gzip=always` in any case
 *   auth=USER:PASSWORD  401 without these credentials
 *   header=NAME:VALUE   a further header line, sent as it is; repeatable
 *   times=K             the faults below befall only the first K requests for this URL
 *   status=N            that status, with an error page as body
 *   retry-after=V       seconds, a date, or `date+N`: the date N seconds ahead
 *   to=URL              redirect there (302 unless `status`)
 *   hops=N              redirect to itself, counting down, then serve the file
 *   delay=MS            wait before the status line
 *   hold                wait before the status line until `release()`
 *   trickle=MS          pause between pieces of `piece=N` bytes (default 256)
 *   stall=N             send N body bytes, then nothing more; `stall=head` sends nothing at all
 *   cut=N               send N body bytes, then end the connection; `cut=head` ends it before the status line
 *   reset=N             the same, by a TCP reset; `reset=head` before the status line
 *   bad-chunk=N         chunked: send N body bytes, then a chunk size that is none
 *   stale               end the connection at once when it has served a request before, as an idle server does
 *   endless=WHAT        `body` or `head` (header lines) that never ends
 *   etag                a strong ETag, one a version; `etag=weak`: a weak one; `etag=each`: another one for each request
 *   modified=DATE       Last-Modified, an hour later with each version
 *   ranges=WHAT         what becomes of Range requests that its validators allow: by default they are answered as RFC 9110 says
 *                       when there is `etag` or `modified`; `ignore`: 200; `wrong`: 206 with other bytes than were asked for
 *
 * `change(path)` gives the path another version: other bytes, and other validators.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { gzipSync } from 'node:zlib';

const PIECE_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(PIECE_BYTES);
const DEFAULT_SIZE = 1024;
const REASONS = new Map([
  [200, 'OK'],
  [206, 'Partial Content'],
  [302, 'Found'],
  [304, 'Not Modified'],
  [401, 'Unauthorized'],
  [404, 'Not Found'],
  [416, 'Range Not Satisfiable'],
  [429, 'Too Many Requests'],
  [503, 'Service Unavailable'],
]);

/** @param {string} path */
function keyStream(path) {
  return createCipheriv(
    'aes-128-ctr',
    createHash('md5').update(path).digest(),
    ZEROS.subarray(0, 16),
  );
}

/**
 * The body that `path` (without query, as it stands in the request) has at `size` bytes; a shorter one is its beginning.
 * @param {string} path
 * @param {number} size
 */
export function content(path, size = DEFAULT_SIZE) {
  return keyStream(path).update(Buffer.alloc(size));
}

/**
 * Hexadecimal SHA-256 of `content(path, size)`, without holding it.
 * @param {string} path
 * @param {number} size
 */
export function sha256(path, size = DEFAULT_SIZE) {
  const stream = keyStream(path);
  const hash = createHash('sha256');
  for (let left = size; left > 0; left -= PIECE_BYTES) {
    hash.update(stream.update(ZEROS.subarray(0, Math.min(left, PIECE_BYTES))));
  }
  return hash.digest('hex');
}

/**
 * @typedef {object} OriginRequest one request, as it came
 * @property {string} method
 * @property {string} url the request target: path and query, or a whole URL when a proxy is meant
 * @property {string} path the target's path alone
 * @property {Record<string, string>} headers names in lower case; repeated ones joined by ', '
 * @property {string[]} headerLines as they came, in order
 * @property {number} connection 1 for the first connection that the origin accepted
 * @property {number} requestOnConnection 1 for the first request on its connection
 * @property {string | undefined} clientName common name of the client's certificate
 * @property {number} arrivedAtMs `performance.now()`
 * @property {number | undefined} endedAtMs undefined while it is answered
 */

/**
 * @typedef {object} OriginOptions
 * @property {{ key: string, cert: string, ca?: string } | undefined} [tls] PEM texts; with `ca` a client certificate is required
 * @property {string} [address] default 127.0.0.1
 * @property {number} [port] default 0: any that is free
 * @property {number} [requestsPerConnection] the connection ends, unannounced, after that many answers; default no end
 * @property {Readonly<Record<string, string | Buffer>>} [answers] by path: bytes (a string is latin1) sent in answer as
 *   they are, before the connection is ended
 */

/**
 * @typedef {object} Origin
 * @property {number} port
 * @property {(path: string, host?: string) => string} url an absolute URL; the host defaults to the address
 * @property {OriginRequest[]} requests all so far, in order of arrival
 * @property {{ connections: number, requests: number }} peak the most connections open, and requests in answer, at once
 * @property {{ connections: number, requests: number }} now the same, at this moment
 * @property {(path: string, count?: number) => Promise<OriginRequest[]>} arrived resolves when `count` (default 1) requests
 *   for the path have come
 * @property {(path: string, version?: number) => string} change the path has another version from now on, the next one or that
 *   one (the first is 0); returns by which path `content` and `sha256` know its bytes
 * @property {() => void} release lets every held answer go, and later ones too
 * @property {() => Promise<void>} stop resets all connections and closes the port
 */

/**
 * Starts an origin on a loopback port.
 * @param {OriginOptions} [options]
 * @returns {Promise<Origin>}
 */
export async function startOrigin({
  tls,
  address = '127.0.0.1',
  port: wantedPort = 0,
  requestsPerConnection = Number.POSITIVE_INFINITY,
  answers = {},
} = {}) {
  /** @type {OriginRequest[]} */
  const requests = [];
  /** @type {Map<string, number>} */
  const timesAsked = new Map();
  /** @type {Map<string, number>} the present version of each path that was changed */
  const changes = new Map();
  /** @type {Set<() => void>} */
  const arrivalWatchers = new Set();
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  const peak = { connections: 0, requests: 0 };
  const now = { connections: 0, requests: 0 };
  let connectionsAccepted = 0;
  let release = () => {};
  const released = new Promise((resolve) => {
    release = () => resolve(undefined);
  });

  /** @param {import('node:net').Socket} raw */
  const countConnection = (raw) => {
    sockets.add(raw);
    now.connections += 1;
    peak.connections = Math.max(peak.connections, now.connections);
    raw.on('error', () => {});
    raw.once('close', () => {
      sockets.delete(raw);
      now.connections -= 1;
    });
  };

  /** @param {import('node:net').Socket} socket */
  const serve = async (socket) => {
    connectionsAccepted += 1;
    const connection = connectionsAccepted;
    const gone = new AbortController();
    const clientLeaves = new Promise((_, reject) => {
      gone.signal.addEventListener('abort', () => reject(new Error('gone')));
    });
    clientLeaves.catch(() => {});
    let input = '';
    let wake = () => {};
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => {
      gone.abort();
      wake();
    });
    const take = (/** @type {Buffer} */ chunk) => {
      input += chunk.toString('latin1');
      wake();
    };
    socket.on('data', take);

    for (let served = 0; served < requestsPerConnection; served += 1) {
      while (!input.includes('\r\n\r\n')) {
        if (socket.destroyed) return;
        await new Promise((resolve) => {
          wake = () => resolve(undefined);
        });
      }
      const head = input.slice(0, input.indexOf('\r\n\r\n'));
      input = input.slice(head.length + 4);
      const request = parseRequest(head, socket, connection, served + 1);
      requests.push(request);
      if (request.method === 'CONNECT') {
        socket.off('data', take);
        tunnel(socket, request);
        return;
      }
      now.requests += 1;
      peak.requests = Math.max(peak.requests, now.requests);
      const asked = (timesAsked.get(request.url) ?? 0) + 1;
      timesAsked.set(request.url, asked);
      for (const watch of arrivalWatchers) watch();
      try {
        await answer({
          request,
          asked,
          socket,
          gone: gone.signal,
          clientLeaves,
          released,
          answers,
          changes: changes.get(request.path) ?? 0,
        });
      } catch {
        socket.destroy(); // The client has gone, or the answer was to end the connection.
      }
      now.requests -= 1;
      request.endedAtMs = performance.now();
      if (socket.destroyed || socket.writableEnded) return;
    }
    socket.end();
  };

  const server =
    tls === undefined
      ? createServer(serve)
      : createTlsServer(
          {
            ...tls,
            requestCert: tls.ca !== undefined,
            rejectUnauthorized: tls.ca !== undefined,
            ALPNProtocols: ['http/1.1'],
          },
          serve,
        );
  server.on('connection', countConnection);
  server.on('tlsClientError', () => {});
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: wantedPort, host: address, backlog: 4096 }, () => resolve(undefined));
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const scheme = tls === undefined ? 'http' : 'https';
  const ownHost = address.includes(':') ? `[${address}]` : address;

  return {
    port,
    url: (path, host = ownHost) => `${scheme}://${host}:${port}${path}`,
    requests,
    peak,
    now,
    arrived: (path, count = 1) =>
      new Promise((resolve) => {
        const watch = () => {
          const found = requests.filter((request) => request.path === path);
          if (found.length < count) return;
          arrivalWatchers.delete(watch);
          resolve(found);
        };
        arrivalWatchers.add(watch);
        watch();
      }),
    change: (path, version = (changes.get(path) ?? 0) + 1) => {
      changes.set(path, version);
      return versionPath(path, version);
    },
    release,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/**
 * @param {string} head
 * @param {import('node:net').Socket} socket
 * @param {number} connection
 * @param {number} requestOnConnection
 * @returns {OriginRequest}
 */
function parseRequest(head, socket, connection, requestOnConnection) {
  const [requestLine = '', ...headerLines] = head.split('\r\n');
  const [method = '', url = ''] = requestLine.split(' ');
  /** @type {Record<string, string>} */
  const headers = {};
  for (const line of headerLines) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    const value = line.slice(line.indexOf(':') + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  const tlsSocket = /** @type {Partial<import('node:tls').TLSSocket>} */ (socket);
  return {
    method,
    url,
    path: url.replace(/^https?:\/\/[^/]*/, '').replace(/\?.*/s, ''),
    headers,
    headerLines,
    connection,
    requestOnConnection,
    clientName: tlsSocket.getPeerCertificate?.().subject?.CN?.toString(),
    arrivedAtMs: performance.now(),
    endedAtMs: undefined,
  };
}

/**
 * Plays a proxy: whatever the host, the tunnel leads to the loopback.
 * @param {import('node:net').Socket} socket
 * @param {OriginRequest} request
 */
function tunnel(socket, request) {
  const peer = connect(Number(request.url.slice(request.url.lastIndexOf(':') + 1)), '127.0.0.1');
  peer.on('error', () => socket.destroy());
  peer.on('connect', () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    socket.pipe(peer).pipe(socket);
  });
  socket.on('close', () => peer.destroy());
}

/**
 * @param {{ request: OriginRequest, asked: number, socket: import('node:net').Socket, gone: AbortSignal,
 *   clientLeaves: Promise<unknown>, released: Promise<unknown>, answers: Readonly<Record<string, string | Buffer>>,
 *   changes: number }} exchange
 */
async function answer({ request, asked, socket, gone, clientLeaves, released, answers, changes }) {
  const query = new URLSearchParams(request.url.slice(request.url.indexOf('?') + 1));
  const fault = (/** @type {string} */ name) =>
    asked <= Number(query.get('times') ?? Number.POSITIVE_INFINITY) ? query.get(name) : null;
  const write = (/** @type {string | Uint8Array} */ bytes) =>
    new Promise((resolve, reject) => {
      const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
      socket.write(data, (error) => (error ? reject(error) : resolve(undefined)));
    });

  const fixed = answers[request.path];
  if (fixed !== undefined) {
    await write(fixed);
    socket.end();
    return;
  }
  if (fault('stale') !== null && request.requestOnConnection > 1) {
    socket.end();
    return;
  }
  if (fault('cut') === 'head') {
    socket.end();
    return;
  }
  if (fault('reset') === 'head') {
    reset(socket);
    return;
  }
  if (fault('stall') === 'head') await clientLeaves;
  if (fault('delay') !== null) await sleep(Number(fault('delay')), undefined, { signal: gone });
  if (fault('hold') !== null) await Promise.race([released, clientLeaves]);

  let status = 200;
  const lines = ['Server: mcurl-origin', ...query.getAll('header')];
  let body = /** @type {Buffer | undefined} */ (undefined);
  const auth = query.get('auth');
  const hops = Number(query.get('hops') ?? 0);
  if (
    auth !== null &&
    request.headers['authorization'] !== `Basic ${Buffer.from(auth).toString('base64')}`
  ) {
    status = 401;
    lines.push('WWW-Authenticate: Basic realm="origin"');
    body = Buffer.from('who are you?\n');
  } else if (fault('to') !== null || hops > 0) {
    status = Number(fault('status') ?? 302);
    query.set('hops', String(hops - 1));
    lines.push(`Location: ${fault('to') ?? `${request.path}?${query}`}`);
    body = Buffer.from('moved\n');
  } else if (fault('status') !== null) {
    status = Number(fault('status'));
    body = Buffer.from(`error page of ${status}\n`);
  }
  const retryAfter = fault('retry-after');
  if (retryAfter !== null) {
    const ahead = /^date\+(\d+)$/.exec(retryAfter)?.[1]; // A '+' in a query may have become a blank.
    const aheadS = ahead ?? /^date (\d+)$/.exec(retryAfter)?.[1];
    lines.push(
      `Retry-After: ${aheadS === undefined ? retryAfter : new Date(Date.now() + Number(aheadS) * 1000).toUTCString()}`,
    );
  }
  if (body === undefined && isGzipWanted(query.get('gzip'), request)) {
    lines.push('Content-Encoding: gzip');
    body = gzipSync(content(request.path, Number(query.get('size') ?? DEFAULT_SIZE)));
  }

  const bodyPath = versionPath(request.path, changes);
  const whole = body?.length ?? Number(query.get('size') ?? DEFAULT_SIZE);
  let start = 0;
  if (status === 200 && body === undefined) {
    const validators = validatorsOf(query, changes, asked);
    lines.push(...validators.lines);
    const wanted = rangeStart(request, query, validators);
    if (isKnown(request, validators)) {
      status = 304;
    } else if (wanted !== undefined && wanted >= whole) {
      status = 416;
      lines.push(`Content-Range: bytes */${whole}`);
      body = Buffer.from('no such range\n');
    } else if (wanted !== undefined) {
      status = 206;
      start = query.get('ranges') === 'wrong' ? 0 : wanted;
      lines.push(`Content-Range: bytes ${start}-${whole - 1}/${whole}`);
    }
  }
  const size = status === 304 ? 0 : (body?.length ?? whole - start);
  const badChunkAt = fault('bad-chunk');
  const isChunked = query.has('chunked') || badChunkAt !== null;
  const endless = fault('endless');
  if (isChunked) lines.push('Transfer-Encoding: chunked');
  else if (query.has('eof') || endless === 'body') lines.push('Connection: close');
  else if (status !== 304) lines.push(`Content-Length: ${size}`);
  const head = [`HTTP/1.1 ${status} ${REASONS.get(status) ?? 'Status'}`, ...lines].join('\r\n');
  await write(endless === 'head' ? `${head}\r\n` : `${head}\r\n\r\n`);
  while (endless === 'head') await write(`X-Endless: ${'x'.repeat(1000)}\r\n`);
  if (request.method === 'HEAD') return;

  const stops = [fault('stall'), fault('cut'), fault('reset'), badChunkAt].filter(
    (at) => at !== null,
  );
  const end = endless === 'body' ? Number.POSITIVE_INFINITY : Math.min(size, ...stops.map(Number));
  const trickleMs = fault('trickle');
  const piece =
    trickleMs === null ? PIECE_BYTES : Math.min(PIECE_BYTES, Number(query.get('piece') ?? 256));
  const stream = keyStream(bodyPath);
  for (let left = start; left > 0; left -= PIECE_BYTES)
    stream.update(ZEROS.subarray(0, Math.min(left, PIECE_BYTES)));
  for (let at = 0; at < end; at += piece) {
    const count = Math.min(piece, end - at);
    const bytes = body?.subarray(at, at + count) ?? stream.update(ZEROS.subarray(0, count));
    if (isChunked)
      await write(
        Buffer.concat([Buffer.from(`${count.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]),
      );
    else await write(bytes);
    if (trickleMs !== null && at + count < end)
      await sleep(Number(trickleMs), undefined, { signal: gone });
  }

  if (badChunkAt !== null) await write('no hex digits\r\n');
  if (fault('stall') !== null) await clientLeaves;
  if (fault('reset') !== null) reset(socket);
  else if (fault('cut') !== null || badChunkAt !== null || query.has('eof')) socket.end();
  else if (isChunked) await write('0\r\n\r\n');
}

/**
 * By which path `content` knows the bytes of a path that was changed so often.
 * @param {string} path
 * @param {number} changes
 */
function versionPath(path, changes) {
  return changes === 0 ? path : `${path}#${changes}`;
}

/**
 * @typedef {object} Validators
 * @property {string | undefined} etag
 * @property {string | undefined} modified
 * @property {string[]} lines
 *
 * @param {URLSearchParams} query
 * @param {number} changes
 * @param {number} asked
 * @returns {Validators}
 */
function validatorsOf(query, changes, asked) {
  const lines = [`Date: ${new Date().toUTCString()}`];
  const kind = query.get('etag');
  const mark = kind === 'each' ? `each-${asked}` : `version-${changes}`;
  const etag = kind === null ? undefined : `${kind === 'weak' ? 'W/' : ''}"${mark}"`;
  if (etag !== undefined) lines.push(`ETag: ${etag}`);
  const since = query.get('modified');
  const modified =
    since === null ? undefined : new Date(Date.parse(since) + changes * 3_600_000).toUTCString();
  if (modified !== undefined) lines.push(`Last-Modified: ${modified}`);
  return { etag, modified, lines };
}

/**
 * Where the range begins that is to be sent (RFC 9110 13.1.5, 14.2); undefined: the whole.
 * @param {OriginRequest} request
 * @param {URLSearchParams} query
 * @param {Validators} validators
 */
function rangeStart(request, query, { etag, modified }) {
  if ((etag ?? modified) === undefined || query.get('ranges') === 'ignore') return undefined;
  const start = /^bytes=(\d+)-$/.exec(request.headers['range'] ?? '')?.[1];
  const condition = request.headers['if-range'];
  const holds =
    condition === undefined ||
    condition === modified ||
    (condition === etag && !etag.startsWith('W/'));
  return start !== undefined && holds ? Number(start) : undefined;
}

/**
 * Whether the client has this version (RFC 9110 13.1.2, 13.1.3).
 * @param {OriginRequest} request
 * @param {Validators} validators
 */
function isKnown(request, { etag, modified }) {
  const { 'if-none-match': tag, 'if-modified-since': date } = request.headers;
  return tag !== undefined ? tag === etag : date !== undefined && date === modified;
}

/**
 * @param {string | null} wanted
 * @param {OriginRequest} request
 */
function isGzipWanted(wanted, request) {
  if (wanted === null) return false;
  return wanted === 'always' || (request.headers['accept-encoding'] ?? '').includes('gzip');
}

/** @param {import('node:net').Socket} socket */
function reset(socket) {
  if ('getPeerCertificate' in socket)
    socket.destroy(); // There is no reset through TLS.
  else socket.resetAndDestroy();
}
