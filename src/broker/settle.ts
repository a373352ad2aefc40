import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Ends the connections of `open` when every publish has had its answer, and every answer has left for the kernel. */
export async function settle(
  parts: readonly { idle(): Promise<void> }[],
  open: ReadonlyMap<Duplex, unknown>,
): Promise<void> {
  await nextTurn()
  for (const part of parts) {
    await part.idle()
    await nextTurn()
  }
  await Promise.all(
    [...open.keys()].map((stream) => new Promise((resolve) => stream.once('close', resolve).end(resolve))),
  )
}
