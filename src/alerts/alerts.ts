import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Settings } from '../config/options.js'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import { type PeerDevice, type PeerEvents, unheard } from '../metrics/peer-events.js'
import type { Tally } from '../metrics/tally.js'
import type { Alert, Standing } from './alert.js'
import { openAlertMemory } from './alert-memory.js'
import { alertTopic } from './alert-topic.js'
import { createJudge } from './judge.js'
import { createPatterns } from './patterns.js'
import { type AlertThresholds, createRules, EVALUATIONS_IN_WINDOW } from './rules.js'
import { measureServerLoad } from './server-load.js'
import { createSilence, type DeviceState, type Silence } from './silence.js'
import { createWebhook } from './webhook.js'

/** Watches the server and its peers, and tells what is wrong. */
export interface Alerts {
  /** What they are to be told of. */
  readonly events: PeerEvents
  /** Alerts that were raised and have not ended, with their newest values. */
  inForce(): readonly Alert[]
  /** Begins to evaluate the rules; resolves with what ends it. */
  start(outputs: AlertOutputs): Promise<{ stop(): Promise<void> }>
}

/** What an evaluation needs of the rest. */
export interface AlertOutputs {
  /** Publishes to whoever subscribes; resolves when that is done. */
  readonly publish: (topic: string, payload: string) => Promise<void>
  /** What the database has of a device. May reject. */
  readonly stateOf: (device: PeerDevice) => Promise<DeviceState>
}

/** The settings of alerts. */
export type AlertSettings = AlertThresholds &
  Pick<Settings, 'ALERT_WEBHOOK_URL' | 'DATA_DIR' | 'INSTANCE_NAME'>

/** What alerts are made of. */
export interface AlertParts {
  readonly settings: AlertSettings
  readonly tally: Tally
  readonly log: Logger
}

/** Of one rule: who reads more than that, reads none. */
const MAX_IN_FORCE = 250

/** Enough for a large fleet: some tens of megabytes when it is full. */
const MAX_DEVICES = 100_000

/** Publishes that are not done, as while Redis is away. */
const MAX_PUBLISHING = 1000
const MINUTE_MS = 60_000

/** Alerts by the rules of docs/alerts.md; none where `ALERT_WINDOW_S` is 0. */
export function createAlerts({ settings, tally, log }: AlertParts): Alerts {
  if (settings.ALERT_WINDOW_S === 0) {
    return { events: unheard, inForce: () => [], start: async () => ({ stop: async () => undefined }) }
  }
  const windowMs = settings.ALERT_WINDOW_S * 1000
  const now = (): number => performance.now()
  let stateOf: AlertOutputs['stateOf'] = async () => 'offline'
  const silence = createSilence({
    silentAfterMs: settings.ALERT_SILENT_S * 1000,
    askAgainAfterMs: windowMs,
    maxDevices: MAX_DEVICES,
    stateOf: (device) => stateOf(device),
    now,
  })
  const patterns = createPatterns(windowMs, silence, now)
  let inForce: Alerts['inForce'] = () => []

  const start: Alerts['start'] = async (outputs) => {
    stateOf = outputs.stateOf
    const load = measureServerLoad(now())
    const rules = createRules(settings, { tally, load, patterns, silence })
    const memory = await openAlertMemory(join(settings.DATA_DIR, 'alerts.json'), log)
    const { before } = memory
    missAgain(silence, before)
    const server = settings.INSTANCE_NAME ?? hostname()
    const judge = createJudge({ rules, server, maxInForce: MAX_IN_FORCE, before, clock: Date })
    inForce = () => judge.inForce().map(({ alert }) => alert)
    const { tell, leftOut, stop } = createTelling(settings, outputs, log)
    const timer = setInterval(() => {
      const changes = judge.evaluate(now())
      for (const alert of changes) tell(alert)
      if (changes.length > 0) memory.save(judge.inForce())
      leftOut(judge.takeLeftOut())
    }, windowMs / EVALUATIONS_IN_WINDOW)
    return {
      async stop() {
        clearInterval(timer)
        load.stop()
        await Promise.all([stop(), memory.saved()])
      },
    }
  }
  return { events: patterns.events, inForce: () => inForce(), start }
}

/** Devices that were missed before the restart are missed until they are heard. */
function missAgain(silence: Silence, before: readonly Standing[]): void {
  for (const { key, alert } of before) {
    const { subject } = alert
    const id = Number(key)
    if (alert.alert !== 'device_silent' || !('device_id' in subject) || !Number.isSafeInteger(id)) continue
    silence.missed({ id, deviceId: `${subject.device_id}` }, Date.now() - Date.parse(alert.since))
  }
}

/** The log, the topics and the webhook. */
function createTelling(settings: AlertSettings, { publish }: AlertOutputs, log: Logger) {
  const limit = createRateLimit(MINUTE_MS, 10)
  const url = settings.ALERT_WEBHOOK_URL
  const webhook = url === undefined ? undefined : createWebhook({ url, log })
  let publishing = 0

  const warn = (detail: object, text: string): void => {
    if (limit.admit(text) !== undefined) log.warn(detail, text)
  }

  const publishSoon = async (alert: Alert, json: string): Promise<void> => {
    if (publishing >= MAX_PUBLISHING) {
      warn({ alert: alert.alert }, 'an alert was not published: too many wait for the sessions')
      return
    }
    publishing += 1
    await publish(alertTopic(alert.subject), json).catch((error: unknown) =>
      warn({ alert: alert.alert, error: String(error) }, 'an alert could not be published'),
    )
    publishing -= 1
  }

  return {
    tell(alert: Alert): void {
      const { alert: name, subject, value, threshold, message } = alert
      const detail = { alert: name, state: alert.state, subject, value, threshold }
      if (alert.state === 'raised') log.warn(detail, message)
      else log.info(detail, message)
      const json = JSON.stringify(alert)
      void publishSoon(alert, json)
      webhook?.post(json)
    },
    leftOut(count: number): void {
      if (count > 0) warn({ count, maxInForce: MAX_IN_FORCE }, 'alerts were left out: too many are in force')
    },
    stop: async () => webhook?.stop(),
  }
}
