/** A network of a test's own, where a public address is local: nothing in it reaches anything outside. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

const ORIGIN = new URL('../../scripts/origin.mjs', import.meta.url).href;

/** The system lets this user make networks, and has the programs for it. */
export const HAS_NETWORKS =
  spawnSync('unshare', ['-rn', 'sh', '-c', 'ip link set lo up && command -v nsenter']).status === 0;

export interface OwnNetwork {
  /** For `CliOptions.before`: the program runs in this network. */
  readonly before: string;
  /** What its origins were asked for so far, as `ADDRESS/PATH`, by origin. */
  requests(): Promise<readonly string[]>;
}

/** Makes one, with an origin on port 8080 of each of these IPv4 addresses, that goes when the current test is over. */
export async function useOwnNetwork(...addresses: readonly string[]): Promise<OwnNetwork> {
  const program = `
    import { startOrigin } from ${JSON.stringify(ORIGIN)};
    const origins = new Map();
    for (const address of process.argv.slice(1)) origins.set(address, await startOrigin({ address, port: 8080 }));
    const told = ([address, origin]) => origin.requests.map(({ path }) => address + path);
    process.on('message', () => process.send([...origins].flatMap(told)));
    process.send('ready');`;
  const up = ['ip link set lo up', ...addresses.map((ip) => `ip addr replace ${ip}/32 dev lo`)];
  const child = spawn(
    'unshare',
    [
      ...['-rn', 'sh', '-c', `${up.join(' && ')} && exec "$0" "$@"`],
      ...[process.execPath, '--input-type=module', '-e', program, ...addresses],
    ],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const ended = once(child, 'close').then(([code]) => {
    throw new Error(`the network ended with ${code}`);
  });
  const message = async () => (await Promise.race([once(child, 'message'), ended]))[0];
  await message();
  return {
    before: `exec nsenter -t ${child.pid} -U -n --preserve-credentials -- "$0" "$@"`,
    async requests() {
      const answer = message();
      child.send('tell');
      return (await answer) as readonly string[];
    },
  };
}
