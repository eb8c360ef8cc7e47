import { defineConfig } from 'vitest/config';

// biome-ignore lint/style/noDefaultExport: vitest wants it so.
export default defineConfig({
  test: {
    pool: 'forks',
    // Most tests wait for a server that takes its time: more of them than cores.
    maxWorkers: 4,
    retry: 0,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: { name: 'test', include: ['test/**/*.test.ts'], exclude: ['test/stress/**'] },
      },
      // Long and random; `npm run check` runs them, `npm test` does not.
      {
        extends: true,
        test: { name: 'stress', include: ['test/stress/*.test.ts'], testTimeout: 120_000 },
      },
    ],
  },
});
