import type { Context } from '../scenario.js'
import type { Server } from './server.js'
import { isRecord, startWorker } from './worker.js'

/** Starts Aedes alone in a process of its own, and resolves when it serves. `environment` is the process's. */
export async function startBareAedes(
  context: Pick<Context, 'processes'>,
  environment: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const listening = await startWorker(context, 'publish/bare-aedes.js', environment).ask('listen')
  if (!isRecord(listening)) throw new Error('bare Aedes does not listen')
  return { port: Number(listening['port']), pid: Number(listening['pid']) }
}
