import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createReceivedOnce } from '#src/broker/received-once.js'

/** A receiver beside the session's own record of what was received, as the broker keeps it. */
function receiver(isReceived?: () => Promise<boolean>) {
  const session = new Set<string>()
  const settles: (() => void)[] = []
  const events: string[] = []
  const once = createReceivedOnce(
    isReceived ?? (async (clientId, packetIdentifier) => session.has(`${packetIdentifier} ${clientId}`)),
  )
  return {
    events,
    /** Settles the oldest message that is being stored. */
    settle: () => settles.shift()?.(),
    receive: (clientId: string, packetIdentifier: number, name = 'message') =>
      once.receive(
        { clientId, session: clientId, packetIdentifier },
        (settled) => {
          events.push(`store ${name}`)
          settles.push(settled)
        },
        () => {
          events.push(`proceed ${name}`)
          // As a broker does, it looks first and records then, a promise each.
          const record = async () => session.add(`${packetIdentifier} ${clientId}`)
          void Promise.resolve().then(() => Promise.resolve().then(record))
        },
      ),
    release: (clientId: string, packetIdentifier: number) =>
      session.delete(`${packetIdentifier} ${clientId}`),
  }
}

describe('[MQTT-4.3.3-2] A QoS 2 message', () => {
  it('is stored, and proceeds when that has settled', async () => {
    const { receive, settle, events } = receiver()
    receive('a', 1)
    await nextTurn()
    expect(events).toEqual(['store message'])
    settle()
    expect(events).toEqual(['store message', 'proceed message'])
  })

  it('that comes again while it is being stored is stored once, and proceeds after it', async () => {
    const { receive, settle, events } = receiver()
    receive('a', 1, 'first')
    receive('a', 1, 'again')
    await nextTurn()
    receive('a', 1, 'and again')
    await nextTurn()
    expect(events).toEqual(['store first'])
    settle()
    await nextTurn()
    expect(events).toEqual(['store first', 'proceed first', 'proceed again', 'proceed and again'])
  })

  it('that comes again before its release is not stored, and proceeds', async () => {
    const { receive, settle, events } = receiver()
    receive('a', 1, 'first')
    await nextTurn()
    settle()
    await nextTurn()
    receive('a', 1, 'again')
    await nextTurn()
    expect(events).toEqual(['store first', 'proceed first', 'proceed again'])
  })

  it('that comes again in the turn in which the first has settled is not stored', async () => {
    const { receive, settle, events } = receiver()
    receive('a', 1, 'first')
    await nextTurn()
    settle()
    receive('a', 1, 'again')
    await nextTurn()
    await nextTurn()
    expect(events).toEqual(['store first', 'proceed first', 'proceed again'])
  })

  it('with the packet identifier of one that was released is another message', async () => {
    const { receive, release, settle, events } = receiver()
    receive('a', 1, 'first')
    await nextTurn()
    settle()
    await nextTurn()
    release('a', 1)
    receive('a', 1, 'second')
    await nextTurn()
    expect(events).toEqual(['store first', 'proceed first', 'store second'])
  })

  it.each([
    ['another client', 'b', 1],
    ['another packet identifier', 'a', 2],
    ['names that look alike when joined', '1 a', 1],
  ])('of %s is another message', async (_what, clientId, packetIdentifier) => {
    const { receive, events } = receiver()
    receive('a', 1, 'first')
    receive(clientId, packetIdentifier, 'second')
    await nextTurn()
    expect(events).toEqual(['store first', 'store second'])
  })

  it('is stored when the sessions cannot say whether it was received: twice rather than never', async () => {
    const { receive, events } = receiver(() => Promise.reject(new Error('away')))
    receive('a', 1)
    await nextTurn()
    expect(events).toEqual(['store message'])
  })
})
