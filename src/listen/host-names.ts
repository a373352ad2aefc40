import { isIPv6, SocketAddress } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'

/** The names under which clients on this machine and its networks find it: host names, then IP addresses. */
export function hostNames(): string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    // A link-local IPv6 address means nothing without its zone, which a certificate cannot hold.
    .filter((entry) => !entry.internal && !/^fe[89ab]/i.test(entry.address))
    .map((entry) => entry.address)
  const names = ['localhost', hostname().toLowerCase()].filter(isDnsName)
  return distinctNames([...names, '127.0.0.1', '::1', ...addresses])
}

/** Whether a certificate can hold `name` as a DNS name: ASCII labels (RFC 5280, 4.2.1.6), or `*.` and such. */
export function isDnsName(name: string): boolean {
  return (
    name.length <= 253 &&
    /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i.test(name)
  )
}

/** Each name once, IPv6 addresses in their shortest form, in the order of their first mention. */
export function distinctNames(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => (isIPv6(name) ? shortest(name) : name.toLowerCase())))]
}

function shortest(address: string): string {
  return new SocketAddress({ address, family: 'ipv6' }).address
}
