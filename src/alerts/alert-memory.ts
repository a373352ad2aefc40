import { readFile } from 'node:fs/promises'
import { replaceFile } from '../config/replace-file.js'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Alert, Standing } from './alert.js'

/** Alerts in force, in a file, so that a restart does not lose their ends. */
export interface AlertMemory {
  /** Those that the run of the server before has left. */
  readonly before: readonly Standing[]
  /** Writes what is in force now. */
  save(standing: readonly Standing[]): void
  /** Resolves when that is on disk, or could not be. */
  saved(): Promise<void>
}

const MINUTE_MS = 60_000

/** A file that cannot be read, or has been damaged, costs the ends of those alerts, and is named in the log. */
export async function openAlertMemory(path: string, log: Logger): Promise<AlertMemory> {
  const limit = createRateLimit(MINUTE_MS, 1)
  let next: readonly Standing[] | undefined
  let working: Promise<void> | undefined

  const work = async (): Promise<void> => {
    for (let now = next; now !== undefined; now = next) {
      next = undefined
      await replaceFile(path, `${JSON.stringify(now)}\n`).catch((error: unknown) => {
        if (limit.admit('save') !== undefined) log.warn({ error: String(error) }, 'alerts could not be kept')
      })
    }
    working = undefined
  }

  return {
    before: await read(path, log),
    save(standing) {
      next = standing
      working ??= work()
    },
    saved: async () => working,
  }
}

async function read(path: string, log: Logger): Promise<readonly Standing[]> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (Array.isArray(parsed) && parsed.every(isStanding)) return parsed
    throw new Error('it does not hold alerts')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    log.warn({ path, error: String(error) }, 'alerts of before are forgotten: their file cannot be read')
    return []
  }
}

function isStanding(value: unknown): value is Standing {
  return isRecord(value) && typeof value['key'] === 'string' && isAlert(value['alert'])
}

/** Whether it has what is read of it again; the rest is only told on. */
function isAlert(value: unknown): value is Alert {
  if (!isRecord(value) || !isRecord(value['subject'])) return false
  const { alert, since, subject } = value
  return (
    typeof alert === 'string' &&
    typeof since === 'string' &&
    !Number.isNaN(Date.parse(since)) &&
    Object.values(subject).every((one) => typeof one === 'string')
  )
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
