/**
 * The addon as it is built, linked once more with a curl_multi_socket_action that fails when it is told to: libcurl's own
 * errors cannot be caused from outside. It fails for the events FAIL_WITH + CURLMcode, and counts the calls that reach it.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCompiler } from '../../scripts/system-packages.mjs';

/** Added to a CURLMcode, it makes events that libcurl never sees. */
export const FAIL_WITH = 0x1000;

const SOURCE = `
#include <curl/curl.h>
CURLMcode __real_curl_multi_socket_action(CURLM *, curl_socket_t, int, int *);
CURLMcode __wrap_curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int events, int *running) {
  if (events >= ${FAIL_WITH}) return (CURLMcode)(events - ${FAIL_WITH});
  return __real_curl_multi_socket_action(multi, fd, events, running);
}
`;

const build = fileURLToPath(new URL('../../native/build/Release', import.meta.url));

/** Its path, in `directory`. */
export function linkFaultyAddon(directory: string): string {
  const source = join(directory, 'fault.c');
  const addon = join(directory, 'mcurl.node');
  writeFileSync(source, SOURCE);
  const objects = join(build, 'obj.target/mcurl/addon');
  const [compiler = 'c++', ...args] = findCompiler()?.split(' ') ?? [];
  execFileSync(compiler, [...args, '-x', 'c', '-fPIC', '-c', source, '-o', `${source}.o`]);
  execFileSync(compiler, [
    ...args,
    '-shared',
    '-Wl,--wrap=curl_multi_socket_action',
    '-o',
    addon,
    ...readdirSync(objects)
      .filter((name) => name.endsWith('.o'))
      .map((name) => join(objects, name)),
    `${source}.o`,
    join(build, 'core.a'),
    '-lcurl',
  ]);
  return addon;
}
