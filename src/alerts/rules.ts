import type { Settings } from '../config/options.js'
import { sumOf, type Tally } from '../metrics/tally.js'
import { countPublishes } from '../metrics/traffic.js'
import type { Measured, Rule } from './alert.js'
import { createGrowth } from './growth.js'
import type { Patterns } from './patterns.js'
import type { ServerLoad } from './server-load.js'
import type { Silence } from './silence.js'
import { nameOf } from './subject-name.js'

/** The thresholds, and the window over which what happens is counted. */
export type AlertThresholds = Pick<
  Settings,
  | 'ALERT_WINDOW_S'
  | 'ALERT_FAILED_CONNECTIONS'
  | 'ALERT_MESSAGE_RATE'
  | 'ALERT_CPU_PERCENT'
  | 'ALERT_MEMORY_PERCENT'
  | 'ALERT_EVENT_LOOP_DELAY_MS'
  | 'ALERT_RECONNECTS'
  | 'ALERT_TAKEOVERS'
  | 'ALERT_CLIENT_IDS'
  | 'ALERT_REJECTED_MESSAGES'
  | 'ALERT_SILENT_S'
>

/** What the rules look at. */
export interface RuleSources {
  readonly tally: Tally
  readonly load: ServerLoad
  readonly patterns: Patterns
  readonly silence: Silence
}

/** How often everything is looked at in a window. */
export const EVALUATIONS_IN_WINDOW = 12

/** A rule as the table has it: `threshold` 0 turns it off, and `endsAt` is a part of the threshold. */
type Row = Omit<Rule, 'endsAt'> & { readonly endsAt: number }

/** What is counted over the window is even by itself; half as much is calm. */
const COUNTED = { severity: 'warning', holds: 1, endsAt: 0.5 } as const

/** What is sampled goes up and down: it is to hold for a quarter of the window. */
const SAMPLED = { severity: 'critical', holds: 3, endsAt: 0.8 } as const

/** Every rule. docs/alerts.md is the table in words. */
export function createRules(settings: AlertThresholds, sources: RuleSources): readonly Rule[] {
  return [...serverRules(settings, sources), ...peerRules(settings, sources)].map(toRule)
}

function serverRules(settings: AlertThresholds, { tally, load }: RuleSources): readonly Row[] {
  const seconds = settings.ALERT_WINDOW_S
  const failed = createGrowth(EVALUATIONS_IN_WINDOW, countFailed(tally))
  const messages = createGrowth(EVALUATIONS_IN_WINDOW, countPublishes(tally.trafficIn))
  return [
    {
      ...{ name: 'failed_connections', threshold: settings.ALERT_FAILED_CONNECTIONS, ...COUNTED },
      measure: ofServer(() => failed.update(countFailed(tally))),
      what: () => 'many connections fail: refused, or ended for what their clients sent',
      unit: `in ${seconds} s`,
    },
    {
      ...{ name: 'message_rate', threshold: settings.ALERT_MESSAGE_RATE, ...COUNTED, endsAt: 0.8 },
      measure: ofServer(() => messages.update(countPublishes(tally.trafficIn)) / seconds),
      what: () => 'clients publish very much',
      unit: 'messages/s',
    },
    {
      // A burst may take all of a core; a whole window of it is more than the server can do.
      ...{ name: 'cpu', threshold: settings.ALERT_CPU_PERCENT, ...SAMPLED, holds: EVALUATIONS_IN_WINDOW },
      measure: ofServer((nowMs) => load.cpuPercent(nowMs)),
      what: () => 'the server is short of CPU time',
      unit: '% of a core',
    },
    {
      ...{ name: 'memory', threshold: settings.ALERT_MEMORY_PERCENT, ...SAMPLED, endsAt: 0.9 },
      measure: ofServer(() => load.memoryPercent()),
      what: () => 'the server is short of memory',
      unit: '% of what it may take',
    },
    {
      ...{ name: 'event_loop_delay', threshold: settings.ALERT_EVENT_LOOP_DELAY_MS, ...SAMPLED },
      measure: ofServer(() => load.eventLoopDelayMs()),
      what: () => 'the server is held up again and again',
      unit: 'ms',
    },
  ]
}

function peerRules(settings: AlertThresholds, { patterns, silence }: RuleSources): readonly Row[] {
  const seconds = settings.ALERT_WINDOW_S
  return [
    {
      ...{ name: 'client_flapping', threshold: settings.ALERT_RECONNECTS, ...COUNTED },
      measure: patterns.reconnects.measure,
      what: (subject) => `${nameOf(subject)} connects again and again`,
      unit: `connections in ${seconds} s`,
    },
    {
      ...{ name: 'client_takeovers', threshold: settings.ALERT_TAKEOVERS, ...COUNTED },
      measure: patterns.takeOvers.measure,
      what: (subject) => `${nameOf(subject)} takes its own connection over again and again; are there two?`,
      unit: `take-overs in ${seconds} s`,
    },
    {
      ...{ name: 'address_client_ids', threshold: settings.ALERT_CLIENT_IDS, ...COUNTED },
      measure: patterns.clientIds.measure,
      what: (subject) => `${nameOf(subject)} connects with many client ids`,
      unit: `client ids in ${seconds} s`,
    },
    {
      ...{ name: 'device_rejected_messages', threshold: settings.ALERT_REJECTED_MESSAGES, ...COUNTED },
      measure: patterns.rejectedMessages.measure,
      what: (subject) => `${nameOf(subject)} sends what cannot be stored`,
      unit: `messages in ${seconds} s`,
    },
    {
      ...{ name: 'device_silent', threshold: settings.ALERT_SILENT_S, ...COUNTED, endsAt: 0 },
      measure: silence.measure,
      what: (subject) => `${nameOf(subject)} has fallen silent`,
      unit: 's',
    },
  ]
}

function toRule(row: Row): Rule {
  const measure: Rule['measure'] = row.threshold === 0 ? () => [] : row.measure
  return { ...row, endsAt: row.endsAt * row.threshold, measure }
}

function ofServer(value: (nowMs: number) => number): Rule['measure'] {
  return (nowMs): Measured[] => [{ key: 'server', subject: { kind: 'server' }, value: value(nowMs) }]
}

function countFailed({ loginsRefused, connectionsRefused, protocolErrors }: Tally): number {
  return sumOf(loginsRefused) + sumOf(connectionsRefused) + sumOf(protocolErrors)
}
