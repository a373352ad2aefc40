import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import { openState } from '../store/open-state.js'
import type { State, StateKind, Statement } from '../store/state.js'

/** Which devices the database may have online because of this server: what a crash would leave behind. */
export interface PresenceMemory {
  /** The devices that a run before left behind, with the silence that each was allowed, ms. */
  readonly left: ReadonlyMap<number, number>
  /** When that run is known to have been alive, epoch ms; `undefined` where nothing tells. */
  readonly aliveAtMs: number | undefined
  remember(deviceId: number, silenceLimitMs: number): void
  forget(deviceId: number): void
  /** Puts that on disk, and that this run is alive. Never rejects: a full disk must not keep presence from going on. */
  save(nowMs: number): Promise<void>
  close(): Promise<void>
}

const KIND: StateKind = {
  holds: 'which devices were connected',
  tables: [
    'CREATE TABLE IF NOT EXISTS connected (device_id INTEGER PRIMARY KEY, silence_limit_ms INTEGER NOT NULL)',
  ],
}

const MINUTE_MS = 60_000

/** Opens `presence.db` and `presence.alive` in `folder`; goes on without them where they cannot be used. */
export async function openPresenceMemory(folder: string, log: Logger): Promise<PresenceMemory> {
  try {
    const state = await openState(join(folder, 'presence.db'), KIND)
    try {
      return await memoryOn(state, await openAlive(join(folder, 'presence.alive')), log)
    } catch (error) {
      await state.close()
      throw error
    }
  } catch (error) {
    log.warn(
      { error: String(error) },
      'cannot remember which devices are connected; a crash would leave them online for OFFLINE_AFTER_S',
    )
    return noMemory
  }
}

const noMemory: PresenceMemory = {
  left: new Map(),
  aliveAtMs: undefined,
  remember: () => undefined,
  forget: () => undefined,
  save: async () => undefined,
  close: async () => undefined,
}

async function memoryOn(state: State, alive: Alive, log: Logger): Promise<PresenceMemory> {
  const rows = await state.read({ sql: 'SELECT device_id, silence_limit_ms FROM connected', args: [] })
  const known = new Map(rows.map(([deviceId, limitMs]) => [Number(deviceId), Number(limitMs)]))
  const limit = createRateLimit(MINUTE_MS, 1)
  const changed = new Set<number>()
  let saving: Promise<void> = Promise.resolve()

  const write = async (nowMs: number): Promise<void> => {
    const ids = [...changed]
    changed.clear()
    try {
      if (ids.length > 0) await state.write(statements(ids, known))
      if (known.size > 0) await alive.mark(nowMs)
    } catch (error) {
      for (const id of ids) changed.add(id)
      if (limit.admit('write') === undefined) return
      log.error({ error: String(error) }, 'cannot remember which devices are connected; trying again')
    }
  }
  const save = (nowMs: number): Promise<void> => {
    saving = saving.then(() => write(nowMs))
    return saving
  }

  return {
    left: new Map(known),
    aliveAtMs: alive.beforeMs,
    remember(deviceId, silenceLimitMs) {
      if (known.get(deviceId) === silenceLimitMs) return
      known.set(deviceId, silenceLimitMs)
      changed.add(deviceId)
    },
    forget(deviceId) {
      if (known.delete(deviceId)) changed.add(deviceId)
    },
    save,
    async close() {
      await saving
      await alive.close()
      await state.close()
    },
  }
}

function statements(ids: readonly number[], known: ReadonlyMap<number, number>): Statement[] {
  const present = ids.flatMap((id) => {
    const limitMs = known.get(id)
    return limitMs === undefined ? [] : [[id, limitMs]]
  })
  return [
    {
      sql: 'DELETE FROM connected WHERE device_id IN (SELECT value FROM json_each(?))',
      args: [JSON.stringify(ids)],
    },
    {
      sql: 'INSERT INTO connected SELECT value ->> 0, value ->> 1 FROM json_each(?)',
      args: [JSON.stringify(present)],
    },
  ]
}

/** A time that is written every second, and so without a wait for the disk: a process that is killed keeps it. */
interface Alive {
  readonly beforeMs: number | undefined
  mark(nowMs: number): Promise<void>
  close(): Promise<void>
}

/** A time in ms has 13 digits until 2286; as it is written over the one before, its length must not change. */
const DIGITS = 15

async function openAlive(path: string): Promise<Alive> {
  const file: FileHandle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  const text = await file.readFile('utf8')
  return {
    beforeMs: /^\d{15}$/.test(text) ? Number(text) : undefined,
    async mark(nowMs) {
      await file.write(String(nowMs).padStart(DIGITS, '0'), 0)
    },
    close: () => file.close(),
  }
}
