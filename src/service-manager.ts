import { execFile } from 'node:child_process'
import type { Context } from './context.js'
import type { Logger } from './log/logger.js'

/** systemd, where it has started this process and wants to be told of it (sd_notify(3)). */
export interface ServiceManager {
  /** Sends assignments such as `READY=1`; resolves when systemd has them, rejects where that is not known. */
  tell(assignments: readonly string[]): Promise<void>
  /** It restarts a service that has not sent `WATCHDOG=1` for so long; `undefined` where it doesn't. */
  readonly watchdogMs: number | undefined
}

/** What is told of the server. */
export interface ServiceState {
  /** A new process could do better if it is not. A database that is away is no reason. */
  readonly isServing: boolean
  /** One line, which `systemctl status` shows. */
  readonly status: string
}

/** Systemd answers at once; a machine under load takes its time. */
const TOLD_WITHIN_MS = 10_000

/** Three notices may come in the time in which one must (sd_watchdog_enabled(3) has two). */
const NOTICES_IN_TIME = 3

/** The service manager that the variables of the process `pid` name; `undefined` where there is none. */
export function serviceManager(environment: NodeJS.ProcessEnv, pid: number): ServiceManager | undefined {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, PATH } = environment
  if (NOTIFY_SOCKET === undefined || NOTIFY_SOCKET === '') return undefined
  const watchdogMs = Math.floor(Number(WATCHDOG_USEC) / 1000)
  const isWatched = watchdogMs > 0 && (WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === pid)
  return {
    // Its socket takes datagrams, for which Node has nothing.
    tell: (assignments) =>
      new Promise((resolve, reject) => {
        const options = { timeout: TOLD_WITHIN_MS, env: { PATH, NOTIFY_SOCKET } }
        execFile('systemd-notify', assignments, options, (error) => (error ? reject(error) : resolve()))
      }),
    watchdogMs: isWatched ? watchdogMs : undefined,
  }
}

/**
 * Says that the server is ready, and from then on, where that is wanted, that it still serves; the event loop
 * that would say so says by its silence that it stands still. A notice that cannot be sent is in the log.
 */
export function startServiceNotices(
  manager: ServiceManager,
  look: () => Promise<ServiceState>,
  log: Logger,
): { readonly stop: () => Promise<void> } {
  let underWay: Promise<void> | undefined

  const tell = async (first: readonly string[]): Promise<void> => {
    try {
      const { isServing, status } = await look()
      await manager.tell([...first, ...(isServing ? ['WATCHDOG=1'] : []), `STATUS=${status}`])
    } catch (error) {
      log.warn({ error: String(error) }, 'cannot tell systemd how the server is; is systemd-notify there?')
    }
  }
  const begin = (first: readonly string[]): void => {
    underWay ??= tell(first).finally(() => {
      underWay = undefined
    })
  }

  begin(['READY=1'])
  const everyMs = manager.watchdogMs === undefined ? undefined : manager.watchdogMs / NOTICES_IN_TIME
  const timer = everyMs === undefined ? undefined : setInterval(() => begin([]), everyMs)
  return {
    async stop() {
      clearInterval(timer)
      await underWay
    },
  }
}

/** The same of this server, until it stops. */
export function tellManager({ readiness, life, log }: Context, manager: ServiceManager): void {
  const look = async (): Promise<ServiceState> => {
    const { listeners, ...parts } = await readiness.report()
    const away = Object.entries(parts).flatMap(([name, isWorking]) => (isWorking ? [] : [name]))
    return { isServing: listeners, status: away.length === 0 ? 'ready' : `without ${away.join(' and ')}` }
  }
  life.started('notices to systemd', startServiceNotices(manager, look, log).stop)
}
