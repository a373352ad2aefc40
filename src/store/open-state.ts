import type { OpenState } from './state-thread.js'

/** Opens one file, in a thread that ends with it. */
export const openState: OpenState = async (path, kind, options) => {
  const { startStateThread } = await import('./sqlite/start-state-thread.js')
  const thread = startStateThread()
  try {
    const state = await thread.open(path, kind, options)
    return {
      ...state,
      async close() {
        await state.close()
        await thread.stop()
      },
    }
  } catch (error) {
    await thread.stop()
    throw error
  }
}

/**
 * Copies the database file `from`, which has to be there, to `to`, which must not be: as it is at one moment, with
 * all that was committed before the call, also while a server writes to it.
 *
 * @throws StoreError, as `openState`.
 */
export async function copyDatabaseFile(from: string, to: string): Promise<void> {
  const { copyDatabase } = await import('./sqlite/copy-database.js')
  await copyDatabase(from, to)
}

/**
 * Keeps every server from opening the state at `path` until the returned function is called.
 *
 * @throws StoreError STORE_UNAVAILABLE while one has it open.
 */
export async function lockState(path: string): Promise<() => void> {
  const { lockFile } = await import('./sqlite/lock-file.js')
  return lockFile(path)
}
