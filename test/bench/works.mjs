/**
 * What is measured. `files` of `bytes` each; `goals` are mcurl's ratios to curl, or plain limits, that it is to reach.
 * `virtual` names are all answered with one file, so that a long list needs no large corpus.
 */
const KIB = 1024;
const MIB = 1024 * KIB;

const SMALL = { bytes: KIB, tools: ['mcurl', 'curl', 'wget2', 'aria2c'] };

export const WORKS = {
  'small-20k': { ...SMALL, files: 20_000, protocol: 'http', goals: { wallRatio: 0.8 } },
  'small-100k': {
    ...SMALL,
    files: 100_000,
    protocol: 'http',
    goals: { wallRatio: 0.7, cpuRatio: 0.9 },
  },
  'large-200': {
    ...SMALL,
    files: 200,
    bytes: 5 * MIB,
    protocol: 'http',
    goals: { wallRatio: 0.65, cpuRatio: 1 },
  },
  'huge-1': { ...SMALL, files: 1, bytes: 1024 * MIB, protocol: 'http', goals: {} },
  'small-20k-tls': { ...SMALL, files: 20_000, protocol: 'https', goals: { wallRatio: 0.75 } },
  'small-20k-h2': { ...SMALL, files: 20_000, protocol: 'http2', goals: { wallRatio: 0.75 } },
  'large-200-tls': { ...SMALL, files: 200, bytes: 5 * MIB, protocol: 'https', goals: {} },
  'large-200-h2': { ...SMALL, files: 200, bytes: 5 * MIB, protocol: 'http2', goals: {} },
  'huge-1-tls': { ...SMALL, files: 1, bytes: 1024 * MIB, protocol: 'https', goals: {} },
  'huge-1-h2': { ...SMALL, files: 1, bytes: 1024 * MIB, protocol: 'http2', goals: {} },
  'list-100k': { files: 100_000, bytes: KIB, protocol: 'http', tools: ['mcurl'], virtual: true },
  'list-1m': {
    files: 1_000_000,
    bytes: KIB,
    protocol: 'http',
    tools: ['mcurl', 'curl'],
    virtual: true,
    rounds: 1,
    goals: { peakBytes: 200 * 1000 * 1000 },
  },
  'slow-5k': {
    files: 5000,
    bytes: KIB,
    protocol: 'http',
    tools: ['mcurl'],
    jobs: 5000,
    delayMs: 2000,
    rounds: 3,
    goals: { peakBytes: 300 * 1000 * 1000, inFlight: 5000 },
  },
};
