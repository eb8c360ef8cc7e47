import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startNginx } from './nginx.ts';

it('serves one directory over HTTP, TLS and HTTP/2', async () => {
  const nginx = await startNginx();
  onTestFinished(() => nginx.stop());
  writeFileSync(join(nginx.root, 'a.txt'), 'hello');
  const args = ['-sS', '-w', ' %{http_version}', '--cacert', nginx.certificates.caFile];
  const said = [nginx.http, nginx.https, nginx.http2].map((base) =>
    execFileSync('curl', [...args, `${base}/a.txt`], { encoding: 'utf8' }),
  );
  expect(said).toEqual(['hello 1.1', 'hello 1.1', 'hello 2']);
});
