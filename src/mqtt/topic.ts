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
 * Whether some topic name could match both filters. A filter that begins with a wildcard matches no topic
 * that begins with `$` [MQTT-4.7.2-1]. Both must be well formed.
 */
export function filtersOverlap(one: string, other: string): boolean {
  if (startsWithWildcard(one) && other.startsWith('$')) return false
  if (startsWithWildcard(other) && one.startsWith('$')) return false
  const a = one.split('/')
  const b = other.split('/')
  for (let level = 0; ; level += 1) {
    const left = a[level]
    const right = b[level]
    if (left === '#' || right === '#') return true // `a/#` matches `a` as well [MQTT-4.7.1-2]
    if (left === undefined || right === undefined) {
      return left === right || (left ?? right) === '#'
    }
    if (left !== right && left !== '+' && right !== '+') return false
  }
}

function startsWithWildcard(filter: string): boolean {
  return filter.startsWith('+') || filter.startsWith('#')
}
