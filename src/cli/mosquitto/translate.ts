import { chooseListeners } from './choose-listeners.js'
import { findListeners } from './find-listeners.js'
import { type Ledger, openLedger } from './ledger.js'
import { listDifferences } from './list-differences.js'
import type { ConfLine } from './read-conf.js'
import { createSettingList, type SettingList } from './setting-list.js'
import { openRules, settleAccess } from './settle-access.js'
import { settleLines } from './settle-lines.js'
import { type CertificateTarget, settleListeners } from './settle-listeners.js'
import { settleLog } from './settle-log.js'

/** A file of Damselfly's, in CONFIG_DIR or CERTS_DIR. */
export type TargetName = 'passwd' | 'acl.conf' | CertificateTarget

/** A mosquitto.conf in Damselfly's terms. */
export interface Translation {
  readonly settings: SettingList
  /** The lines that name a file to copy, by what the copy is called. */
  readonly copies: ReadonlyMap<TargetName, ConfLine>
  /** The content of an `acl.conf` that replaces the absence of an ACL file; `undefined` where none does. */
  readonly rules: string | undefined
  /** What will be otherwise than with Mosquitto, in sentences. */
  readonly differences: readonly string[]
  readonly ledger: Ledger
}

/** Translates the lines of a mosquitto.conf, and accounts for each of them. */
export function translate(conf: readonly ConfLine[]): Translation {
  const ledger = openLedger(conf)
  const settings = createSettingList()
  settleLines(conf, settings, ledger)
  settleLog(conf, settings, ledger)
  const listeners = findListeners(conf)
  const choice = chooseListeners(listeners, ledger)
  const certificates = settleListeners(listeners, choice, settings, ledger)
  const access = settleAccess(conf, listeners, choice.opened, ledger)
  const { isAnonymous, passwordFile, aclFile, hasPlugin } = access
  settings.set('ALLOW_ANONYMOUS', isAnonymous, access.anonymousLine)
  for (const line of conf.filter(({ name }) => name === 'include_dir')) settleInclude(line, conf, ledger)
  const copies = new Map<TargetName, ConfLine>(certificates)
  if (passwordFile !== undefined) copies.set('passwd', passwordFile)
  if (aclFile !== undefined) copies.set('acl.conf', aclFile)
  // Where a plugin decides, nobody can know whom open rules would let do what.
  const rules = aclFile === undefined && !hasPlugin ? openRules(access) : undefined
  const differences = listDifferences({ conf, settings, access })
  return { settings, copies, rules, differences, ledger }
}

function settleInclude(line: ConfLine, conf: readonly ConfLine[], ledger: Ledger): void {
  if (line.path === conf[0]?.path) ledger.honour(line)
  else ledger.refuse(line, 'only the main file may include others')
}
