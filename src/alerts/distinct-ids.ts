import { createLru } from '../cache/lru.js'
import type { Measured } from './alert.js'

/** How many different client ids each address had of late. */
export interface DistinctIds {
  add(address: string, clientId: string, nowMs: number): void
  measure(nowMs: number): Measured[]
}

/** An id, with the address that had it. */
interface Seen {
  readonly address: string
  readonly atMs: number
}

/** Remembers at most `maxIds` ids over all addresses; what was seen longest ago is forgotten. */
export function createDistinctIds(windowMs: number, maxIds: number): DistinctIds {
  const counts = new Map<string, number>()
  const ids = createLru<string, Seen>(maxIds, {
    // Also for one that is replaced, which is counted again.
    dispose: ({ address }) => {
      const left = (counts.get(address) ?? 0) - 1
      if (left > 0) counts.set(address, left)
      else counts.delete(address)
    },
  })
  return {
    add(address, clientId, nowMs) {
      ids.set(`${address} ${clientId}`, { address, atMs: nowMs })
      counts.set(address, (counts.get(address) ?? 0) + 1)
    },
    measure(nowMs) {
      const old: string[] = []
      for (const key of ids.rkeys()) {
        if (nowMs - (ids.peek(key)?.atMs ?? 0) < windowMs) break // they stand in the order in which they came last
        old.push(key)
      }
      for (const key of old) ids.delete(key)
      return [...counts].map(([address, value]) => ({
        key: address,
        subject: { kind: 'address', address },
        value,
      }))
    },
  }
}
