import { join } from 'node:path'
import type { Settings } from '../config/options.js'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Device } from '../store/device.js'
import type { DeviceDirectory } from '../store/device-directory.js'
import { type Administrator, ensureAdministrator } from './administrator.js'
import { type Authenticator, createAuthenticator } from './authenticate.js'
import { ensureAclFile } from './first-acl.js'
import { createKnownLogins } from './known-logins.js'
import { createLockout } from './lockout.js'
import { openRulebook, type Rulebook } from './rulebook.js'

/** Who may log in and do what. */
export interface AccessControl {
  readonly administrator: Administrator
  readonly authenticator: Authenticator
  readonly rulebook: Rulebook
  /** Refuses every login that is still waiting. */
  stop(): void
}

/** The settings that access depends on. */
export type AccessSettings = Pick<
  Settings,
  | 'CONFIG_DIR'
  | 'MQTT_USERNAME'
  | 'MQTT_PASSWORD'
  | 'ALLOW_ANONYMOUS'
  | 'MAX_CONNECTIONS'
  | 'LOGIN_FAILURES'
  | 'LOGIN_REFUSE_AFTER'
  | 'LOGIN_WINDOW_S'
  | 'LOGIN_DELAY_MS'
  | 'LOGIN_REFUSE_S'
>

/** Where the two files are. */
export function accessPaths({ CONFIG_DIR }: Pick<Settings, 'CONFIG_DIR'>) {
  return { passwordPath: join(CONFIG_DIR, 'passwd'), aclPath: join(CONFIG_DIR, 'acl.conf') }
}

/** A line of the log names no more of what a peer sent. */
const MAX_LOGGED_NAME = 64
const MINUTE_MS = 60_000
const MAX_LOGGED_KEYS = 10_000

/** Names in one statement. */
const LOOKED_UP_AT_ONCE = 500

/**
 * Reads the files, makes those that are absent, and joins what decides on logins.
 *
 * @throws ConfigError as `ensureAdministrator` and `openRulebook` do.
 */
export async function openAccess(
  settings: AccessSettings,
  devices: DeviceDirectory,
  log: Logger,
): Promise<AccessControl> {
  const paths = accessPaths(settings)
  const administrator = await ensureAdministrator({
    path: paths.passwordPath,
    username: settings.MQTT_USERNAME,
    password: settings.MQTT_PASSWORD,
  })
  const obstacle = await ensureAclFile(paths.aclPath)
  if (obstacle !== undefined) log.warn(obstacle)
  const rulebook = await openRulebook({
    ...paths,
    administrator: settings.MQTT_USERNAME,
    maxWaiting: settings.MAX_CONNECTIONS,
  })
  for (const warning of rulebook.warnings) log.warn(warning)
  const lockout = openLockout(settings, log)
  const authenticator = createAuthenticator({
    rulebook,
    devices,
    allowsAnonymous: settings.ALLOW_ANONYMOUS,
    lockout,
    knownLogins: createKnownLogins({ maxLogins: settings.MAX_CONNECTIONS * 2 }),
  })
  return { administrator, authenticator, rulebook, stop: lockout.stop }
}

/** Says in the log which users hide a device of the same name; a store that cannot tell is no obstacle. */
export async function warnOfNamesakes(
  { rulebook }: Pick<AccessControl, 'rulebook'>,
  store: { findDevices(names: readonly string[]): Promise<ReadonlyMap<string, Device>> },
  log: Logger,
): Promise<void> {
  const names = [...rulebook.rules.passwords.names()]
  try {
    for (let from = 0; from < names.length; from += LOOKED_UP_AT_ONCE) {
      const found = await store.findDevices(names.slice(from, from + LOOKED_UP_AT_ONCE))
      for (const user of found.keys()) {
        log.warn(
          { user },
          'a user of passwd has the name of a device: that login is the user, not the device',
        )
      }
    }
  } catch (error) {
    log.warn({ error: String(error) }, 'cannot look whether users of passwd have the names of devices')
  }
}

function openLockout(settings: AccessSettings, log: Logger) {
  const limit = createRateLimit(MINUTE_MS, MAX_LOGGED_KEYS)
  return createLockout(
    {
      failures: settings.LOGIN_FAILURES,
      refuseAfter: settings.LOGIN_REFUSE_AFTER,
      windowMs: settings.LOGIN_WINDOW_S * 1000,
      delayMs: settings.LOGIN_DELAY_MS,
      refuseForMs: settings.LOGIN_REFUSE_S * 1000,
    },
    (kind, key) => {
      if (limit.admit(`${kind} ${key}`) === undefined) return
      const forSeconds = settings.LOGIN_REFUSE_S
      log.warn(
        { [kind]: key.slice(0, MAX_LOGGED_NAME), forSeconds },
        'too many failed logins; further ones are refused',
      )
    },
    { maxWaiting: settings.MAX_CONNECTIONS },
  )
}
