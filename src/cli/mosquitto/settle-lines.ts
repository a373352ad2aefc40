import { findRule } from './find-rule.js'
import type { Ledger } from './ledger.js'
import type { ConfLine } from './read-conf.js'
import type { IntegerName, Reading } from './rule.js'
import type { SettingList } from './setting-list.js'

/** A number that a line asks for. */
interface Claim extends Reading {
  readonly setting: IntegerName
  readonly line: ConfLine
}

/** What is said of a line that Mosquitto overrides by a later one of the same name. */
export const REPLACED = 'a later line replaces it'

/** Settles the lines that mean something on their own: numbers, what Damselfly always does, what it cannot. */
export function settleLines(conf: readonly ConfLine[], settings: SettingList, ledger: Ledger): void {
  const claims = new Map<string, Claim>()
  for (const line of conf) {
    const rule = findRule(line.name)
    if (rule === undefined) ledger.refuse(line, unknown(line))
    else if (rule.kind === 'fixed') {
      if (rule.isMet(line.value)) ledger.skip(line, rule.reason)
      else ledger.refuse(line, rule.reason)
    } else if (rule.kind === 'setting') {
      const reading = rule.read(line.value)
      if (reading === undefined) {
        ledger.refuse(line, `${JSON.stringify(line.value)} is no value of ${line.name}`)
        continue
      }
      ledger.skip(claims.get(line.name)?.line, REPLACED)
      claims.set(line.name, { ...reading, setting: rule.setting, line })
    }
  }
  settleClaims([...claims.values()], settings, ledger)
}

/** Where two options come to one setting, the lower number keeps out what either keeps out. */
function settleClaims(claims: readonly Claim[], settings: SettingList, ledger: Ledger): void {
  for (const { line, setting, value, shortfall } of claims.toSorted((a, b) => a.value - b.value)) {
    const lower = settings.get(setting)
    if (lower !== undefined) {
      ledger.skip(line, `${setting}=${lower.value} is lower`)
      continue
    }
    settings.set(setting, value, line)
    if (shortfall === undefined) ledger.honour(line)
    else ledger.refuse(line, shortfall)
  }
}

function unknown({ name }: ConfLine): string {
  if (name.startsWith('#')) return 'a comment has its # in the first column'
  return `Mosquitto has no option ${JSON.stringify(name)}`
}
