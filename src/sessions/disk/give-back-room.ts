import type { State } from '../../store/state.js'

/** 4 MiB: some tens of milliseconds, during which nothing else is written. */
const PAGES_A_STEP = 1000

/** 1 MiB stays for what comes. */
const KEPT_PAGES = 256

/**
 * Makes what gives the room of deleted rows back to the disk, in steps, in moments in which nothing is to be
 * written. It does not reject: where it fails it is done another time.
 */
export function createGivingBack(state: Pick<State, 'read' | 'shrink'>): () => Promise<void> {
  let isRunning = false
  const freePages = async (): Promise<number> =>
    Number((await state.read({ sql: 'PRAGMA freelist_count', args: [] }))[0]?.[0])

  return async () => {
    if (isRunning) return
    isRunning = true
    try {
      for (let free = await freePages(); free > KEPT_PAGES; free = await freePages()) {
        await state.shrink(PAGES_A_STEP)
      }
    } catch {
      // A full disk, or a file that is closed: whoever writes to it says so.
    } finally {
      isRunning = false
    }
  }
}
