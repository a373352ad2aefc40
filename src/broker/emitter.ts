/** A message on its way to those who listen. */
export interface EmittedMessage {
  readonly cmd: 'publish'
  readonly topic: string
  readonly payload: Buffer | string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly dup: boolean
  readonly brokerId: string
  readonly brokerCounter: number
}

/** Called with each message; it calls `done` when it is done with one. */
export type Listener = (message: EmittedMessage, done: () => void) => void

/** Delivers a message that retains nothing, and is done with it when it returns. */
export type Delivery = (message: EmittedMessage) => void

/** What Aedes takes as `mq`, with the meaning that mqemitter gives it where its concurrency is 0. */
export interface Emitter {
  /** `delivery`: where it is known to whom `listener` gives a message, called instead. */
  on(filter: string, listener: Listener, done?: (() => void) | undefined, delivery?: Delivery): void
  /** The listener is called until the next turn of the event loop, in which `done` is. */
  removeListener(filter: string, listener: Listener, done?: () => void): void
  /**
   * Calls those who listen, in this turn, and `delivered` when each is done, or with an error after `close`. What a
   * listener throws, it throws; those behind that one are not called.
   */
  emit(message: EmittedMessage, delivered: (error?: Error) => void): void
  /** Whether a message on this topic reaches anyone. */
  hasListeners(topic: string): boolean
  close(closed: () => void): void
}

interface Entry {
  readonly listener: Listener
  readonly delivery: Delivery | undefined
}

/** One level of the filters, as a tree. */
interface Node {
  /** Those of the filter that ends here. */
  readonly entries: Entry[]
  readonly next: Map<string, Node>
}

/** Two topics for each of some ten thousand devices. */
const MAX_REMEMBERED = 20_000

/** Listeners of all of these together: 8 bytes each. */
const MAX_REMEMBERED_ENTRIES = 500_000

/** Longer topics are looked up each time, so that all of them take some megabytes. */
const MAX_REMEMBERED_LENGTH = 128

/** Remembers who listens to a topic, until someone begins or ends to: most topics are used again and again. */
export function createEmitter(): Emitter {
  const root = newNode()
  const known = new Map<string, readonly Entry[]>()
  let knownEntries = 0
  let isClosed = false

  const forget = (): void => {
    known.clear()
    knownEntries = 0
  }
  const find = (topic: string): readonly Entry[] => {
    const before = known.get(topic)
    if (before !== undefined) return before
    const entries: Entry[] = []
    collect(root, topic.split('/'), 0, entries)
    if (topic.length > MAX_REMEMBERED_LENGTH || entries.length > MAX_REMEMBERED_ENTRIES) return entries
    if (known.size >= MAX_REMEMBERED || knownEntries + entries.length > MAX_REMEMBERED_ENTRIES) forget()
    known.set(topic, entries)
    knownEntries += entries.length
    return entries
  }

  return {
    on(filter, listener, done, delivery) {
      forget()
      let node = root
      for (const level of filter.split('/')) {
        const next = node.next.get(level) ?? newNode()
        node.next.set(level, next)
        node = next
      }
      node.entries.push({ listener, delivery })
      if (done !== undefined) setImmediate(done)
    },
    removeListener(filter, listener, done) {
      setImmediate(() => {
        forget()
        remove(root, filter.split('/'), 0, listener)
        done?.()
      })
    },
    emit(message, delivered) {
      if (isClosed) {
        delivered(new Error('the emitter is closed'))
        return
      }
      let awaited = 1
      const done = (): void => {
        awaited -= 1
        if (awaited === 0) delivered()
      }
      // [MQTT-3.3.1-9]; Aedes's own listeners see to it themselves.
      const live = message.retain ? { ...message, retain: false } : message
      for (const { listener, delivery } of find(message.topic)) {
        if (delivery !== undefined) {
          delivery(live)
          continue
        }
        awaited += 1
        listener(message, done)
      }
      done()
    },
    hasListeners: (topic) => find(topic).length > 0,
    close(closed) {
      isClosed = true
      setImmediate(closed)
    },
  }
}

function newNode(): Node {
  return { entries: [], next: new Map() }
}

/** Those of every filter below `node` that matches the levels from `index` on (MQTT 3.1.1, section 4.7). */
function collect(node: Node, levels: readonly string[], index: number, found: Entry[]): void {
  const level = levels[index]
  const isReserved = index === 0 && level?.startsWith('$') === true // [MQTT-4.7.2-1]
  if (!isReserved) add(found, node.next.get('#')?.entries) // also what ends here [MQTT-4.7.1-2]
  if (level === undefined) {
    add(found, node.entries)
    return
  }
  const exact = node.next.get(level)
  if (exact !== undefined) collect(exact, levels, index + 1, found)
  const wild = isReserved ? undefined : node.next.get('+')
  if (wild !== undefined) collect(wild, levels, index + 1, found)
}

function add(found: Entry[], entries: readonly Entry[] | undefined): void {
  for (const entry of entries ?? []) found.push(entry)
}

/** Takes the newest entry of this listener out, and the levels that nobody needs any more. */
function remove(node: Node, levels: readonly string[], index: number, listener: Listener): void {
  const level = levels[index]
  if (level === undefined) {
    const at = node.entries.findLastIndex((entry) => entry.listener === listener)
    if (at !== -1) node.entries.splice(at, 1)
    return
  }
  const next = node.next.get(level)
  if (next === undefined) return
  remove(next, levels, index + 1, listener)
  if (next.entries.length === 0 && next.next.size === 0) node.next.delete(level)
}
