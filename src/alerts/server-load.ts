import { totalmem } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'

/** What the process takes, measured since the evaluation before. */
export interface ServerLoad {
  /** CPU time of all its threads, in per cent of one core. */
  cpuPercent(nowMs: number): number
  /** Memory in per cent of what it may take; or, where that is more, V8's heap of the most that V8 lets it be. */
  memoryPercent(): number
  /** The longest that the event loop was held up, ms. */
  eventLoopDelayMs(): number
  stop(): void
}

/** How finely the event loop is watched, ms: a timer of libuv's, which costs nothing to speak of. */
const RESOLUTION_MS = 20

/** Begins to measure. */
export function measureServerLoad(nowMs: number): ServerLoad {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delays.enable()
  let before = { nowMs, ...process.cpuUsage() }
  return {
    cpuPercent(atMs) {
      const { user, system } = process.cpuUsage()
      const usedMs = (user + system - before.user - before.system) / 1000
      const passedMs = Math.max(1, atMs - before.nowMs)
      before = { nowMs: atMs, user, system }
      return (usedMs / passedMs) * 100
    },
    memoryPercent() {
      const { used_heap_size, heap_size_limit } = getHeapStatistics()
      const resident = process.memoryUsage.rss() / memoryLimit()
      return Math.max(resident, used_heap_size / heap_size_limit) * 100
    },
    eventLoopDelayMs() {
      // What is recorded is the time between two looks, of which RESOLUTION_MS is as it should be.
      const longestMs = delays.max / 1e6 - RESOLUTION_MS
      delays.reset()
      return Math.max(0, longestMs)
    },
    stop: () => {
      delays.disable()
    },
  }
}

/** What a container lets the process take, or what the machine has. */
function memoryLimit(): number {
  const machine = totalmem()
  const container = process.constrainedMemory()
  return container !== undefined && container > 0 && container < machine ? container : machine
}
