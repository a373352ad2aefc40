import { once } from 'node:events'
import type { Context } from '../scenario.js'

/** A load generator in a process of its own, which does what it is asked to, one thing at a time. */
export interface Worker {
  /** What it answers, as JSON has it; rejects with what went wrong there, or when the process ends. */
  ask(task: string, input?: unknown): Promise<unknown>
}

/** What a worker can be asked to do. */
export type Tasks = Readonly<Record<string, (input: unknown) => Promise<unknown>>>

/** Starts the worker whose compiled module is `file`, a path below this folder's parent; `environment` is added to that of this process. */
export function startWorker(
  { processes }: Pick<Context, 'processes'>,
  file: string,
  environment: Readonly<Record<string, string>> = {},
): Worker {
  const path = new URL(`../${file}`, import.meta.url).pathname
  const child = processes.start(process.execPath, [path], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...environment },
  })
  return {
    async ask(task, input) {
      if (!child.connected) throw new Error(`${file} has ended already`)
      const waiting = new AbortController()
      const { signal } = waiting
      try {
        const answered = once(child, 'message', { signal })
        const ended = once(child, 'close', { signal }).then(([code]): never => {
          throw new Error(`${file} ended with ${code}`)
        })
        child.send({ task, input })
        const [answer] = await Promise.race([answered, ended.catch(unlessAborted)])
        if (isRecord(answer) && 'result' in answer) return answer['result']
        throw new Error(`${file}, ${task}: ${isRecord(answer) ? answer['error'] : String(answer)}`)
      } finally {
        waiting.abort()
      }
    },
  }
}

/** Serves the process that started this one, and ends with it. */
export function serveTasks(tasks: Tasks): void {
  const answer = async (message: unknown): Promise<object> => {
    const name = isRecord(message) ? message['task'] : undefined
    const task = typeof name === 'string' ? tasks[name] : undefined
    if (task === undefined || !isRecord(message)) return { error: `no such task: ${String(name)}` }
    try {
      return { result: (await task(message['input'])) ?? null }
    } catch (error) {
      return { error: String(error) }
    }
  }
  process.on('message', (message) => void answer(message).then((reply) => process.send?.(reply)))
  process.on('disconnect', () => process.exit())
}

/** Whether a value from another process has properties at all. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function unlessAborted(error: unknown): Promise<never> {
  if (error instanceof Error && error.name === 'AbortError') return new Promise(() => undefined)
  throw error
}
