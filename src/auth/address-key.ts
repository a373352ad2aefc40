import { isIPv6 } from 'node:net'

/**
 * Whom an address stands for when logins are counted. An IPv4 address stands for itself, also where it is
 * written as IPv6 (`::ffff:192.0.2.1`, RFC 4291, 2.5.5.2). An IPv6 address stands for its /64, as in
 * `2001:db8::/64`: that is the least that a link gets (RFC 4291, 2.5.1), and any host of the link can take
 * every address in it. A zone (`fe80::1%eth0`) does not count. What is no address stands for itself.
 */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address
  const [withoutZone = ''] = address.split('%', 1)
  if (!isIPv6(withoutZone)) return address
  const groups = groupsOf(withoutZone)
  const [high = '', low = ''] = groups.slice(6)
  if (groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff') return `${dotted(high)}.${dotted(low)}`
  return `${shortest(`${groups.slice(0, 4).join(':')}::`)}/64`
}

/** The eight groups of an IPv6 address, in lower-case hexadecimal without leading zeros. */
function groupsOf(address: string): string[] {
  const [before = [], after = []] = shortest(address)
    .split('::')
    .map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...zeros, ...after]
}

/** The one form in which a URL has an IPv6 address, without dots. (WHATWG URL, 3.5, IPv6 serializer) */
function shortest(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1)
}

function dotted(group: string): string {
  const value = Number.parseInt(group, 16)
  return `${value >> 8}.${value & 0xff}`
}
