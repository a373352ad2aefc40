import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'

/** The processes that were started here, and no others. */
export interface Processes {
  start(command: string, args: readonly string[], options: SpawnOptions): ChildProcess
  /** Ends those that are still there, and resolves when they are gone. */
  end(): Promise<void>
  /** The same at once, for an exit that can wait for nothing. */
  kill(): void
}

/** A server that is stopped writes out what it received, and its profile. */
const STOP_WITHIN_MS = 15_000

/** Keeps every process until it has ended. */
export function createProcesses(): Processes {
  const running = new Set<ChildProcess>()

  const stop = async (child: ChildProcess): Promise<void> => {
    const ended = once(child, 'close')
    child.kill('SIGTERM')
    const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
    await ended
    clearTimeout(impatience)
  }

  return {
    start(command, args, options) {
      const child = spawn(command, args, options)
      running.add(child)
      child.once('error', () => running.delete(child)).once('close', () => running.delete(child))
      return child
    },
    async end() {
      await Promise.all([...running].map(stop))
    },
    kill() {
      for (const child of running) child.kill('SIGKILL')
    },
  }
}
