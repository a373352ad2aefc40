import { ACCESS_NAMES, type Access, hasAccessPerListener, type Listener, lastOf } from './find-listeners.js'
import type { Ledger } from './ledger.js'
import type { ConfLine } from './read-conf.js'
import { isTrue } from './rule.js'
import { REPLACED } from './settle-lines.js'

/** Nobody enters, and nothing is opened. */
const NO_ACCESS: Access = {
  isAnonymous: false,
  anonymousLine: undefined,
  passwordFile: undefined,
  aclFile: undefined,
  hasPlugin: true,
}

/**
 * Settles who may enter: as with the first of the listeners that are opened, with which the others agree.
 *
 * @param listeners all that the file has, opened or not
 */
export function settleAccess(
  conf: readonly ConfLine[],
  listeners: readonly Listener[],
  opened: readonly Listener[],
  ledger: Ledger,
): Access {
  const isPerListener = hasAccessPerListener(conf)
  for (const line of conf.filter(({ name }) => name === 'per_listener_settings')) {
    if (isTrue(line.value)) ledger.honour(line)
    else ledger.skip(line, 'users and rules always hold for all listeners')
  }
  const lines = conf.filter(({ name }) => ACCESS_NAMES.has(name))
  for (const scope of isPerListener ? opened.map((listener) => listener.lines) : [lines]) {
    for (const line of scope.filter(({ name }) => ACCESS_NAMES.has(name))) {
      if (lastOf(scope, line.name) === line) ledger.honour(line)
      else ledger.skip(line, REPLACED)
    }
  }
  const placed = new Set(listeners.flatMap((listener) => listener.lines))
  for (const line of isPerListener ? lines.filter((one) => !placed.has(one)) : []) {
    ledger.refuse(line, 'with per_listener_settings it applies to no listener at this place')
  }
  const [first] = opened.length > 0 || isPerListener ? opened : listeners
  return first?.access ?? NO_ACCESS
}

/** Rules that open what Mosquitto opens to everybody where it has no ACL file, in its own grammar. */
export function openRules({ isAnonymous }: Access): string {
  const lines = [
    '# Everyone who is let in may read and write everything, as in Mosquitto without an acl_file. Written by',
    '# `damselfly import-mosquitto`; put narrower rules in the place of these.',
    ...(isAnonymous ? ['', '# Clients without a user name:', 'topic readwrite #', 'topic read $SYS/#'] : []),
    ...['', '# Every user:', 'pattern readwrite #', 'pattern read $SYS/#', ''],
  ]
  return lines.join('\n')
}
