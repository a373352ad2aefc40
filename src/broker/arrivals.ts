import type { Duplex } from 'node:stream'

/** New connections on their way to the broker. */
export interface Arrivals {
  /**
   * Calls `begin` when the connection has sent something and its turn has come, unless it has closed by then.
   * One that sends nothing in time is destroyed; `onSilence` is told before.
   */
  enter(stream: Duplex, begin: () => void, onSilence: () => void): void
  /** Destroys those that wait, and every further one. */
  stop(): void
}

/**
 * Connections that begin in one turn of the event loop. A login takes some 0.4 ms of the main thread: a fleet
 * that comes back at once brings 1,000 in one turn, for which everyone else would wait (`npm run bench --
 * logins`). Turns are short when there is nothing else to do, so this does not limit how many log in.
 */
const BEGUN_AT_ONCE = 2

/** Lets connections begin in the order in which they have something to say. */
export function createArrivals(silentForMs: number): Arrivals {
  const silent = new Set<Duplex>()
  const waiting = new Map<Duplex, () => void>()
  let isScheduled = false
  let isStopped = false

  const beginSome = (): void => {
    let begun = 0
    for (const [stream, begin] of waiting) {
      waiting.delete(stream)
      begin()
      // Announced already, and the streams of WebSockets do not do so again for another listener.
      stream.emit('readable')
      begun += 1
      if (begun === BEGUN_AT_ONCE) break
    }
    isScheduled = waiting.size > 0
    if (isScheduled) setImmediate(beginSome)
  }

  return {
    enter(stream, begin, onSilence) {
      if (isStopped) {
        stream.destroy()
        return
      }
      const limit = setTimeout(() => {
        onSilence()
        stream.destroy()
      }, silentForMs)
      silent.add(stream)
      stream.on('error', () => undefined) // 'close' follows
      stream.once('close', () => {
        clearTimeout(limit)
        silent.delete(stream)
        waiting.delete(stream)
      })
      stream.once('readable', () => {
        clearTimeout(limit)
        silent.delete(stream)
        if (stream.destroyed) return
        waiting.set(stream, begin)
        if (!isScheduled) setImmediate(beginSome)
        isScheduled = true
      })
    },
    stop() {
      isStopped = true
      for (const stream of [...silent, ...waiting.keys()]) stream.destroy()
      waiting.clear()
    },
  }
}
