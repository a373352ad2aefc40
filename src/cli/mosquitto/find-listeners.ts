import { isIP } from 'node:net'
import { isListenerOption } from './find-rule.js'
import { pluginNames } from './general-options.js'
import type { ConfLine } from './read-conf.js'
import { isTrue, wholeNumber, wordOf } from './rule.js'

/** The setting that opens a listener, one for each kind. */
export type PortName = 'MQTT_PORT' | 'MQTTS_PORT' | 'WS_PORT' | 'WSS_PORT'

/** Who may enter, and what they may do. */
export interface Access {
  readonly isAnonymous: boolean
  /** The line that says so. */
  readonly anonymousLine: ConfLine | undefined
  readonly passwordFile: ConfLine | undefined
  readonly aclFile: ConfLine | undefined
  /** Whether a plugin decides as well. */
  readonly hasPlugin: boolean
}

/** A listener of Mosquitto's. */
export interface Listener {
  /** The line that names it; none for a default listener of which the file says nothing. */
  readonly line: ConfLine | undefined
  /** All that the file says of it alone. */
  readonly lines: readonly ConfLine[]
  readonly kind: PortName
  readonly port: number
  /** The IP address that it binds. */
  readonly address: string
  readonly access: Access
  /** Why Damselfly cannot open it. */
  readonly obstacle: string | undefined
}

/** The options that say who may enter; with `per_listener_settings` each belongs to its listener. */
export const ACCESS_NAMES: ReadonlySet<string> = new Set(['acl_file', 'allow_anonymous', 'password_file'])

/** As mosquitto.conf(5) has it: `port`. */
const DEFAULT_PORT = 1883

const LOOPBACK = '127.0.0.1'

const EVERY_ADDRESS = '0.0.0.0'

/** The last line of that name, which is the one that Mosquitto goes by. */
export function lastOf(lines: readonly ConfLine[], ...names: readonly string[]): ConfLine | undefined {
  return lines.findLast(({ name }) => names.includes(name))
}

/** Whether `per_listener_settings` is on: then who may enter is said of each listener. */
export function hasAccessPerListener(lines: readonly ConfLine[]): boolean {
  return lines.some(({ name, value }) => name === 'per_listener_settings' && isTrue(value))
}

/** The listeners of a mosquitto.conf in their order, the default one first; there is always one. */
export function findListeners(conf: readonly ConfLine[]): readonly Listener[] {
  const named = conf.filter(({ name }) => name === 'listener')
  const isPerListener = hasAccessPerListener(conf)
  const belongs = ({ name }: ConfLine): boolean =>
    isListenerOption(name) || (isPerListener && (ACCESS_NAMES.has(name) || pluginNames.has(name)))
  const defaults = conf.filter((line) => line.section === undefined && !named.includes(line) && belongs(line))
  const makesDefault = defaults.some(({ name }) => isListenerOption(name) || name === 'password_file')
  const accessTo = (lines: readonly ConfLine[]): Access =>
    readAccess(isPerListener ? lines : conf, lines, named.length === 0 && !makesDefault)

  const listeners = named.map((line) => {
    const lines = [line, ...conf.filter((other) => other.section === line && belongs(other))]
    return describe(line, lines, accessTo(lines))
  })
  if (makesDefault) return [describe(lastOf(defaults, 'port'), defaults, accessTo(defaults)), ...listeners]
  if (named.length > 0) return listeners
  // Mosquitto starts "in local only mode" then.
  return [{ ...describe(undefined, defaults, accessTo(defaults)), address: LOOPBACK }]
}

function readAccess(scope: readonly ConfLine[], own: readonly ConfLine[], isLocalOnly: boolean): Access {
  const anonymous = lastOf(own, 'listener_allow_anonymous') ?? lastOf(scope, 'allow_anonymous')
  return {
    anonymousLine: anonymous,
    isAnonymous: anonymous === undefined ? isLocalOnly : isTrue(anonymous.value),
    passwordFile: lastOf(scope, 'password_file'),
    aclFile: lastOf(scope, 'acl_file'),
    hasPlugin: scope.some(({ name }) => pluginNames.has(name)),
  }
}

function describe(title: ConfLine | undefined, lines: readonly ConfLine[], access: Access): Listener {
  const setTo = (name: string): string | undefined => lastOf(lines, name)?.value
  const isTls = setTo('certfile') !== undefined && setTo('keyfile') !== undefined
  const isWebSocket = wordOf(setTo('protocol') ?? '') === 'websockets'
  const bound = title?.name === 'listener' ? title.value.split(/\s+/)[1] : setTo('bind_address')
  const host = bound?.startsWith('#') ? undefined : bound
  const port = title === undefined ? DEFAULT_PORT : wholeNumber(title.value)
  return {
    line: title ?? lastOf(lines, 'bind_address') ?? lines[0],
    lines,
    kind: isWebSocket ? (isTls ? 'WSS_PORT' : 'WS_PORT') : isTls ? 'MQTTS_PORT' : 'MQTT_PORT',
    port: port ?? 0,
    address: addressOf(host),
    access,
    obstacle: findObstacle(lines, port, host),
  }
}

function addressOf(host: string | undefined): string {
  return host === 'localhost' ? LOOPBACK : (host ?? EVERY_ADDRESS)
}

function findObstacle(
  lines: readonly ConfLine[],
  port: number | undefined,
  host: string | undefined,
): string | undefined {
  const setTo = (name: string): string | undefined => lastOf(lines, name)?.value
  const protocol = wordOf(setTo('protocol') ?? 'mqtt')
  if (port === 0) return 'Damselfly listens on TCP, not on a Unix socket'
  if (port === undefined || port < 1 || port > 65_535) return 'that is no port'
  if (protocol !== 'mqtt' && protocol !== 'websockets') return `there is no protocol ${protocol}`
  if (setTo('psk_hint') !== undefined) return 'TLS with pre-shared keys is not possible'
  if ((setTo('certfile') === undefined) !== (setTo('keyfile') === undefined)) {
    return 'it has only one of certfile and keyfile'
  }
  if (wordOf(setTo('tls_keyform') ?? 'pem') !== 'pem') return 'its key is in an OpenSSL engine, not in a file'
  if (setTo('mount_point') !== undefined) {
    return 'without its mount_point its clients would reach the topics of all others'
  }
  if (setTo('bind_interface') !== undefined) return 'it would be open on every interface'
  if (host !== undefined && host !== 'localhost' && isIP(host) === 0) {
    return `BIND_ADDRESS takes an IP address, and ${host} is a name`
  }
  return undefined
}
