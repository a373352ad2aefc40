import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Context, Figure, Scenario } from '../scenario.js'
import { mosquittoFile, startMosquitto } from '../support/mosquitto.js'
import { startServer } from '../support/server.js'

/** Starts are short, and others on the machine disturb some of them: the quickest of these counts. */
const STARTS = 3

const AEDES = new URL('./aedes.js', import.meta.url).pathname

/** All that a server without settings opens, on ports of its own. */
const ALL_LISTENERS = { MQTTS_PORT: '0', WS_PORT: '0', HTTP_PORT: '0' }

/** A server that was ended, by an update or a power cut, is back before its devices notice much. */
export const start: Scenario = {
  name: 'start',
  about: 'from the start of the process until it serves, beside bare Aedes and Mosquitto',
  async run(context) {
    const taken = new Map<string, number[]>()
    const note = async (what: string, serve: () => Promise<unknown>): Promise<void> => {
      const fromMs = performance.now()
      const pidToKill = await serve()
      taken.set(what, [...(taken.get(what) ?? []), performance.now() - fromMs])
      // Mosquitto loses a SIGTERM that comes as soon as it says that it runs.
      if (typeof pidToKill === 'number') process.kill(pidToKill, 'SIGKILL')
      await context.processes.end()
    }
    for (let turn = 0; turn < STARTS; turn += 1) {
      const [plain, full] = [join(context.folder, `plain-${turn}`), join(context.folder, `full-${turn}`)]
      for (const folder of [plain, full]) await mkdir(folder)
      await note('bare Aedes', () => startAedes(context))
      const file = await mosquittoFile(context)
      await note('Mosquitto', async () => (await startMosquitto(context, file)).pid)
      await note('MQTT alone, first', () => startServer({ ...context, folder: plain }))
      await note('MQTT alone, again', () => startServer({ ...context, folder: plain }))
      await note('all listeners, first', () => startServer({ ...context, folder: full }, ALL_LISTENERS))
      await note('all listeners, again', () => startServer({ ...context, folder: full }, ALL_LISTENERS))
    }
    return figuresOf(new Map([...taken].map(([what, all]) => [what, Math.min(...all)])))
  },
}

function figuresOf(quickest: ReadonlyMap<string, number>): readonly Figure[] {
  const reference = { what: 'bare Aedes', value: quickest.get('bare Aedes') ?? Number.NaN }
  return [...quickest].map(([what, value]) =>
    what === reference.what ? { what, unit: 'ms', value } : { what, unit: 'ms', value, reference },
  )
}

async function startAedes({ processes }: Context): Promise<void> {
  const child = processes.start(process.execPath, [AEDES], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ready = new Promise<void>((resolve) => {
    child.stdout?.on('data', () => resolve())
  })
  await Promise.race([ready, failed('Aedes', child)])
}

async function failed(what: string, child: ChildProcess): Promise<never> {
  const [code] = await once(child, 'close')
  throw new Error(`${what} ended with ${code}`)
}
