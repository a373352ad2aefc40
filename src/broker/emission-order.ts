import { createTurns, type Turn } from './turns.js'

/** Lets published messages reach their subscribers in the order of their numbers. */
export interface EmissionOrder {
  /** The number of a message that is about to be published; each is higher than the one before. */
  next(): number
  /** Waits no longer for a message that cannot be emitted; of one that was it does nothing. */
  giveUp(number: number): void
}

/** A message by its number, and what is to be told when its subscribers have it. */
type Emit = (message: { readonly brokerCounter?: number }, done: unknown) => void

/**
 * Has `broker`, an Aedes, emit each message after all with a lower number. Aedes numbers a message when it is
 * published, and emits it once it is queued for the sessions that are away, which takes one of QoS 1 or 2 longer
 * than one of QoS 0. A subscriber takes what has a lower number than the last for a copy that another of its
 * filters brought already, and drops it: what was overtaken would be lost [MQTT-4.3.2-1].
 */
export function orderEmissions(broker: object): EmissionOrder {
  const emitter: unknown = Reflect.get(broker, 'mq')
  if (!isEmitter(emitter)) throw new Error('an Aedes without emitter')
  const turns = createTurns()
  const waiting = new Map<number, Turn>()
  let last = 0

  const end = (number: number, proceed: () => void): void => {
    const turn = waiting.get(number)
    waiting.delete(number)
    turn?.end(proceed)
  }
  const emit = emitter.emit.bind(emitter)
  emitter.emit = (message, done) => {
    const { brokerCounter = 0 } = message
    if (waiting.has(brokerCounter)) end(brokerCounter, () => emit(message, done))
    else emit(message, done)
  }

  return {
    next() {
      last += 1
      waiting.set(last, turns.take())
      return last
    },
    giveUp: (number) => end(number, () => undefined),
  }
}

function isEmitter(value: unknown): value is { emit: Emit } {
  return typeof value === 'object' && value !== null && 'emit' in value && typeof value.emit === 'function'
}
