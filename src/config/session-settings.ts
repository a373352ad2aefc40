import type { Settings } from './options.js'

const BYTES_A_MIB = 1024 * 1024

/** Where the settings put sessions: in Redis, or in a file in a folder. */
export function sessionsPlace(settings: Pick<Settings, 'REDIS_URL' | 'DATA_DIR'>) {
  return { redisUrl: settings.REDIS_URL, folder: settings.DATA_DIR }
}

/** The bounds that the settings put on sessions. */
export function sessionLimits(settings: Settings) {
  return {
    maxQueued: settings.MAX_QUEUED_MESSAGES,
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
