import { setTimeout as delay } from 'node:timers/promises'
import { steadyNow } from '../../clock/clock.js'
import type { Logger } from '../../log/logger.js'
import type { Tally } from '../../metrics/tally.js'
import { openState } from '../../store/open-state.js'
import type { OpenState } from '../../store/state-thread.js'
import type { SessionLimits } from '../session-limits.js'
import type { Sessions } from '../sessions.js'
import { createDiskBacklog } from './disk-backlog.js'
import { DiskPersistence } from './disk-persistence.js'
import { createGivingBack } from './give-back-room.js'
import { createLateWrites } from './late-writes.js'
import { loadSessions } from './load-sessions.js'
import { createRetainedLimit } from './retained-limit.js'
import { createSavedWills } from './saved-wills.js'
import type { SessionClient } from './session.js'
import { createSessionDirectory } from './session-directory.js'
import { SESSION_FILE } from './session-file.js'
import { createSessionJournal } from './session-journal.js'

/** Where sessions are, and their bounds. */
export interface DiskSessionsOptions {
  /** The state file. */
  readonly path: string
  readonly limits: SessionLimits
  readonly tally: Tally
  readonly log: Logger
  /** By default in a thread of its own. */
  readonly open?: OpenState
}

/** How late a session may end. */
const EXPIRY_CHECK_MS = 60_000
const RETRY_AFTER_MS = 1000

/**
 * Sessions in the memory of this process, and in its state file.
 *
 * @throws StoreError when the file is no database, is damaged, cannot be written, or another server has it.
 */
export async function openDiskSessions({
  path,
  limits,
  tally,
  log,
  open = openState,
}: DiskSessionsOptions): Promise<Sessions> {
  const state = await open(path, SESSION_FILE)
  const beforeMs = (nowMs: number): number => nowMs - limits.expirySeconds * 1000
  const saved = await loadSessions(state, beforeMs(Date.now())).catch(async (error: unknown) => {
    await state.close()
    throw error
  })
  const closing = new AbortController()
  let lastId = saved.highestId
  const nextId = (): number => {
    lastId += 1
    return lastId
  }
  const journal = createSessionJournal(state, log)
  const late = createLateWrites(journal)
  const directory = createSessionDirectory(late, nextId)
  const wills = createSavedWills(journal, saved.wills, nextId)
  const rights = new WeakMap<SessionClient, (topic: string) => boolean>()
  const retained = createRetainedLimit({
    maxMessages: limits.maxRetained,
    maxBytes: limits.maxRetainedBytes,
    tally,
    log,
  })
  const persistence = new DiskPersistence({
    directory,
    journal,
    late,
    wills,
    saved,
    tally,
    nextId,
    ...limits,
    retained,
    mayPublish: (client: SessionClient, topic) => rights.get(client)?.(topic) ?? false,
    untilRetry: () => delay(RETRY_AFTER_MS, undefined, { ref: false, signal: closing.signal }),
  })

  const endOldSessions = async (): Promise<void> => {
    const old = directory.awaySince(beforeMs(steadyNow()))
    for (const session of old) await persistence.endSession(session)
    tally.sessionsExpired += old.length
    if (old.length > 0) log.info({ sessions: old.length }, 'sessions whose clients stayed away have ended')
  }
  const checkEveryMs = Math.min(EXPIRY_CHECK_MS, Math.max(1, limits.expirySeconds) * 1000)
  const giveBackRoom = createGivingBack(state)
  const timer = setInterval(() => void endOldSessions().then(giveBackRoom), checkEveryMs).unref()
  void giveBackRoom() // what was left behind was deleted just now

  return {
    persistence,
    own: {
      outbox: persistence.outbox,
      attach(client, mayPublish) {
        rights.set(client, mayPublish)
        if (!client.clean) directory.attach(client)
      },
      detach: directory.detach,
      leftWills: wills.left,
      forget: wills.forget,
    },
    backlog: (client) => createDiskBacklog(client, { directory, journal, late }),
    figures: () => {
      const away = directory.away()
      const counts = away.map(({ clientId }) => persistence.countSubscriptions(clientId))
      return Promise.resolve({
        away: away.length,
        subscriptionsAway: counts.reduce((sum, count) => sum + count, 0),
        retained: { messages: retained.messages, payloadBytes: retained.payloadBytes },
        queued: { ...directory.queued },
      })
    },
    isReady: journal.isWell,
    isReceived: async (clientId, messageId) => persistence.isReceived(clientId, messageId),
    unsubscribe: (clientId, filters) => persistence.revokeSubscriptions(clientId, filters),
    async close() {
      clearInterval(timer)
      closing.abort()
      await late.flush()
      await journal.close()
    },
  }
}
