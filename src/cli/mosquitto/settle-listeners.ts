import { options } from '../../config/options.js'
import { type Choice, isTls, isWeighed, requiresCertificate, takesIdentity } from './choose-listeners.js'
import { type Listener, lastOf, type PortName } from './find-listeners.js'
import type { Ledger, Outcome } from './ledger.js'
import { type ConfLine, placeOf } from './read-conf.js'
import { highest, nearest, wholeNumber } from './rule.js'
import type { SettingList } from './setting-list.js'
import { REPLACED } from './settle-lines.js'

/** The files of a TLS listener, and what CERTS_DIR calls them. */
export type CertificateTarget = 'server.crt' | 'server.key' | 'ca.crt' | 'ca.crl'

const PORT_NAMES: readonly PortName[] = ['MQTT_PORT', 'MQTTS_PORT', 'WS_PORT', 'WSS_PORT']

const CERTIFICATE_FILES: ReadonlyMap<string, CertificateTarget> = new Map([
  ['certfile', 'server.crt'],
  ['keyfile', 'server.key'],
  ['cafile', 'ca.crt'],
  ['crlfile', 'ca.crl'],
])

const TLS_NAMES = new Set([...CERTIFICATE_FILES.keys(), 'require_certificate', 'use_identity_as_username'])

/**
 * Settles ports, address, certificates and connections by the listeners that were chosen.
 *
 * @param listeners all that the file has, opened or not
 * @returns the lines that name the files to copy
 */
export function settleListeners(
  listeners: readonly Listener[],
  choice: Choice,
  settings: SettingList,
  ledger: Ledger,
): ReadonlyMap<CertificateTarget, ConfLine> {
  for (const name of PORT_NAMES) {
    const listener = choice.opened.find(({ kind }) => kind === name)
    const closed = listeners.find(({ kind }) => kind === name)
    settings.set(name, listener?.port ?? 'off', (listener ?? closed)?.line)
  }
  const binder = choice.opened.find(({ address }) => address === choice.address)
  settings.set('BIND_ADDRESS', choice.address, binder?.line)
  // A page that says whether the server is well is no reason to take the port of clients away.
  const taking = choice.opened.find(({ port }) => port === options.HTTP_PORT.default)
  if (taking !== undefined) settings.set('HTTP_PORT', 'off', taking.line)
  settleConnections(choice.opened, settings, ledger)
  const tls = choice.opened.find(isTls)
  if (tls !== undefined) {
    const lineOf = (name: string): ConfLine | undefined => lastOf(tls.lines, name)
    settings.set('TLS_REQUIRE_CLIENT_CERT', requiresCertificate(tls), lineOf('require_certificate'))
    settings.set('TLS_IDENTITY_AS_USERNAME', takesIdentity(tls), lineOf('use_identity_as_username'))
  }
  const copies = new Map<CertificateTarget, ConfLine>()
  for (const [name, target] of CERTIFICATE_FILES) {
    const line = lastOf(tls?.lines ?? [], name)
    if (line !== undefined) copies.set(target, line)
  }
  for (const listener of choice.opened) {
    for (const line of listener.lines.filter(isWeighed)) ledger.record(line, judge(line, listener, copies))
  }
  return copies
}

function judge(
  line: ConfLine,
  listener: Listener,
  copies: ReadonlyMap<CertificateTarget, ConfLine>,
): Outcome {
  if (lastOf(listener.lines, line.name) !== line) return { kind: 'needless', why: REPLACED }
  if (TLS_NAMES.has(line.name) && !isTls(listener)) {
    return { kind: 'needless', why: 'it has no effect without certfile and keyfile' }
  }
  const target = CERTIFICATE_FILES.get(line.name)
  if (target !== undefined) {
    const copied = copies.get(target)
    if (copied?.value === line.value) return { kind: 'honoured' }
    const instead = copied === undefined ? 'there is none' : `it is that of ${placeOf(copied)}`
    return { kind: 'refused', why: `all listeners share one ${target}: ${instead}` }
  }
  if (line.name === 'use_identity_as_username' && !requiresCertificate(listener)) {
    return { kind: 'needless', why: 'it has no effect without require_certificate' }
  }
  return line.name === 'tls_keyform' ? { kind: 'needless', why: 'keys are PEM files' } : { kind: 'honoured' }
}

/** Mosquitto counts the connections of each listener, Damselfly those of all together. */
function settleConnections(opened: readonly Listener[], settings: SettingList, ledger: Ledger): void {
  const lines = opened.map((listener) => lastOf(listener.lines, 'max_connections'))
  const asking = lines.find((line) => line !== undefined)
  if (asking === undefined) return
  const limits = lines.map((line) => (line === undefined ? -1 : wholeNumber(line.value)))
  const numbers = limits.filter((limit) => limit !== undefined)
  const isUnlimited = numbers.every((limit) => limit < 0)
  if (numbers.length < limits.length || (!isUnlimited && numbers.some((limit) => limit < 0))) {
    const why = 'MAX_CONNECTIONS is one number for all listeners together, and not each of them has one'
    for (const line of lines) ledger.refuse(line, why)
    return
  }
  const sum = numbers.reduce((total, limit) => total + limit, 0)
  const { value, shortfall } = isUnlimited ? highest('MAX_CONNECTIONS') : nearest('MAX_CONNECTIONS', sum)
  const before = settings.get('MAX_CONNECTIONS')
  if (before === undefined || Number(before.value) > value) settings.set('MAX_CONNECTIONS', value, asking)
  if (shortfall !== undefined) for (const line of lines) ledger.refuse(line, shortfall)
}
