import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'

/** The unit of times in /proc, which the kernel's configuration decides on. (proc(5), /proc/pid/stat) */
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** What a process has had of CPU so far, user and system of all its threads, in microseconds. */
export async function cpuMicroseconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The second field is a name in brackets, and may have spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [user, system] = [Number(fields[11]), Number(fields[12])]
  return ((user + system) / TICKS_PER_SECOND) * 1e6
}
