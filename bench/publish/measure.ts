import type { Context } from '../scenario.js'
import { cpuMicroseconds } from '../support/cpu.js'
import type { Server } from '../support/server.js'
import { startWorker } from '../support/worker.js'

/** How messages come. */
export interface PublishLoad {
  readonly qos: 0 | 1 | 2
  readonly connections: number
  /** Messages that leave their client in one write. */
  readonly together: number
  readonly messages: number
  /** By the name of the server's listener; absent: TCP. */
  readonly transport?: 'mqtt' | 'mqtts' | 'ws'
}

/** Code that has run often is compiled by then. */
const WARM_UP_SHARE = 0.5

/** The messages of a run, in so many parts. */
const TURNS = 5

/**
 * CPU that each server takes for a message, user and system, in microseconds, in the order given. The servers take
 * turns, so that what else the machine does falls to all.
 */
export async function measurePublish(
  context: Context,
  candidates: readonly (Pick<Server, 'port' | 'pid'> & { readonly load: PublishLoad })[],
): Promise<readonly number[]> {
  const measured = await Promise.all(candidates.map((candidate) => begin(context, candidate.load, candidate)))
  for (let turn = 0; turn < TURNS; turn += 1) for (const { measure } of measured) await measure()
  return measured.map(({ each }) => each())
}

/** Connects a load to a server, and measures what CPU the server takes for its messages. */
async function begin(context: Context, input: PublishLoad, { port, pid }: Server) {
  const { messages } = input
  const load = startWorker(context, 'publish/load.js')
  await load.ask('connect', { port, ...input })
  await load.ask('publish', messages * WARM_UP_SHARE)
  let took = 0
  return {
    async measure(): Promise<void> {
      const before = await cpuMicroseconds(pid)
      await load.ask('publish', messages / TURNS)
      took += (await cpuMicroseconds(pid)) - before
    },
    /** Microseconds a message. */
    each: (): number => took / messages,
  }
}
