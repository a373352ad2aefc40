import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readAclFile } from '../auth/acl-file.js'
import { checkAdministratorName, ensureAdministrator } from '../auth/administrator.js'
import { readPasswordFile } from '../auth/password-file.js'
import { databaseAddress, describeDatabase } from '../config/database.js'
import type { Settings } from '../config/options.js'
import { describeRedis, sessionsPlace } from '../config/session-settings.js'
import { ensureCertificates } from '../listen/certificates.js'
import { type ClientTrust, clientCertificates } from '../listen/client-trust.js'
import { checkRedisSessions, countSavedSessions, describeSessions } from '../sessions/open-sessions.js'
import { openStore } from '../store/open-store.js'
import type { CliContext } from './cli-context.js'
import { CommandError } from './run-command.js'

const HELP = `Usage: damselfly check

Reads the whole configuration, connects to the database and to Redis, and prints what would run. It makes the
tables of an empty database and an empty state file, and nothing else. Exits with 0, or with 1 when something has to be changed first.
`

/** Redis is on the same network; one that takes longer is not there. */
const REDIS_WITHIN_MS = 5000

/** One thing to look at: the words for it when it is well, or a rejection when it is not. */
type Probe = readonly [name: string, look: () => Promise<string> | string]

/**
 * `damselfly check`, which looks at everything, also after the first thing that is wrong.
 *
 * @param argv what follows `check` on the command line
 * @returns the exit code: 0; 1 when something is wrong; 2 when called wrongly
 */
export async function checkCommand(argv: readonly string[], context: CliContext): Promise<number> {
  try {
    const flags = { help: { type: 'boolean', short: 'h' } } as const
    if (parseArgs({ args: [...argv], options: flags, strict: true }).values.help === true) {
      context.stdout.write(HELP)
      return 0
    }
  } catch (error) {
    context.stderr.write(`damselfly check: ${error instanceof Error ? error.message : String(error)}\n`)
    return 2
  }
  let isWell = true
  for (const [name, look] of probes(context.settings)) {
    try {
      context.stdout.write(`${name.padEnd(13)} ${await look()}\n`)
    } catch (error) {
      isWell = false
      context.stdout.write(
        `${name.padEnd(13)} WRONG: ${error instanceof Error ? error.message : String(error)}\n`,
      )
    }
  }
  context.stdout.write(isWell ? '\nall is well\n' : '\nthe server would not start, or not work, like this\n')
  return isWell ? 0 : 1
}

function probes(settings: Settings): readonly Probe[] {
  return [
    ['listeners', () => describeListeners(settings)],
    ['database', () => probeDatabase(settings)],
    ['sessions', () => probeSessions(settings)],
    ['certificates', () => probeCertificates(settings)],
    ['passwords', () => probePasswords(settings)],
    ['rules', () => probeRules(settings)],
  ]
}

function describeListeners(settings: Settings): string {
  const asking = settings.TLS_REQUIRE_CLIENT_CERT ? ' with client certificates' : ''
  const ports = [
    ['mqtt', settings.MQTT_PORT],
    ['mqtts', settings.MQTTS_PORT, asking],
    ['ws', settings.WS_PORT],
    ['wss', settings.WSS_PORT, asking],
    ['http', settings.HTTP_PORT],
  ] as const
  const open = ports.flatMap(([scheme, port, how = '']) =>
    port === 'off' ? [] : [`${scheme} ${port}${how}`],
  )
  if (ports.slice(0, 4).every(([, port]) => port === 'off')) {
    throw CommandError.failed(
      'MQTT_PORT, MQTTS_PORT, WS_PORT and WSS_PORT are all off; no client could connect',
    )
  }
  return `${open.join(', ')} on ${settings.BIND_ADDRESS}`
}

async function probeDatabase(settings: Settings): Promise<string> {
  const address = databaseAddress(settings)
  const store = await openStore(address, { zoneOffsetMinutes: settings.DB_TIME_ZONE })
  try {
    const devices = await store.reportDevices()
    return `${describeDatabase(address)}, ${devices.length} devices`
  } finally {
    await store.close()
  }
}

async function probeSessions(settings: Settings): Promise<string> {
  const place = sessionsPlace(settings)
  if (place.redisUrl !== undefined) {
    const warnings = await probeRedis(place.redisUrl)
    return [describeSessions(place), ...warnings].join('; ')
  }
  const saved = await countSavedSessions(place)
  return `${describeSessions(place)}, ${saved} sessions`
}

async function probeRedis(url: string): Promise<readonly string[]> {
  const signal = AbortSignal.timeout(REDIS_WITHIN_MS)
  try {
    return await checkRedisSessions(url, signal)
  } catch (error) {
    if (!signal.aborted) throw error
    throw CommandError.failed(`REDIS_URL: ${describeRedis(url)} cannot be reached; is Redis running there?`)
  }
}

async function probeCertificates(settings: Settings): Promise<string> {
  const use = clientCertificates(settings)
  const folder = settings.CERTS_DIR
  const names = ['server.crt', 'server.key'].map((name) => join(folder, name))
  if (!names.some((name) => existsSync(name))) return `would be made in ${folder}`
  const certificates = await ensureCertificates(folder, { clients: use })
  const { certPath, names: hosts, expires, clients, warnings } = certificates
  const served = `${certPath} for ${hosts.join(', ')}, until ${expires.toISOString().slice(0, 10)}`
  return [served, ...(clients === undefined ? [] : [describeClients(folder, clients)]), ...warnings].join(
    '; ',
  )
}

function describeClients(folder: string, { crl, isIdentity }: ClientTrust): string {
  const signed = `clients show one that ${join(folder, 'ca.crt')} signed`
  const revoked = crl.length === 0 ? ' (no ca.crl)' : ` and ${join(folder, 'ca.crl')} does not revoke`
  return `${signed}${revoked}${isIdentity ? ', and its name is their login' : ''}`
}

async function probeRules(settings: Settings): Promise<string> {
  const path = join(settings.CONFIG_DIR, 'acl.conf')
  const { exists, anonymous, users, patterns, warnings } = await readAclFile(path)
  if (!exists) return `${path} would be made, with nothing in it but comments`
  const ofUsers = [...users.values()].flat().length
  const counts = [
    `${ofUsers} rules for ${users.size} users`,
    `${patterns.length} patterns`,
    `${anonymous.length} rules for anonymous clients`,
  ]
  return [`${path}, ${counts.join(', ')}`, ...warnings].join('; ')
}

async function probePasswords(settings: Settings): Promise<string> {
  const path = join(settings.CONFIG_DIR, 'passwd')
  const { MQTT_USERNAME: username, MQTT_PASSWORD: password } = settings
  if (username !== undefined) checkAdministratorName(username)
  // With one of the two it writes nothing, and refuses what the start refuses.
  if ((username === undefined) !== (password === undefined)) {
    await ensureAdministrator({ path, username, password })
  }
  const file = await readPasswordFile(path)
  if (!file.exists && username === undefined) return `${path} would be made, with an administrator`
  const administrator = username ?? file.administrator
  const summary = `${path}, ${file.users.size} users, administrator ${administrator ?? '(none)'}`
  return [summary, ...file.warnings].join('; ')
}
