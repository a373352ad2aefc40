import { join } from 'node:path'
import { type RunningProgram, startProgram } from './program.js'
import { temporaryFolder } from './temporary-folder.js'

/** What systemd would be told. */
export interface NotifySocket {
  /** For `NOTIFY_SOCKET`. */
  readonly path: string
  /** Every assignment is a line. */
  readonly received: RunningProgram
}

const SCRIPT = new URL('./notify_socket.py', import.meta.url).pathname

/** Listens in systemd's place until the running test is over. */
export async function startNotifySocket(): Promise<NotifySocket> {
  const path = join(await temporaryFolder(), 'notify')
  const received = startProgram('/usr/bin/python3', [SCRIPT, path])
  await received.line(/^listening$/)
  return { path, received }
}
