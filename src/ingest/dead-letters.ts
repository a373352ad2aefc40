import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Batch } from '../store/batch.js'
import type { DeviceMessage } from './accepted.js'

/** Where messages go that the database refuses for what is in them. */
export interface DeadLetters {
  /** Resolves with `true` when the message is on disk, and with `false`, once that is in the log, when it cannot be. */
  add(message: DeviceMessage, reason: string): Promise<boolean>
  /** The same for a row of the spool that cannot be read. */
  addUnreadable(content: string): Promise<boolean>
}

/** The file of them, which the store adds to as well. */
export interface DeadLetterFile extends DeadLetters {
  /** The same for a part of a device's state that came with messages whose readings are in the history. */
  addState(state: Pick<Batch, 'devices' | 'sensors'>, reason: string): Promise<boolean>
}

/** Two such files are kept: tens of thousands of messages, and never a full disk. */
const MAX_FILE_BYTES = 16 * 1024 * 1024
const MINUTE_MS = 60_000

/** Appends to `rejected.ndjson` in `folder`; a full file becomes `rejected.1.ndjson`. */
export function createDeadLetters(
  folder: string,
  log: Logger,
  maxFileBytes: number = MAX_FILE_BYTES,
): DeadLetterFile {
  const path = join(folder, 'rejected.ndjson')
  const limit = createRateLimit(MINUTE_MS, 1)
  let last: Promise<unknown> = Promise.resolve()

  const append = async (line: string): Promise<void> => {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const file = await open(path, 'a', 0o600)
    let isFull: boolean
    try {
      await file.appendFile(line)
      await file.sync()
      isFull = (await file.stat()).size >= maxFileBytes
    } finally {
      await file.close()
    }
    if (isFull) await rename(path, join(folder, 'rejected.1.ndjson'))
  }

  const keep = async (line: string): Promise<boolean> => {
    try {
      await append(line)
      return true
    } catch (error) {
      if (limit.admit(path) !== undefined) {
        log.error({ path, error: String(error) }, 'a message that the database refused cannot be kept')
      }
      return false
    }
  }

  const write = (entry: object): Promise<boolean> => {
    const line = `${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`
    const kept = last.then(() => keep(line))
    last = kept
    return kept
  }

  return {
    add: ({ device, report, receivedAtMs }, reason) =>
      write({
        device: device.deviceId,
        uuid: device.uuid,
        reason,
        receivedAt: new Date(receivedAtMs).toISOString(),
        report,
      }),
    addState: (state, reason) => write({ reason, state }),
    addUnreadable: (content) => write({ reason: 'a damaged row of the spool', content }),
  }
}
