import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { Server } from '../../test/support/server-process.js'
import { holdsWithin } from './wait.js'

/** What a server is started with to have its heap looked into: Node's inspector, on a free port. */
export const INSPECTABLE = { NODE_OPTIONS: '--inspect-port=127.0.0.1:0' } as const

/** Memory of a process after all that nobody needs any more was collected, in MiB. */
export interface LiveMemory {
  /** Objects of JavaScript, and buffers. */
  readonly heapMiB: number
  /** What the operating system counts. */
  readonly residentMiB: number
}

/** Looks into the heap of a server. */
export interface Heap {
  /** Collects garbage, and measures what is left. */
  measure(): Promise<LiveMemory>
}

const OPENED_WITHIN_MS = 60_000
const MIB = 1_048_576

/**
 * Has a server that is `INSPECTABLE` open its inspector. Nobody stays connected to it: a process that fails would
 * wait for them, and not end.
 */
export async function openHeap(server: Server): Promise<Heap> {
  process.kill(server.pid, 'SIGUSR1')
  const address = (): string | undefined => /ws:\/\/127\.0\.0\.1:\d+\/[0-9a-f-]+/.exec(server.text())?.[0]
  if (!(await holdsWithin(OPENED_WITHIN_MS, () => address() !== undefined))) throw new Error('no inspector')
  return {
    async measure() {
      const socket = new WebSocket(address() ?? '')
      try {
        await once(socket, 'open')
        return await measure(socket)
      } finally {
        socket.terminate()
      }
    },
  }
}

async function measure(socket: WebSocket): Promise<LiveMemory> {
  const ask = async (method: string, params: object): Promise<unknown> => {
    socket.send(JSON.stringify({ id: 1, method, params }))
    const [answer] = await once(socket, 'message') // nothing else was asked for
    return JSON.parse(String(answer))
  }
  await ask('HeapProfiler.collectGarbage', {})
  const answer = await ask('Runtime.evaluate', { expression: 'process.memoryUsage()', returnByValue: true })
  const usage = field(field(field(answer, 'result'), 'result'), 'value')
  const mib = (name: string): number => Number(field(usage, name)) / MIB
  return { heapMiB: Math.round(mib('heapUsed') + mib('external')), residentMiB: Math.round(mib('rss')) }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
