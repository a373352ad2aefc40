/** The text of `bytes` from `start` up to `end`, a topic that was checked. */
export type TopicReader = (bytes: Buffer, start: number, end: number) => string

/** A client publishes on a few topics; each has a place by its length and its last character. */
const PLACES = 8

/** Longer topics are decoded each time, so that what one client makes us keep stays below 2 KiB. */
const MAX_REMEMBERED = 128

/**
 * Knows the topics of one client again. The same text is then the same string, whose hash is known to whoever looks
 * it up, and which was not decoded.
 */
export function createTopicReader(): TopicReader {
  const known: (string | undefined)[] = []
  return (bytes, start, end) => {
    const size = end - start
    if (size > MAX_REMEMBERED) return bytes.toString('utf8', start, end)
    const place = (size + (bytes[end - 1] ?? 0)) % PLACES
    const before = known[place]
    if (before !== undefined && isSame(before, bytes, start, size)) return before
    const topic = bytes.toString('utf8', start, end)
    // Only of ASCII a character is a byte.
    if (topic.length === size) known[place] = topic
    return topic
  }
}

function isSame(text: string, bytes: Buffer, start: number, size: number): boolean {
  if (text.length !== size) return false
  for (let at = 0; at < size; at += 1) {
    if (text.charCodeAt(at) !== bytes[start + at]) return false
  }
  return true
}
