import { join } from 'node:path'
import { createAlerts } from './alerts/alerts.js'
import { readAclFile } from './auth/acl-file.js'
import { startDeviceWatch } from './auth/device-watch.js'
import { type AccessControl, accessPaths, openAccess, warnOfNamesakes } from './auth/open-access.js'
import { readPasswordFile } from './auth/password-file.js'
import { type Broker, type BrokerOptions, startBroker } from './broker/broker.js'
import { isUnset } from './clock/clock.js'
import { databaseAddress, describeDatabase } from './config/database.js'
import type { Settings } from './config/options.js'
import { deliveryLimits, sessionLimits, sessionsPlace } from './config/session-settings.js'
import type { Context } from './context.js'
import { createDeadLetters } from './ingest/dead-letters.js'
import type { Ingest } from './ingest/ingest.js'
import { createLifecycle } from './lifecycle.js'
import { CERTIFICATE_FILES } from './listen/certificate-folder.js'
import type { Certificates } from './listen/certificates.js'
import { createGate } from './listen/gate.js'
import { listenOnAll } from './listen/listen-on-all.js'
import type { Listener } from './listen/listener.js'
import { openCertificates } from './listen/served-certificates.js'
import type { Logger } from './log/logger.js'
import { startSummary } from './metrics/summary.js'
import { createTally } from './metrics/tally.js'
import { type Serving, serveWeb, startServerTopics } from './outward.js'
import { createReload, type Reload } from './reload.js'
import { type ServiceManager, tellManager } from './service-manager.js'
import { describeSessions, openSessions } from './sessions/open-sessions.js'
import type { Sessions } from './sessions/sessions.js'
import { openDatabase, openPresence, openSpoolFile, startIngest, unknownDevices } from './storage.js'
import { createDeviceDirectory, type DeviceDirectory } from './store/device-directory.js'
import type { StorageThreads } from './store/storage-threads.js'
import type { Store } from './store/store.js'
import { createReadiness } from './web/readiness.js'
import { welcomeText } from './welcome.js'

/** The server as a whole. */
export interface App {
  /** Resolves when every listener and the store serve; rejects when one cannot, or when `stop` was called. */
  start(): Promise<void>
  /** Takes over changed files of users, rules and certificates, as the end of the start does by itself. */
  reload(): Promise<void>
  /** Stops what was started, in reverse order. May be called at any moment; takes 10 s at the most. */
  stop(): Promise<void>
}

/** What received messages may take to be stored when the server stops; the rest stays unacknowledged. */
const FINISH_WITHIN_MS = 5000

/** After this much of that time the spool is quicker than the database. */
const HURRY_AFTER_MS = 2000

/** Who started the process. The log is for what goes on afterwards. */
export interface Starter {
  readonly print: (text: string) => void
  readonly manager: ServiceManager | undefined
  /** Ended with the server. */
  readonly threads: StorageThreads
}

/** @throws ConfigError for settings that contradict each other. */
export function createApp(settings: Settings, log: Logger, { print, manager, threads }: Starter): App {
  const life = createLifecycle(log)
  life.started('threads', threads.stop)
  const database = databaseAddress(settings)
  const tally = createTally()
  const context: Context = {
    settings,
    database,
    log,
    life,
    tally,
    alerts: createAlerts({ settings, tally, log }),
    readiness: createReadiness(),
    threads,
  }

  let reload: Reload | undefined

  const start = async (): Promise<void> => {
    warnOfUnsetClock(log)
    let serving: Serving | undefined
    const webAddress = await serveWeb(context, () => serving)
    await readRules(settings) // broken ones are told before the wait for the database
    const certificates = await openCertificates(settings)
    for (const warning of certificates?.warnings ?? []) log.warn(warning)
    const spool = await openSpoolFile(context)
    const deadLetters = createDeadLetters(settings.DATA_DIR, log)
    const store = await openDatabase(context, deadLetters)
    const directory = createDeviceDirectory(store, settings.MAX_CONNECTIONS * 2)
    const ingest = startIngest(context, { store, spool, directory, deadLetters })
    const presence = await openPresence(context, store, ingest)
    life.started('messages of closing clients', ingest.idle)
    const access = await openAccess(settings, directory, log)
    life.started('access', access.stop)
    let listeners: readonly Listener[] = []
    try {
      await warnOfNamesakes(access, store, log)
      const { broker, sessions } = await openBroker(context, {
        authenticator: access.authenticator,
        ingest,
        presence,
      })
      await startAlerts(context, broker, store)
      startWatch(context, directory, broker)
      const gate = createGate(settings.MAX_CONNECTIONS, context.tally, log)
      listeners = await listenOnAll(settings, certificates, gate, broker, (listener) =>
        life.started(listener.address, listener.close),
      )
      reload = await startReload(context, { access, broker, listeners, certificates })
      const summary = startSummary(context.tally, log)
      life.started('summary', summary.stop)
      const { authenticator } = access
      const parts = { authenticator, store, broker, statistics: summary.now, alerts: context.alerts.inForce }
      serving = { api: { ...parts, tally: context.tally, log }, broker, sessions }
    } finally {
      // Also after a failure: the password is kept nowhere.
      const { administrator } = access
      const registersDevices = unknownDevices(context) === 'register'
      const caPath = certificates?.caPath
      const welcome = welcomeText({ administrator, listeners, caPath, registersDevices })
      if (welcome !== undefined) print(welcome)
    }
    if (serving !== undefined) await startServerTopics(context, serving)
    context.readiness.set('listeners', () => !life.signal.aborted)
    const addresses = listeners.map(({ address }) => address)
    const listening = webAddress === undefined ? addresses : [...addresses, webAddress]
    const sessions = describeSessions(sessionsPlace(settings))
    log.info({ listening, database: describeDatabase(database), sessions }, 'ready')
    if (manager !== undefined) tellManager(context, manager)
  }

  return { start, reload: async () => reload?.now(), stop: life.stop }
}

function warnOfUnsetClock(log: Logger): void {
  if (!isUnset(Date.now())) return
  log.warn(
    'the clock is not set: until it is, what comes without a time of its own is stored under a wrong one',
  )
}

async function readRules(settings: Settings): Promise<void> {
  const { passwordPath, aclPath } = accessPaths(settings)
  await readPasswordFile(passwordPath)
  await readAclFile(aclPath)
}

function startWatch({ life, log }: Context, devices: DeviceDirectory, broker: Broker): void {
  const watch = startDeviceWatch({ devices, clients: broker, log })
  life.started('device watch', watch.stop)
}

async function startAlerts({ life, alerts }: Context, broker: Broker, store: Store): Promise<void> {
  const watch = await alerts.start({
    publish: (topic, payload) => broker.publish(topic, payload, { qos: 1 }),
    async stateOf({ id }) {
      const device = await store.reportDevice(id)
      if (device?.is_active !== true) return 'gone'
      return device.is_online ? 'online' : 'offline'
    },
  })
  life.started('alerts', watch.stop)
}

/** What is concerned when files change. */
interface Reloadable {
  readonly access: AccessControl
  readonly broker: Broker
  readonly listeners: readonly Listener[]
  readonly certificates: Certificates | undefined
}

async function startReload({ settings, log, life }: Context, parts: Reloadable): Promise<Reload> {
  const reload = createReload({
    ...parts,
    ...parts.access,
    certificateFolder: settings.CERTS_DIR,
    log,
  })
  const { passwordPath, aclPath } = accessPaths(settings)
  const names = parts.certificates === undefined ? [] : CERTIFICATE_FILES
  const files = names.map((name) => join(settings.CERTS_DIR, name))
  const watch = reload.watch([passwordPath, aclPath, ...files])
  life.started('watch on files', watch.stop)
  // While a start waits for Redis, say, the files may have changed, and a SIGHUP may have come.
  await watch.caughtUp
  return reload
}

async function openBroker(
  { settings, log, tally, alerts, life, readiness, threads }: Context,
  parts: Pick<BrokerOptions, 'authenticator' | 'presence'> & { readonly ingest: Ingest },
): Promise<{ readonly broker: Broker; readonly sessions: Sessions }> {
  const sessions = await openSessions(sessionsPlace(settings), {
    limits: sessionLimits(settings),
    tally,
    log,
    open: threads.state.open,
    signal: life.signal,
  })
  life.started('sessions', sessions.close)
  readiness.set('sessions', () => sessions.isReady())
  const broker = await startBroker({
    ...parts,
    sessions,
    events: alerts.events,
    tally,
    log,
    delivery: deliveryLimits(settings),
    maxPacketBytes: settings.MAX_PACKET_BYTES,
    maxKeepAliveSeconds: settings.MAX_KEEPALIVE_S,
  })
  const stop = async (): Promise<void> => {
    const timer = setTimeout(parts.ingest.hurry, HURRY_AFTER_MS)
    await broker.stop(FINISH_WITHIN_MS)
    clearTimeout(timer)
  }
  life.started('broker', stop, FINISH_WITHIN_MS + 500)
  return { broker, sessions }
}
