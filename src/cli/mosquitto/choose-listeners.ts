import { type Access, type Listener, lastOf, type PortName } from './find-listeners.js'
import { findRule } from './find-rule.js'
import type { Ledger } from './ledger.js'
import { type ConfLine, placeOf } from './read-conf.js'
import { isTrue } from './rule.js'

/** The listeners that Damselfly opens. */
export interface Choice {
  /** One of a kind at the most, all on `address`, and all with the access of the first. */
  readonly opened: readonly Listener[]
  readonly address: string
}

const KINDS: Readonly<Record<PortName, string>> = {
  MQTT_PORT: 'MQTT over TCP',
  MQTTS_PORT: 'MQTT over TLS',
  WS_PORT: 'WebSocket',
  WSS_PORT: 'WebSocket over TLS',
}

/** Where a listener is on all addresses; the second takes IPv6 and IPv4. */
const EVERY_ADDRESS = ['0.0.0.0', '::']

/**
 * Chooses the listeners that can be opened without letting anybody in who was kept out before. Damselfly has
 * one of each kind, and for all of them one address, one set of users and rules, and one way to check the
 * certificates of clients. A listener that differs from those before it stays closed, and `ledger` says why.
 */
export function chooseListeners(listeners: readonly Listener[], ledger: Ledger): Choice {
  const possible = listeners.filter(({ obstacle }) => obstacle === undefined)
  const address = chooseAddress(possible)
  const opened: Listener[] = []
  const closed: [Listener, string][] = []
  for (const listener of listeners) {
    const why = listener.obstacle ?? findDifference(listener, address, opened)
    if (why === undefined) opened.push(listener)
    else closed.push([listener, why])
  }
  for (const [listener, why] of closed) {
    const isFree = !opened.some(({ kind }) => kind === listener.kind)
    const canOpen = listener.obstacle === undefined && isFree
    const hint = canOpen
      ? `; ${listener.kind}=${listener.port} in .env would open it on the terms of the others`
      : ''
    ledger.refuse(listener.line, `this listener stays closed: ${why}${hint}`)
    for (const line of listener.lines.filter(isWeighed)) {
      ledger.refuse(line, `the listener of ${nameOf(listener)} stays closed`)
    }
  }
  return { opened, address }
}

/** Whether a listener asks its clients for a certificate. */
export function requiresCertificate({ lines }: Listener): boolean {
  return isTrue(lastOf(lines, 'require_certificate')?.value)
}

/** Whether the certificate of a client gives its user name. */
export function takesIdentity(listener: Listener): boolean {
  return requiresCertificate(listener) && isTrue(lastOf(listener.lines, 'use_identity_as_username')?.value)
}

/** Whether a listener has TLS. */
export function isTls({ kind }: Listener): boolean {
  return kind === 'MQTTS_PORT' || kind === 'WSS_PORT'
}

function chooseAddress(listeners: readonly Listener[]): string {
  const addresses = listeners.map(({ address }) => address)
  return addresses.find((address) => EVERY_ADDRESS.includes(address)) ?? addresses[0] ?? '0.0.0.0'
}

function findDifference(
  listener: Listener,
  address: string,
  opened: readonly Listener[],
): string | undefined {
  const isOnAll = EVERY_ADDRESS.includes(address) && EVERY_ADDRESS.includes(listener.address)
  if (listener.address !== address && !isOnAll) {
    return `it is on ${listener.address}, and all listeners share BIND_ADDRESS=${address}`
  }
  const same = opened.find(({ kind }) => kind === listener.kind)
  if (same !== undefined) return `there is one listener of ${KINDS[listener.kind]}, that of ${nameOf(same)}`
  const [first] = opened
  if (first !== undefined && !isSameAccess(first.access, listener.access)) {
    return `its users and rules differ from those of ${nameOf(first)}, which hold for all listeners`
  }
  const tls = isTls(listener) ? opened.find(isTls) : undefined
  if (tls !== undefined && verification(tls) !== verification(listener)) {
    return `it checks the certificates of clients in another way than ${nameOf(tls)}`
  }
  return undefined
}

function isSameAccess(one: Access, other: Access): boolean {
  return (
    one.isAnonymous === other.isAnonymous &&
    one.passwordFile?.value === other.passwordFile?.value &&
    one.aclFile?.value === other.aclFile?.value &&
    one.hasPlugin === other.hasPlugin
  )
}

/** All that decides whose certificate is good, as a text to compare. */
function verification(listener: Listener): string {
  if (!requiresCertificate(listener)) return 'none'
  const files = ['cafile', 'crlfile'].map((name) => lastOf(listener.lines, name)?.value)
  return JSON.stringify([takesIdentity(listener), ...files])
}

/** Whether a line is weighed with the others of its listener. */
export function isWeighed(line: ConfLine): boolean {
  return findRule(line.name)?.kind === 'part'
}

function nameOf({ line }: Listener): string {
  return line === undefined ? 'the default listener' : placeOf(line)
}
