import { readFile } from 'node:fs/promises'

/** What a process has of memory that is its own or shared, in bytes: its resident set. (proc(5), /proc/pid/status) */
export async function residentBytes(pid: number): Promise<number> {
  const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kilobytes === undefined) throw new Error(`no VmRSS of ${pid}`)
  return Number(kilobytes) * 1024
}
