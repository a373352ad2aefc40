import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** A program that is left to run. */
export interface RunningProgram {
  /** Every line of its output so far, errors included. */
  readonly lines: readonly string[]
  /** The first line, past or to come, that is accepted; rejects when the program ends without one. */
  line(accepts: RegExp | ((line: string) => boolean)): Promise<string>
  kill(signal: NodeJS.Signals): void
  /** Its exit code, once all of its output is in `lines`. */
  readonly ended: Promise<number | null>
}

/** Starts a program until the running test is over. Its standard input stays open. */
export function startProgram(program: string, args: readonly string[]): RunningProgram {
  // Into a pipe some programs write by the buffer, and say too late that they are connected.
  const child = spawn('stdbuf', ['-oL', program, ...args], { stdio: 'pipe' })
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
    line(accepts) {
      const isIt = accepts instanceof RegExp ? (line: string) => accepts.test(line) : accepts
      const seen = new Promise<string>((resolve) => {
        const watch = (): void => {
          const found = lines.find(isIt)
          if (found === undefined) return
          watchers.delete(watch)
          resolve(found)
        }
        watchers.add(watch)
        watch()
      })
      const tooLate = ended.then((code): never => {
        throw new Error(`${program} ended with ${code} before ${String(accepts)}:\n${lines.join('\n')}`)
      })
      return Promise.race([seen, tooLate])
    },
    kill: (signal) => {
      child.kill(signal)
    },
    ended,
  }
}
