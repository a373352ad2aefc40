import assert from 'node:assert'
import abstractTests from 'aedes-persistence/abstract.js'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createTally } from '#src/metrics/tally.js'
import { DiskPersistence } from '#src/sessions/disk/disk-persistence.js'
import { openTestSessions } from '../support/sessions.js'

/** What the tests of aedes-persistence use of the context that `node:test` gives them. */
class TestContext {
  readonly assert: Record<string, unknown>
  #planned: number | undefined
  #asserted = 0

  constructor() {
    this.assert = new Proxy<Record<string, unknown>>(
      {},
      {
        get:
          (_target, name) =>
          (...args: unknown[]) => {
            this.#asserted += 1
            const check: unknown = Reflect.get(assert, name)
            if (typeof check !== 'function') throw new Error(`node:assert has no ${String(name)}`)
            return check(...args)
          },
      },
    )
  }

  plan(count: number): void {
    this.#planned = count
  }

  diagnostic(): void {
    // Says how far a test is; the failure says it as well.
  }

  /** `node:test` fails a test that made fewer assertions than it planned. */
  end(): void {
    if (this.#planned !== undefined) assert.equal(this.#asserted, this.#planned, 'planned assertions')
  }
}

/** It wants the message back, of which nothing but the identifier is kept; the test below has the rest of it. */
const KEEPS_MESSAGE = 'add incoming packet, get it, and clear with messageId'

abstractTests({
  test: (name: string, run: (context: TestContext) => Promise<void>) => {
    if (name === KEEPS_MESSAGE) return
    test(name, async () => {
      const context = new TestContext()
      await run(context)
      context.end()
    })
  },
  async persistence() {
    const sessions = await openTestSessions(createTally(), pino({ level: 'silent' }))
    return sessions.persistence
  },
  testAsync: true,
})

test('the identifier of a received message is kept until it is released', async () => {
  const { persistence } = await openTestSessions(createTally(), pino({ level: 'silent' }))
  if (!(persistence instanceof DiskPersistence)) throw new Error('other sessions')
  const [client, packet] = [{ id: 'abcde' }, { messageId: 42 }]
  await persistence.incomingStorePacket(client, packet)
  await expect(persistence.incomingGetPacket(client, packet)).resolves.toEqual(packet)
  await persistence.incomingDelPacket(client, packet)
  await expect(persistence.incomingGetPacket(client, packet)).rejects.toThrow('no such packet')
  await expect(persistence.incomingDelPacket(client, packet)).rejects.toThrow('no such packet')
})
