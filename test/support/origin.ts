/** The loopback origin, for the length of one test. */
import { onTestFinished } from 'vitest';
import { type Origin, type OriginOptions, startOrigin } from '../../scripts/origin.mjs';

export { content, type Origin, type OriginRequest, sha256 } from '../../scripts/origin.mjs';

/** Starts an origin that stops when the current test is over. */
export async function useOrigin(options?: OriginOptions): Promise<Origin> {
  const origin = await startOrigin(options);
  onTestFinished(() => origin.stop());
  return origin;
}
