import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Context, Figure, Scenario } from '../scenario.js'
import { mosquittoFile, startMosquitto } from '../support/mosquitto.js'
import { type Server, startServer } from '../support/server.js'
import { isRecord, startWorker } from '../support/worker.js'

const SESSIONS = 10_000
const MESSAGES_EACH = 10

/** What a restart took. */
interface Restarted {
  /** From the start of the process until it serves. */
  readonly readyMs: number
  /** From the first client that comes back until the last message is there. */
  readonly deliveredMs: number
}

/** Whoever was away when the power failed gets what was kept. */
export const restart: Scenario = {
  name: 'restart',
  about: 'a start with 10,000 sessions and 100,000 queued messages, until all is delivered',
  async run(context) {
    const [empty, full] = [join(context.folder, 'empty'), join(context.folder, 'full')]
    for (const folder of [empty, full]) await mkdir(folder)
    const start = (folder: string): Promise<Server> =>
      startServer({ ...context, folder }, { MAX_CONNECTIONS: String(SESSIONS * 2) })
    await start(empty)
    await context.processes.end()
    const emptyMs = await taken(() => start(empty))
    await context.processes.end()
    context.say('Damselfly, killed with all of it')
    const own = await runOn(context, 'SIGKILL', () => start(full))
    context.say('Mosquitto, ended in order')
    // It writes its sessions when it ends, or every half an hour.
    const persistence = ['persistence true', `persistence_location ${context.folder}/`]
    const mosquitto = await runOn(context, 'SIGTERM', async () =>
      startMosquitto(context, await mosquittoFile(context, persistence)),
    )
    return figuresOf(own, mosquitto, emptyMs)
  },
}

/** Fills a server, ends it, starts it again, and has the clients come back. */
async function runOn(
  context: Context,
  signal: 'SIGKILL' | 'SIGTERM',
  start: () => Promise<Server>,
): Promise<Restarted> {
  const { port, pid } = await start()
  const before = startWorker(context, 'restart/sessions.js')
  const sessions = { count: SESSIONS, messagesEach: MESSAGES_EACH }
  await before.ask('subscribe', { port, ...sessions })
  await before.ask('queue', { port, ...sessions })
  process.kill(pid, signal)
  await context.processes.end()
  let again: Server | undefined
  const readyMs = await taken(async () => {
    again = await start()
  })
  const after = startWorker(context, 'restart/sessions.js')
  const answer = await after.ask('receive', { port: again?.port, ...sessions })
  await context.processes.end()
  if (!isRecord(answer)) throw new Error('the clients told nothing')
  const { tookMs, connectedMs, distinct, received } = answer
  context.say(
    `  ready after ${Math.round(readyMs)} ms; ${received} received, ${distinct} different; all connected after ${Math.round(Number(connectedMs))} ms`,
  )
  if (distinct !== SESSIONS * MESSAGES_EACH) throw new Error(`${distinct} messages of all came`)
  return { readyMs, deliveredMs: Number(tookMs) }
}

async function taken(act: () => Promise<unknown>): Promise<number> {
  const fromMs = performance.now()
  await act()
  return performance.now() - fromMs
}

function figuresOf(own: Restarted, mosquitto: Restarted, emptyMs: number): readonly Figure[] {
  const figure = (what: string, value: number, other: string, reference: number): Figure => ({
    what,
    unit: 'ms',
    value,
    reference: { what: other, value: reference },
  })
  return [
    figure('start to ready', own.readyMs, 'an empty server', emptyMs),
    figure('start to ready', own.readyMs, 'Mosquitto', mosquitto.readyMs),
    figure('first connection to last message', own.deliveredMs, 'Mosquitto', mosquitto.deliveredMs),
  ]
}
