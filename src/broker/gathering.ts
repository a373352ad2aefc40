import { encodePubacks } from '../mqtt/encode-packet.js'

/** What is written to one connection in one turn. */
export interface Gathering {
  write(bytes: Buffer): void
  /** A PUBACK; those of one turn come before all else of it. */
  acknowledge(packetIdentifier: number): void
  /** Sends what there is. */
  flush(): void
}

/** So much is gathered for one write: beyond that the copy costs as much as the call. */
export const MAX_GATHERED_BYTES = 16_384

/**
 * Gathers it, and sends it as one buffer before the turn is over: a call of the kernel costs more than all that is
 * done with a packet. `join` makes one buffer of several.
 */
export function createGathering(
  join: (buffers: readonly Buffer[]) => Buffer,
  send: (bytes: Buffer) => void,
): Gathering {
  let acknowledged: number[] = []
  let gathered: Buffer[] = []
  let gatheredBytes = 0
  let isScheduled = false

  const flush = (): void => {
    if (acknowledged.length > 0) {
      gathered.unshift(encodePubacks(acknowledged))
      acknowledged = []
    }
    if (gathered.length === 0) return
    const bytes = join(gathered)
    gathered = []
    gatheredBytes = 0
    send(bytes)
  }
  const schedule = (): void => {
    if (isScheduled) return
    isScheduled = true
    process.nextTick(() => {
      isScheduled = false
      flush()
    })
  }

  return {
    write(bytes) {
      schedule()
      gathered.push(bytes)
      gatheredBytes += bytes.length
      if (gatheredBytes >= MAX_GATHERED_BYTES) flush()
    },
    acknowledge(packetIdentifier) {
      schedule()
      acknowledged.push(packetIdentifier)
    },
    flush,
  }
}
