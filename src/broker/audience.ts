/** Who listens to topics. */
export interface Audience {
  /** Whether a message on this topic reaches anyone; `true` also for some time after the last has gone. */
  has(topic: string): boolean
}

/** What this file relies on in `mqemitter`, beyond its types. */
interface MatchingEmitter {
  on: (filter: string, ...rest: unknown[]) => unknown
  readonly _matcher: { match(topic: string): readonly unknown[] }
}

/** Two topics for each of some ten thousand devices. */
const MAX_REMEMBERED = 20_000

/** Longer topics are looked up each time, so that all of them take some megabytes. */
const MAX_REMEMBERED_LENGTH = 128

/** Remembers what a look-up in the emitter has found, until someone subscribes: most topics have no listener. */
export function createAudience(emitter: object): Audience {
  if (!isMatching(emitter)) throw new Error('an emitter that matches otherwise')
  const known = new Map<string, boolean>()
  const on = emitter.on.bind(emitter)
  emitter.on = (...args) => {
    known.clear()
    return on(...args)
  }
  return {
    has(topic) {
      const before = known.get(topic)
      if (before !== undefined) return before
      const isHeard = emitter._matcher.match(topic).length > 0
      if (topic.length > MAX_REMEMBERED_LENGTH) return isHeard
      if (known.size >= MAX_REMEMBERED) known.clear()
      known.set(topic, isHeard)
      return isHeard
    },
  }
}

function isMatching(emitter: object): emitter is MatchingEmitter {
  const matcher: unknown = Reflect.get(emitter, '_matcher')
  const isMatcher = typeof matcher === 'object' && matcher !== null && 'match' in matcher
  return isMatcher && typeof Reflect.get(emitter, 'on') === 'function'
}
