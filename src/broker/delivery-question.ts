import type { Delivery, EmittedMessage, Listener } from './emitter.js'

/** Given to a listener that Aedes has made of a subscription, to learn whom it delivers to. */
class Question {
  delivery: Delivery | undefined
}

/** What it is given with. It reaches no client. */
const MESSAGE: EmittedMessage = {
  cmd: 'publish',
  topic: 'question',
  payload: '',
  ...{ qos: 0, retain: false, dup: false },
  ...{ brokerId: 'question', brokerCounter: 1 },
}

/**
 * What `listener`, which Aedes has made of a subscription, gives a message to once it has made a copy of it for
 * that subscription alone. One that is not retained may go there as it is. `undefined`: that is not known.
 */
export function deliveryOf(listener: Listener): Delivery | undefined {
  const question = new Question()
  const asked = { ...MESSAGE, properties: question }
  listener(asked, () => undefined)
  return question.delivery
}

/** Answers with `delivery` where the properties of a message, which Aedes hands on as they are, are a question. */
export function answer(properties: unknown, delivery: Delivery): boolean {
  if (!(properties instanceof Question)) return false
  properties.delivery = delivery
  return true
}
