import { collectDefaultMetrics, Registry } from 'prom-client'
import { createFamilies, type Families, type Labelled } from './families.js'
import { countWaiting, type Tally, TRANSPORTS } from './tally.js'

/** What the counts do not tell; each is asked for at every scrape. */
export interface MetricSources {
  readonly tally: Tally
  readonly version: string
  /** `undefined` while it starts. */
  readonly broker: () => { readonly clients: number; readonly subscriptions: number } | undefined
  readonly sessions: () => Promise<SessionCounts | undefined>
  /** Whether each part works. */
  readonly readiness: () => Promise<Readonly<Record<string, boolean>>>
}

/** What sessions hold. */
export interface SessionCounts {
  readonly away: number
  readonly retained: { readonly messages: number; readonly payloadBytes: number }
  /** `undefined` where that is not known. */
  readonly queued: { readonly messages: number; readonly payloadBytes: number } | undefined
}

/** The metrics of the process. */
export interface Exposition {
  readonly contentType: string
  /** All of them, in Prometheus's text format. */
  text(): Promise<string>
}

/** Gauges of prom-client whose names say that they are counters. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/**
 * Makes them when they are asked for, of what is counted anyway. Names and units keep Prometheus's conventions
 * ("Metric and label naming"); no label has more values than the code has words.
 */
export function createExposition(sources: MetricSources): Exposition {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  const family = createFamilies(registry)
  addConnections(family, sources.tally)
  addTraffic(family, sources.tally)
  addIngest(family, sources.tally)
  addDelivery(family, sources.tally)
  addState(family, sources)
  return { contentType: registry.contentType, text: family.text }
}

function addConnections(family: Families, tally: Tally): void {
  const by = (count: 'open' | 'total'): Labelled =>
    TRANSPORTS.map((transport) => [transport, tally.connectionsBy[transport][count]])
  family.gaugeBy('connections', 'transport', 'Connections that are open.', () => by('open'))
  family.counterBy('connections_accepted_total', 'transport', 'Connections that were accepted.', () =>
    by('total'),
  )
  family.counterBy(
    'connections_refused_total',
    'reason',
    'Connections that were not let in before they spoke MQTT.',
    () => tally.connectionsRefused,
  )
  family.counter('connects_total', 'CONNECT packets that were received.', () => tally.trafficIn.connects)
  family.counterBy('logins_refused_total', 'reason', 'Logins that were refused.', () => tally.loginsRefused)
  family.counterBy(
    'protocol_errors_total',
    'clause',
    'Connections that ended for what their clients sent, by the clause of MQTT 3.1.1 that forbids it.',
    () => tally.protocolErrors,
  )
  family.counterBy(
    'connections_cut_off_total',
    'reason',
    'Connections that ended for what their clients did not take.',
    () => tally.cutOff,
  )
}

function addTraffic(family: Families, tally: Tally): void {
  for (const [direction, traffic] of [
    ['received', tally.trafficIn],
    ['sent', tally.trafficOut],
  ] as const) {
    const name = (what: string): string => `${what}_${direction}_total`
    family.counter(name('packets'), `MQTT packets ${direction}.`, () => traffic.packets)
    family.counter(name('mqtt_bytes'), `Bytes of MQTT packets ${direction}.`, () => traffic.bytes)
    family.counterBy(name('publishes'), 'qos', `PUBLISH packets ${direction}.`, () =>
      traffic.publishes.map((count, qos) => [`${qos}`, count] as const),
    )
    family.counter(
      name('publish_payload_bytes'),
      `Bytes of payload in PUBLISH packets ${direction}.`,
      () => traffic.payloadBytes,
    )
  }
  family.counter('publishes_denied_total', 'Publishes that no rule allows.', () => tally.publishesDenied)
  family.histogram(
    'acknowledgement_seconds',
    'Time from the arrival of a PUBLISH of QoS 1 or 2 to its PUBACK or PUBREC.',
    tally.acknowledgementSeconds,
  )
}

function addIngest(family: Families, tally: Tally): void {
  family.counter('ingest_messages_received_total', 'Messages on device topics.', () => tally.received)
  family.counterBy('ingest_messages_total', 'outcome', 'Messages on device topics that have ended.', () => {
    let rejected = 0
    for (const count of tally.rejected.values()) rejected += count
    const { stored, spooled, dropped } = tally
    return Object.entries({ stored, spooled, dropped, rejected })
  })
  family.counterBy(
    'ingest_rejected_total',
    'reason',
    'Messages on device topics that were not stored.',
    () => tally.rejected,
  )
  family.counter('ingest_readings_total', 'Readings that were stored.', () => tally.readings)
  family.gauge('ingest_waiting_messages', 'Messages that are neither stored nor spooled yet.', () =>
    countWaiting(tally),
  )
  family.histogram('ingest_batch_messages', 'Messages in a transaction.', tally.batchSizes)
  family.histogram('ingest_batch_seconds', 'Time that a transaction took.', tally.batchSeconds)
  family.gauge('spool_messages', 'Messages in the spool.', () => tally.spoolMessages)
  family.gauge('spool_bytes', 'Bytes in the spool.', () => tally.spoolBytes)
  family.gauge('spool_age_seconds', 'How long ago the oldest message in the spool was received.', () =>
    tally.spoolOldestMs === undefined ? 0 : Math.max(0, (Date.now() - tally.spoolOldestMs) / 1000),
  )
  family.counterBy('spool_replayed_total', 'outcome', 'Messages that left the spool.', () =>
    Object.entries({ stored: tally.replayed, rejected: tally.replayRefused }),
  )
}

function addDelivery(family: Families, tally: Tally): void {
  family.counterBy('publishes_dropped_total', 'reason', 'Messages that a subscriber did not get.', () =>
    Object.entries({ queue_full: tally.queueDropped, slow_reader: tally.slowDropped }),
  )
  family.counter(
    'retained_refused_total',
    'Retained messages that were delivered and not kept.',
    () => tally.retainedRefused,
  )
  family.counter(
    'sessions_expired_total',
    'Sessions that ended because their clients stayed away.',
    () => tally.sessionsExpired,
  )
  family.gauge('devices_connected', 'Devices with a connection of their own.', () => tally.devicesConnected)
  family.counterBy(
    'devices_went_offline_total',
    'reason',
    'How often a device went offline.',
    () => tally.wentOffline,
  )
}

function addState(family: Families, { tally, version, broker, sessions, readiness }: MetricSources): void {
  family.gaugeBy('build_info', 'version', 'The version of the server.', () => [[version, 1]])
  family.gauge('clients', 'Clients that are logged in.', () => broker()?.clients)
  family.gauge('subscriptions', 'Subscriptions of those clients.', () => broker()?.subscriptions)
  family.gauge('sessions_away', 'Sessions whose clients are away.', async () => (await sessions())?.away)
  family.gauge('retained_messages', 'Retained messages.', async () => (await sessions())?.retained.messages)
  family.gauge(
    'queued_messages',
    'Messages that wait for their clients, each counted once.',
    async () => (await sessions())?.queued?.messages,
  )
  family.gaugeBy('up', 'part', 'Whether a part of the server works.', async () =>
    Object.entries(await readiness()).map(([part, works]) => [part, works ? 1 : 0] as const),
  )
  family.gauge('database_away_seconds', 'For how long the database has taken no writes.', () =>
    tally.storeFailsSinceMs === undefined ? 0 : Math.max(0, (Date.now() - tally.storeFailsSinceMs) / 1000),
  )
}
