/** A real nginx of the tests' own: its own prefix, its own ports, one root directory served three ways. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from '../../scripts/system-packages.mjs';
import { type Certificates, makeCertificates } from './certificates.ts';
import { freePort } from './free-port.ts';
import { makeTmp } from './tmp.ts';

export interface Nginx {
  /** Directory whose files are served; fill it at any time. */
  readonly root: string;
  readonly certificates: Certificates;
  /** Base URLs without a slash at the end. */
  readonly http: string;
  /** TLS that offers HTTP/1.1 only. */
  readonly https: string;
  /** TLS that offers HTTP/2 as well. */
  readonly http2: string;
  stop(): Promise<void>;
}

const PROTOCOLS = ['http', 'https', 'http2'] as const;

function configuration(
  directory: string,
  ports: readonly number[],
  certificates: Certificates,
  directives: string,
): string {
  const [http, https, http2] = ports;
  return `
    daemon off;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    worker_processes 1;
    pid ${directory}/nginx.pid;
    error_log ${directory}/error.log;
    events { worker_connections 4096; }
    http {
      access_log off;
      ${directives}
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/tmp;`).join('\n')}
      ssl_certificate ${certificates.server.certFile};
      ssl_certificate_key ${certificates.server.keyFile};
      server {
        listen 127.0.0.1:${http} backlog=4096;
        listen 127.0.0.1:${https} ssl backlog=4096;
        listen 127.0.0.1:${http2} ssl http2 backlog=4096;
        root ${directory}/root;
      }
    }`;
}

/** True once something accepts connections on the port, false when the process ended before. */
async function isListening(port: number, server: ChildProcess): Promise<boolean> {
  while (server.exitCode === null && server.signalCode === null) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return true;
    } catch {
      await sleep(10); // nginx tells nobody when it is ready.
    } finally {
      socket.destroy();
    }
  }
  return false;
}

/** Starts nginx on three free ports, with further `directives` of its http block. @throws Error with nginx's own words when it does not start */
export async function startNginx(directives = ''): Promise<Nginx> {
  const program = findProgram('nginx');
  if (program === undefined)
    throw new Error("nginx is missing: type 'npm test', which installs it");
  const directory = makeTmp();
  const root = join(directory, 'root');
  mkdirSync(root);
  const certificates = makeCertificates(directory);

  let said = '';
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const ports = await Promise.all(PROTOCOLS.map(freePort));
    writeFileSync(
      join(directory, 'nginx.conf'),
      configuration(directory, ports, certificates, directives),
    );
    const server = spawn(program, ['-p', directory, '-c', 'nginx.conf', '-e', 'error.log'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const killServer = () => server.kill('SIGTERM');
    process.once('exit', killServer);
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const ended = once(server, 'close');
    // Another process may have taken a port meanwhile: nginx then ends, and other ports are tried.
    if (await isListening(ports[2] ?? 0, server)) {
      return {
        root,
        certificates,
        http: `http://127.0.0.1:${ports[0]}`,
        https: `https://127.0.0.1:${ports[1]}`,
        http2: `https://127.0.0.1:${ports[2]}`,
        stop: async () => {
          process.off('exit', killServer);
          killServer();
          await ended;
          rmSync(directory, { recursive: true, force: true });
        },
      };
    }
    process.off('exit', killServer);
  }
  throw new Error(`nginx does not start: ${said}`);
}
