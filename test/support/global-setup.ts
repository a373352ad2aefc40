import type { TestProject } from 'vitest/node'
import { startMariadb } from './mariadb.js'
import { ensurePackages } from './packages.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** The port of the MariaDB that all test files share; each makes its own database there. */
    mariadbPort: number
  }
}

/** Starts what all test files share; what it returns stops that. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  ensurePackages()
  const mariadb = await startMariadb()
  project.provide('mariadbPort', mariadb.port)
  return mariadb.stop
}
