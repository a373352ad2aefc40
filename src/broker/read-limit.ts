import type { Connection } from './connection.js'

/** Holds the reads of clients of which too much is on its way. */
export interface ReadLimit {
  /** A publish has come. */
  enter(connection: Connection): Passage
}

/** One publish on its way. */
export interface Passage {
  /** Called once, when it has had its answer. */
  end(): void
  /** Called when everything was begun that can be begun at once, whether or not it has ended by then. */
  wait(): void
}

/** More than any device sends before it waits for an answer. */
const MAX_PUBLISHES = 1000

/** Some window of large messages, and few enough that no single client can fill what is there for all. */
const MAX_BYTES = 4 * 1024 * 1024

/** As much as ingest's full queue, and as much again that waits for it, for devices or for sessions. */
const MAX_BYTES_OF_ALL = 128 * 1024 * 1024

/** What a publish takes beside its bytes until it has had its answer, as `npm run chaos -- overload` measures it. */
const OVERHEAD_BYTES = 1500

/**
 * A client is not read while it has a thousand publishes or 4 MiB on their way, until half of that is left. While
 * all clients together have too much, each that publishes is read once at a time: it is read again when all that
 * it sent has had its answer, so that a greedy one takes nothing from the others, and one that publishes nothing
 * is not held.
 */
export function createReadLimit(): ReadLimit {
  let bytesOfAll = 0

  const close = ({ pending, inlet }: Connection): void => {
    const isFull = pending.publishes >= MAX_PUBLISHES || pending.bytes >= MAX_BYTES
    if (pending.isHeld || !(isFull || bytesOfAll >= MAX_BYTES_OF_ALL)) return
    pending.isHeld = true
    inlet.hold(true)
  }

  const open = ({ pending, inlet }: Connection): void => {
    const isDrained = pending.publishes <= MAX_PUBLISHES / 2 && pending.bytes <= MAX_BYTES / 2
    const isNext = pending.publishes === 0 || (isDrained && bytesOfAll < MAX_BYTES_OF_ALL)
    if (!pending.isHeld || !isNext) return
    pending.isHeld = false
    inlet.hold(false)
  }

  return {
    enter(connection) {
      const { pending, inlet } = connection
      let bytes = 0
      let isEnded = false
      pending.publishes += 1
      return {
        end() {
          isEnded = true
          pending.publishes -= 1
          pending.bytes -= bytes
          bytesOfAll -= bytes
          open(connection)
          inlet.settled()
        },
        wait() {
          if (isEnded) return
          bytes = inlet.takeReadBytes() + OVERHEAD_BYTES
          pending.bytes += bytes
          bytesOfAll += bytes
          close(connection)
        },
      }
    },
  }
}
