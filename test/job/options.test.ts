import { describe, expect, it } from 'vitest';
import { checkOptions, type FetchOptions } from '../../src/job/options.ts';

describe('checkOptions', () => {
  it.each([
    [{ job: 5 }, 'job is no option: there are directory, jobs'],
    [{ retry: { times: 5 } }, 'retry.times is no option: there are attempts, statuses, kinds'],
    [{ request: { header: [] } }, 'request.header is no option: there are headers'],
    [{ jobs: 0 }, 'jobs is 0: expected a whole number, 1 or more'],
    [{ jobs: '5' }, 'jobs is 5: expected'],
    [{ maxPerHost: Number.NaN }, 'maxPerHost is NaN'],
    [{ loops: 1.5 }, 'loops is 1.5'],
    [{ maxTimeMs: -1 }, 'maxTimeMs is -1: expected a whole number, 0 or more'],
    [{ retry: { attempts: -1 } }, 'retry.attempts is -1'],
    [{ request: { maxFilesize: Number.POSITIVE_INFINITY } }, 'request.maxFilesize is Infinity'],
  ])('refuses %o by name', (options, message) => {
    const refused = { code: 'ERR_MCURL_OPTION', message: expect.stringContaining(message) };
    expect(() => checkOptions(options as FetchOptions)).toThrow(expect.objectContaining(refused));
  });

  it('takes the least there may be, and what is left open', () => {
    const least = { jobs: 1, maxPerHost: 1, loops: 0, maxTimeMs: 0, retry: { attempts: 0 } };
    expect(() => checkOptions(least)).not.toThrow();
    expect(() => checkOptions({ jobs: undefined } as unknown as FetchOptions)).not.toThrow();
  });
});
