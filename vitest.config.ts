import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    // What a file leaves behind would be a fault of it, and a process for each takes a twentieth of the time.
    isolate: false,
    // More than two cores have: most tests wait most of the time, for a server to start or a grace period to end.
    maxWorkers: 4,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
