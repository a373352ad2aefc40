/**
 * Whether `filter` is well formed: not empty, no NUL, at most 65,535 bytes, `#` alone in the last level and
 * `+` alone in its level [MQTT-4.7.1-1] to [MQTT-4.7.3-3].
 */
export function isTopicFilter(filter: string): boolean {
  if (filter === '' || filter.includes('\0') || Buffer.byteLength(filter) > 65_535) return false
  if (!filter.includes('+') && !filter.includes('#')) return true
  const levels = filter.split('/')
  return levels.every((level, index) => {
    if (level === '+' || (level === '#' && index === levels.length - 1)) return true
    return !level.includes('+') && !level.includes('#')
  })
}

/**
 * The filter that matches exactly the topics that both match, or `undefined`: there is none. A filter that
 * begins with a wildcard matches no topic that begins with `$` [MQTT-4.7.2-1]. Both must be well formed.
 */
export function intersectFilters(one: string, other: string): string | undefined {
  if (startsWithWildcard(one) && other.startsWith('$')) return undefined
  if (startsWithWildcard(other) && one.startsWith('$')) return undefined
  const a = one.split('/')
  const b = other.split('/')
  const common: string[] = []
  for (let index = 0; ; index += 1) {
    const left = a[index]
    const right = b[index]
    // `a/#` matches `a` as well [MQTT-4.7.1-2], so what is left of the other is the rest, even if that is nothing.
    if (left === '#') return [...common, ...b.slice(index)].join('/')
    if (right === '#') return [...common, ...a.slice(index)].join('/')
    if (left === undefined || right === undefined) return left === right ? common.join('/') : undefined
    if (left !== right && left !== '+' && right !== '+') return undefined
    common.push(left === '+' ? right : left)
  }
}

function startsWithWildcard(filter: string): boolean {
  return filter.startsWith('+') || filter.startsWith('#')
}
