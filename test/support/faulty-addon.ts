/**
 * The addon as it is built, linked once more with functions of libcurl that fail when they are told to: libcurl's own errors
 * cannot be caused from outside. Names under `.slow.invalid` take SLOW_NAME_MS to be looked up, and are not found.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCompiler } from '../../scripts/system-packages.mjs';

/**
 * Added to a code, it makes what libcurl never sees: events of `socketAction` and a bitmask of `pause` that fail with that
 * code.
 */
export const FAIL_WITH = 0x1000;
/**
 * As events: `socketAction` does nothing, and the next removal of a handle tells that CURLMcode, though it is done but for
 * CURLM_RECURSIVE_API_CALL.
 */
export const FAIL_REMOVAL_WITH = 0x2000;
export const SLOW_NAME_MS = 3000;

const SOURCE = `
#define _GNU_SOURCE
#include <curl/curl.h>
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
static CURLMcode removal = CURLM_OK;
CURLMcode __real_curl_multi_socket_action(CURLM *, curl_socket_t, int, int *);
CURLMcode __wrap_curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int events, int *running) {
  if (events >= ${FAIL_REMOVAL_WITH}) {
    removal = (CURLMcode)(events - ${FAIL_REMOVAL_WITH});
    return CURLM_OK;
  }
  if (events >= ${FAIL_WITH}) return (CURLMcode)(events - ${FAIL_WITH});
  return __real_curl_multi_socket_action(multi, fd, events, running);
}
CURLMcode __real_curl_multi_remove_handle(CURLM *, CURL *);
CURLMcode __wrap_curl_multi_remove_handle(CURLM *multi, CURL *easy) {
  const CURLMcode told = removal;
  removal = CURLM_OK;
  if (told == CURLM_RECURSIVE_API_CALL) return told;
  const CURLMcode code = __real_curl_multi_remove_handle(multi, easy);
  return told == CURLM_OK ? code : told;
}
CURLcode __real_curl_easy_pause(CURL *, int);
CURLcode __wrap_curl_easy_pause(CURL *easy, int bitmask) {
  return bitmask >= ${FAIL_WITH} ? (CURLcode)(bitmask - ${FAIL_WITH}) : __real_curl_easy_pause(easy, bitmask);
}
typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);
/* libcurl's own calls find it: the addon is looked at first. */
lookup getaddrinfo;
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  const char *dot = name ? strchr(name, '.') : NULL;
  if (!dot || strcmp(dot, ".slow.invalid") != 0)
    return ((lookup *)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, found);
  usleep(${SLOW_NAME_MS}000);
  return EAI_NONAME;
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
    ...['multi_socket_action', 'multi_remove_handle', 'easy_pause'].map(
      (name) => `-Wl,--wrap=curl_${name}`,
    ),
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
