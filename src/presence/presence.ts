import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import { countReason, type Tally } from '../metrics/tally.js'
import type { PresenceChange } from '../store/presence.js'
import type { Store } from '../store/store.js'
import type { PresenceMemory } from './presence-memory.js'
import { createPresenceWriter } from './presence-writer.js'
import { createRoster, type OwnConnection } from './roster.js'

/** Keeps `is_online` true to what the broker knows. */
export interface Presence {
  /** A device's own connection has begun; returns what is to be called when it has ended. */
  begin(deviceId: number, connection: OwnConnection): () => void
  /** Does what is due, and resolves when that is in the database, or could not be; to be called every second. */
  tick(): Promise<void>
  /** Takes offline whoever was connected: to be called when their connections have ended. */
  stop(): Promise<void>
}

/** What presence is made of. */
export interface PresenceParts {
  readonly store: Pick<Store, 'setPresence' | 'findSilent'>
  readonly messagesSettled: () => Promise<void>
  readonly memory: PresenceMemory
  /** `OFFLINE_AFTER_S`, in ms. */
  readonly offlineAfterMs: number
  /** Whether other instances serve the same devices. */
  readonly isShared: boolean
  readonly tally: Tally
  readonly log: Logger
  readonly clock?: { now(): number }
}

/**
 * A device that lost its Wi-Fi for a moment, or was restarted, is back by then; nobody need hear of it. An
 * ESP32 takes some 3 s to start, join and connect.
 */
const GRACE_MS = 5000

/** Who begins or ends within it shares a statement. */
const TICK_MS = 1000

/** Nobody waits longer than that beyond `OFFLINE_AFTER_S`; each look reads the ids of who is silent. */
const LONGEST_SWEEP_MS = 60_000
const MINUTE_MS = 60_000

/** Presence that is told when to look; `startPresence` looks every second. */
export function createPresence(parts: PresenceParts): Presence {
  const { store, memory, tally, offlineAfterMs, clock = Date } = parts
  const roster = createRoster(parts.isShared)
  const writer = createPresenceWriter({ ...parts, written: (changes) => forget(changes) })
  const limit = createRateLimit(MINUTE_MS, 1)
  const startedAtMs = clock.now()
  const leftBehind = judgeLater(parts, startedAtMs)
  // The first look comes when those that the start cut off have had the time to come back.
  const sweeps = createInterval(Math.min(LONGEST_SWEEP_MS, offlineAfterMs / 4), startedAtMs, GRACE_MS)
  // Twice as often as another instance's sweep needs it, and once more for a database that is away.
  const rounds = createInterval(offlineAfterMs / 3, startedAtMs)
  let isStopping = false
  let working: Promise<void> | undefined

  const forget = (changes: readonly PresenceChange[]): void => {
    for (const { deviceId, isOnline } of changes) {
      if (!isOnline && !roster.has(deviceId) && !leftBehind.has(deviceId)) memory.forget(deviceId)
    }
  }

  const takeOffline = (changes: readonly PresenceChange[], cause: string): void => {
    for (const change of changes) {
      writer.set(change)
      countReason(tally.wentOffline, cause)
    }
  }

  const sweep = async (nowMs: number): Promise<void> => {
    const atMs = nowMs - offlineAfterMs
    const silent = (await store.findSilent(atMs)).filter((deviceId) => !roster.has(deviceId))
    takeOffline(
      silent.map((deviceId) => ({ deviceId, isOnline: false, atMs })),
      'silent',
    )
  }

  const work = async (nowMs: number): Promise<void> => {
    try {
      await memory.save(nowMs) // before the database knows of anyone
      await writer.flush()
      if (!sweeps.isDue(nowMs)) return
      await sweep(nowMs)
      await writer.flush()
    } catch (error) {
      // When the database is back, everyone's signs of life are to be there first.
      sweeps.startAgain(nowMs, GRACE_MS)
      if (limit.admit('work') === undefined) return
      parts.log.warn({ error: String(error) }, 'cannot write who is online to the database; trying again')
    }
  }

  return {
    begin(deviceId, connection) {
      leftBehind.delete(deviceId)
      memory.remember(deviceId, connection.silenceLimitMs || offlineAfterMs)
      writer.set(roster.begin(deviceId, connection, clock.now()))
      tally.devicesConnected = roster.connected
      return () => {
        roster.end(deviceId, connection, clock.now())
        tally.devicesConnected = roster.connected
      }
    },
    async tick() {
      const nowMs = clock.now()
      takeOffline(roster.takeEnded(nowMs, GRACE_MS), 'disconnected')
      takeOffline(leftBehind.takeDue(nowMs), 'crash')
      const kind = rounds.isDue(nowMs) ? 'round' : 'confirmations'
      for (const change of roster.signsOfLife(nowMs, kind)) writer.set(change)
      if (isStopping) return
      working ??= work(nowMs).finally(() => {
        working = undefined
      })
      await working
    },
    async stop() {
      isStopping = true
      await working
      takeOffline(roster.takeAll(), 'server stopped')
      await writer.flushNow()
      await memory.save(clock.now())
    },
  }
}

/** The same, looking every second until it is stopped. */
export function startPresence(parts: PresenceParts): Pick<Presence, 'begin' | 'stop'> {
  const presence = createPresence(parts)
  const timer = setInterval(() => void presence.tick(), TICK_MS)
  return {
    begin: presence.begin,
    async stop() {
      clearInterval(timer)
      await presence.stop()
    },
  }
}

/** Those that a crash left online. */
interface LeftBehind {
  has(deviceId: number): boolean
  /** One has come back. */
  delete(deviceId: number): void
  /** Those whose time is up. */
  takeDue(nowMs: number): readonly PresenceChange[]
}

/** Each may be silent as long as its connection could, from when this server was last alive. */
function judgeLater({ memory, isShared }: PresenceParts, startedAtMs: number): LeftBehind {
  const aliveAtMs = Math.min(memory.aliveAtMs ?? startedAtMs, startedAtMs)
  const deadlines = new Map([...memory.left].map(([deviceId, limitMs]) => [deviceId, aliveAtMs + limitMs]))
  // Other instances may have seen them since. Where there are none, nobody has, whatever a power cut took of the mark.
  const atMs = isShared ? aliveAtMs + TICK_MS : startedAtMs
  return {
    has: (deviceId) => deadlines.has(deviceId),
    delete: (deviceId) => deadlines.delete(deviceId),
    takeDue(nowMs) {
      const due = [...deadlines].filter(([, deadlineMs]) => deadlineMs <= nowMs).map(([deviceId]) => deviceId)
      for (const deviceId of due) deadlines.delete(deviceId)
      return due.map((deviceId) => ({ deviceId, isOnline: false, atMs }))
    },
  }
}

/** Whether something is due again. A clock that is set back makes it so at once. */
function createInterval(everyMs: number, fromMs: number, firstAfterMs = everyMs) {
  let [lastMs, waitMs] = [fromMs, firstAfterMs]
  const startAgain = (nowMs: number, afterMs: number): void => {
    lastMs = nowMs
    waitMs = afterMs
  }
  return {
    startAgain,
    isDue(nowMs: number): boolean {
      if (nowMs >= lastMs && nowMs - lastMs < waitMs) return false
      startAgain(nowMs, everyMs)
      return true
    },
  }
}
