/** An nginx tuned for measuring: no logs, connections that live long, as many workers as asked for. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from '../../scripts/system-packages.mjs';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function makeCertificate(directory) {
  const certFile = join(directory, 'cert.pem');
  const keyFile = join(directory, 'key.pem');
  const { status, stderr } = spawnSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-keyout', keyFile, '-out', certFile, '-days', '30', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`openssl: ${stderr}`);
  return { certFile, keyFile };
}

/**
 * Starts nginx on `root`; `/virtual/…` answers any name with the file `root/one.bin`.
 * Resolves to base URLs by protocol, the certificate's file, and `stop()`.
 */
export async function startNginx(directory, root, workers) {
  mkdirSync(join(directory, 'logs'), { recursive: true });
  const certificate = makeCertificate(directory);
  const [http, https, http2] = [await freePort(), await freePort(), await freePort()];
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${directory}/tmp;`)
    .join('\n');
  writeFileSync(
    join(directory, 'nginx.conf'),
    `daemon off;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    worker_processes ${workers};
    worker_rlimit_nofile 16384;
    pid ${directory}/nginx.pid;
    events { worker_connections 8192; }
    http {
      access_log off;
      ${temporary}
      sendfile on;
      tcp_nodelay on;
      keepalive_requests 100000000;
      keepalive_timeout 600s;
      ssl_certificate ${certificate.certFile};
      ssl_certificate_key ${certificate.keyFile};
      ssl_session_cache shared:tls:4m;
      server {
        listen 127.0.0.1:${http} backlog=4096;
        listen 127.0.0.1:${https} ssl backlog=4096;
        listen 127.0.0.1:${http2} ssl http2 backlog=4096;
        root ${root};
        location /virtual/ { try_files /one.bin =404; }
      }
    }`,
  );
  const server = spawn(
    findProgram('nginx'),
    ['-p', directory, '-c', 'nginx.conf', '-e', 'logs/error.log'],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const ended = once(server, 'exit');
  for (;;) {
    if (server.exitCode !== null) throw new Error('nginx does not start; its words stand above');
    const socket = connect(http2, '127.0.0.1');
    try {
      await once(socket, 'connect');
      break;
    } catch {
      await sleep(10); // nginx tells nobody when it is ready.
    } finally {
      socket.destroy();
    }
  }
  return {
    bases: {
      http: `http://127.0.0.1:${http}`,
      https: `https://127.0.0.1:${https}`,
      http2: `https://127.0.0.1:${http2}`,
    },
    certFile: certificate.certFile,
    stop: async () => {
      server.kill('SIGTERM');
      await ended;
    },
  };
}
