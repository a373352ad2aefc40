import type { Settings } from './options.js'

const BYTES_A_MIB = 1024 * 1024

/**
 * What waits for a client is bounded, so a client may be given time: on a bad Wi-Fi, TCP sends again after 1, 2, 4
 * and 8 s. Beyond that its packet is not taken any more, and it had better connect again.
 */
const STALLED_AFTER_MS = 20_000

/** Where the settings put sessions: in Redis, or in a file in a folder. */
export function sessionsPlace(settings: Pick<Settings, 'REDIS_URL' | 'DATA_DIR'>) {
  return { redisUrl: settings.REDIS_URL, folder: settings.DATA_DIR }
}

/** The bounds that the settings put on sessions. */
export function sessionLimits(settings: Settings) {
  return {
    maxQueued: settings.MAX_QUEUED_MESSAGES,
    maxInflight: settings.MAX_INFLIGHT,
    expirySeconds: settings.SESSION_EXPIRY_S,
    maxRetained: settings.MAX_RETAINED_MESSAGES,
    maxRetainedBytes: settings.MAX_RETAINED_MB * BYTES_A_MIB,
  }
}

/** The address of a Redis without user and password. */
export function describeRedis(url: string): string {
  if (!URL.canParse(url)) return 'Redis'
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
}

/** The bounds that the settings put on what is on its way to one client. */
export function deliveryLimits(settings: Settings) {
  return {
    maxInflight: settings.MAX_INFLIGHT,
    maxQueued: settings.MAX_QUEUED_MESSAGES,
    maxBufferedBytes: settings.MAX_BUFFERED_BYTES,
    stalledAfterMs: STALLED_AFTER_MS,
  }
}
