/** An HTTP/1.1 server that answers every request after a while; it counts how many wait at once. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Starts it on a free loopback port. `peak()` tells the most requests that ever waited together. */
export async function startSlowOrigin(delayMs, bodyBytes) {
  const answer = Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${bodyBytes}\r\n\r\n`),
    Buffer.alloc(bodyBytes, 'x'),
  ]);
  const sockets = new Set();
  let waiting = 0;
  let peak = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let head = '';
    socket.setEncoding('latin1').on('data', (text) => {
      head += text;
      if (!head.endsWith('\r\n\r\n')) return;
      head = '';
      waiting += 1;
      peak = Math.max(peak, waiting);
      setTimeout(() => {
        waiting -= 1;
        socket.write(answer);
      }, delayMs);
    });
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 });
  await once(server, 'listening');
  return {
    base: `http://127.0.0.1:${server.address().port}`,
    peak: () => peak,
    stop: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
