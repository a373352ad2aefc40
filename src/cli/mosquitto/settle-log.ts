import { lastOf } from './find-listeners.js'
import type { Ledger } from './ledger.js'
import type { ConfLine } from './read-conf.js'
import { wordOf } from './rule.js'
import type { SettingList } from './setting-list.js'
import { REPLACED } from './settle-lines.js'

/** From the fewest messages to the most. */
const LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const

const LEVEL_OF_TYPE: ReadonlyMap<string, (typeof LEVELS)[number]> = new Map([
  ['none', 'silent'],
  ['error', 'error'],
  ['warning', 'warn'],
  ['notice', 'info'],
  ['information', 'info'],
  ['debug', 'debug'],
  ['all', 'debug'],
])

/** Settles what is logged and where to: LOG_LEVEL is the lowest level that has all that is asked for. */
export function settleLog(conf: readonly ConfLine[], settings: SettingList, ledger: Ledger): void {
  settleTypes(
    conf.filter(({ name }) => name === 'log_type'),
    settings,
    ledger,
  )
  const last = lastOf(conf, 'log_dest')
  for (const line of conf.filter(({ name }) => name === 'log_dest')) {
    const destination = wordOf(line.value)
    if (destination === 'stdout' || destination === 'stderr') {
      ledger.skip(line, 'the log goes to standard output')
    } else if (destination !== 'none') {
      ledger.refuse(line, 'the log goes to standard output, which systemd and Docker keep')
    } else if (line === last) {
      settings.set('LOG_LEVEL', 'silent', line)
      ledger.honour(line)
    } else ledger.skip(line, REPLACED)
  }
}

function settleTypes(lines: readonly ConfLine[], settings: SettingList, ledger: Ledger): void {
  const known = lines.filter(({ value }) => LEVEL_OF_TYPE.has(wordOf(value)))
  for (const line of lines) {
    if (known.includes(line)) ledger.honour(line)
    else ledger.refuse(line, 'there is no such kind of message; LOG_LEVEL=debug has the most')
  }
  // "none" takes back what stands before it.
  const start = known.findLastIndex(({ value }) => wordOf(value) === 'none')
  const counting = known.slice(Math.max(start, 0))
  const levels = counting.map(({ value }) => LEVELS.indexOf(LEVEL_OF_TYPE.get(wordOf(value)) ?? 'silent'))
  const level = LEVELS[Math.max(...levels)]
  if (level !== undefined) settings.set('LOG_LEVEL', level, counting[levels.indexOf(Math.max(...levels))])
}
