import type { PresenceChange } from '../store/presence.js'

/** A connection that is a device's own: the device itself has logged in on it. */
export interface OwnConnection {
  /** The silence after which the broker ends it, ms; 0: never. */
  readonly silenceLimitMs: number
  /** When the last of it came, epoch ms. Asked after its end as well: a will comes late. */
  lastActiveMs(): number
}

/** Which devices have connections of their own, or had them a moment ago. */
export interface Roster {
  /** Devices that are connected now. */
  readonly connected: number
  /** Whether a device is connected, or was a moment ago. */
  has(deviceId: number): boolean
  begin(deviceId: number, connection: OwnConnection, nowMs: number): PresenceChange
  end(deviceId: number, connection: OwnConnection, nowMs: number): void
  /** Forgets those whose last connection ended `graceMs` ago: they are offline since they last sent something. */
  takeEnded(nowMs: number, graceMs: number): readonly PresenceChange[]
  /** Those that are to be confirmed by now, or, for a `round`, all that are connected. */
  signsOfLife(nowMs: number, kind: 'confirmations' | 'round'): readonly PresenceChange[]
  /** Forgets everyone: their connections end with the server. */
  takeAll(): readonly PresenceChange[]
}

interface Entry {
  readonly open: Set<OwnConnection>
  /** Ended since the last one began. */
  readonly ended: Set<OwnConnection>
  endedAtMs: number
  /** The newest sign of life that was told. */
  toldMs: number
  confirmAtMs: number | undefined
}

/**
 * `last_seen` has whole seconds. In the second in which a device moves here, the instance that it leaves can
 * take it offline by mistake, with a time that is as new as ours; and the will of a connection that this one
 * replaces may say offline. So it is said again when both are over, and before the grace period is.
 */
const CONFIRM_AFTER_MS = 2000

/** A roster of nobody; `confirms` where other instances serve the same devices. */
export function createRoster(confirms: boolean): Roster {
  const entries = new Map<number, Entry>()
  let connected = 0

  const signOfLife = (deviceId: number, entry: Entry, nowMs: number): PresenceChange => {
    const activeMs = lastActiveMs(entry)
    // Silent since then, but within its keep alive: that counts as well.
    entry.toldMs = activeMs > entry.toldMs ? activeMs : nowMs
    return { deviceId, isOnline: true, atMs: entry.toldMs }
  }

  const gone = (deviceId: number, entry: Entry): PresenceChange => {
    entries.delete(deviceId)
    return { deviceId, isOnline: false, atMs: Math.max(entry.toldMs, lastActiveMs(entry)) }
  }

  return {
    get connected() {
      return connected
    },
    has: (deviceId) => entries.has(deviceId),
    begin(deviceId, connection, nowMs) {
      const entry = entries.get(deviceId) ?? newEntry()
      entries.set(deviceId, entry)
      if (entry.open.size === 0) connected += 1
      entry.open.add(connection)
      entry.ended.clear()
      entry.toldMs = nowMs
      if (confirms) entry.confirmAtMs = nowMs + CONFIRM_AFTER_MS
      return { deviceId, isOnline: true, atMs: nowMs }
    },
    end(deviceId, connection, nowMs) {
      const entry = entries.get(deviceId)
      if (entry?.open.delete(connection) !== true) return
      if (entry.open.size > 0) {
        entry.confirmAtMs = nowMs + CONFIRM_AFTER_MS
        return
      }
      connected -= 1
      entry.ended.add(connection)
      entry.endedAtMs = nowMs
    },
    takeEnded: (nowMs, graceMs) =>
      [...entries].flatMap(([deviceId, entry]) =>
        // Either way: a clock may be set back.
        entry.open.size === 0 && Math.abs(nowMs - entry.endedAtMs) >= graceMs ? gone(deviceId, entry) : [],
      ),
    signsOfLife: (nowMs, kind) =>
      [...entries].flatMap(([deviceId, entry]) => {
        const isToConfirm = entry.confirmAtMs !== undefined && entry.confirmAtMs <= nowMs
        if (entry.open.size === 0 || !(isToConfirm || kind === 'round')) return []
        if (isToConfirm) entry.confirmAtMs = undefined
        return signOfLife(deviceId, entry, nowMs)
      }),
    takeAll() {
      connected = 0
      return [...entries].map(([deviceId, entry]) => gone(deviceId, entry))
    },
  }
}

function newEntry(): Entry {
  return { open: new Set(), ended: new Set(), endedAtMs: 0, toldMs: 0, confirmAtMs: undefined }
}

function lastActiveMs({ open, ended }: Entry): number {
  return Math.max(0, ...[...open, ...ended].map((connection) => connection.lastActiveMs()))
}
