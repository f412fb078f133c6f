import { defineConfig } from 'vitest/config';

// unit: pure and small, part of `./bae check`. system: real programs, part of `npm test`. soak: `npm run soak`.
export default defineConfig({
  test: {
    slowTestThreshold: 2_000,
    // Tests that run side by side take turns among themselves (test/fuzz/crew.ts): all may begin.
    maxConcurrency: 100,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/tidy.test.ts', 'test/unit/**/*.test.ts'],
          testTimeout: 10_000,
          // Modules are loaded once a thread, not once a file: a quarter of the time went there.
          isolate: false,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      { test: { name: 'soak', include: ['test/soak/**/*.test.ts'], testTimeout: 3_600_000, fileParallelism: false } },
    ],
  },
});
