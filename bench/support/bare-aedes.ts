import type { Context } from '../scenario.js'
import type { Server } from './server.js'
import { isRecord, startWorker } from './worker.js'

/** Aedes alone, on each listener that it was asked for. */
export interface BareAedes extends Server {
  portOf(scheme: 'mqtt' | 'mqtts' | 'ws'): number
}

/**
 * Starts Aedes alone in a process of its own, and resolves when it serves. `environment` is the process's;
 * `certificates` the folder with the key and the certificate that TLS is served with, `undefined`: it is not.
 */
export async function startBareAedes(
  context: Pick<Context, 'processes'>,
  environment: Readonly<Record<string, string>> = {},
  certificates?: string,
): Promise<BareAedes> {
  const worker = startWorker(context, 'publish/bare-aedes.js', environment)
  const listening = await worker.ask('listen', certificates)
  const ports = isRecord(listening) ? listening['ports'] : undefined
  if (!(isRecord(listening) && isRecord(ports))) throw new Error('bare Aedes does not listen')
  return {
    port: Number(listening['port']),
    pid: Number(listening['pid']),
    portOf: (scheme) => Number(ports[scheme]),
  }
}
