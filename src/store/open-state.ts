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
