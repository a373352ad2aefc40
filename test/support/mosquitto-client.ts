import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** A `mosquitto_sub` or `mosquitto_pub` that is left to run. */
export interface MosquittoClient {
  /** Every line of its output so far, errors included. */
  readonly lines: readonly string[]
  /** The first line, past or to come, that matches; rejects when the program ends without one. */
  line(pattern: RegExp): Promise<string>
  kill(signal: NodeJS.Signals): void
  /** Its exit code, once all of its output is in `lines`. */
  readonly ended: Promise<number | null>
}

/** Starts one against a broker on 127.0.0.1 until the running test is over. Its standard input stays open. */
export function startMosquittoClient(
  program: 'mosquitto_pub' | 'mosquitto_sub',
  port: number,
  args: readonly string[],
): MosquittoClient {
  // Into a pipe these programs write by the buffer, and say too late that they are connected.
  const argv = ['-oL', program, '-h', '127.0.0.1', '-p', `${port}`, ...args]
  const child = spawn('stdbuf', argv, { stdio: 'pipe' })
  const lines: string[] = []
  const watchers = new Set<() => void>()
  const take = (line: string): void => {
    lines.push(line)
    for (const watch of [...watchers]) watch()
  }
  createInterface({ input: child.stdout }).on('line', take)
  createInterface({ input: child.stderr }).on('line', take)
  const ended = once(child, 'close').then(() => child.exitCode)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    lines,
    line(pattern) {
      const seen = new Promise<string>((resolve) => {
        const watch = (): void => {
          const found = lines.find((line) => pattern.test(line))
          if (found === undefined) return
          watchers.delete(watch)
          resolve(found)
        }
        watchers.add(watch)
        watch()
      })
      const tooLate = ended.then((code): never => {
        throw new Error(`${program} ended with ${code} before ${pattern}:\n${lines.join('\n')}`)
      })
      return Promise.race([seen, tooLate])
    },
    kill: (signal) => {
      child.kill(signal)
    },
    ended,
  }
}
