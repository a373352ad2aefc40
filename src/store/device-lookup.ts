import type { Device } from './device.js'
import type { Store } from './store.js'

/** Asks the store for a device; rejects with a `StoreError`. */
export type DeviceLookup = (name: string) => Promise<Device | undefined>

/** Names in one statement. What follows an answer, 0.2 ms of a login, follows for all of them in one turn. */
const NAMES_AT_ONCE = 32

/**
 * What can be a device's name without further ado. Any other text is asked for alone: what makes a statement
 * fail or grow is in nobody else's then.
 */
const PLAIN_NAME = /^[\x20-\x7e]{1,50}$/

interface Question {
  readonly name: string
  readonly resolve: (device: Device | undefined) => void
  readonly reject: (error: unknown) => void
}

/**
 * Names that are asked for while the store is answering go together into the next statement: else, when a
 * fleet logs in at once, a reading's transaction waits in SQLite's line behind hundreds of look-ups
 * (`npm run bench -- logins`). A question is answered by a statement that begins after it.
 */
export function createDeviceLookup(store: Pick<Store, 'findDevice' | 'findDevices'>): DeviceLookup {
  const waiting: Question[] = []
  let isAsking = false

  const answer = async (questions: readonly Question[]): Promise<void> => {
    try {
      const [first] = questions
      if (first !== undefined && questions.length === 1) first.resolve(await store.findDevice(first.name))
      else {
        const found = await store.findDevices([...new Set(questions.map(({ name }) => name))])
        for (const { name, resolve } of questions) resolve(found.get(name))
      }
    } catch (error) {
      for (const { reject } of questions) reject(error)
    }
  }

  const answerAll = async (): Promise<void> => {
    isAsking = true
    while (waiting.length > 0) await answer(waiting.splice(0, NAMES_AT_ONCE))
    isAsking = false
  }

  return (name) => {
    if (!PLAIN_NAME.test(name)) return store.findDevice(name)
    return new Promise((resolve, reject) => {
      waiting.push({ name, resolve, reject })
      if (!isAsking) void answerAll()
    })
  }
}
