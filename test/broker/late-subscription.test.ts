import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createTally } from '#src/metrics/tally.js'
import { createCurrentSubscriptions } from '#src/sessions/disk/current-subscriptions.js'
import { DiskPersistence } from '#src/sessions/disk/disk-persistence.js'
import type { OutboxMessage } from '#src/sessions/disk/outbox.js'
import { openTestSessions } from '../support/sessions.js'

const message = (topic: string, retain: boolean): OutboxMessage => ({
  ...{ cmd: 'publish', topic, payload: Buffer.from(topic), qos: 1, retain },
})

/** Sessions, and the client of one that has no subscription yet. */
async function openWithClient() {
  const { persistence, own, backlog } = await openTestSessions(createTally(), pino({ level: 'silent' }))
  if (!(persistence instanceof DiskPersistence) || own === undefined) throw new Error('other sessions')
  const client = { id: 'late', clean: false }
  const subscribe = (...topics: string[]) =>
    persistence.addSubscriptions(
      client,
      topics.map((topic) => ({ topic, qos: 1 })),
    )
  let last = 0
  const next = () => {
    last += 1
    return last
  }
  const queued = async () => {
    const taken = await backlog(client, () => undefined).take(10, { take: next, claim: () => true })
    return taken.map((packet) => ('topic' in packet ? packet.topic : packet.cmd))
  }
  return { client, subscribe, queued, own }
}

test.each([true, false])(
  'a session that subscribes while a message is stored has it from its queue (retained: %s)',
  async (retain) => {
    const { client, subscribe, queued, own } = await openWithClient()
    own.attach(client, () => true)
    const wanted = own.outbox(message('a/b', retain))
    const other = own.outbox(message('c', retain))
    const stored = [wanted.store(), other.store()]
    await subscribe('a/+')
    await Promise.all(stored)
    for (const [brokerCounter, kept] of [wanted, other].entries())
      kept.deliver({ brokerId: 'here', brokerCounter })
    expect(await queued()).toEqual(['a/b'])
  },
)

test('so does one that is the first of all', async () => {
  const { client, subscribe, queued, own } = await openWithClient()
  const wanted = own.outbox(message('a', false))
  expect(wanted.store()).toBeUndefined()
  own.attach(client, () => true)
  await subscribe('a')
  wanted.deliver({ brokerId: 'here', brokerCounter: 1 })
  expect(await queued()).toEqual(['a'])
})

test('one that subscribes twice has it once', async () => {
  const { client, subscribe, queued, own } = await openWithClient()
  own.attach(client, () => true)
  await subscribe('a')
  const wanted = own.outbox(message('a', false))
  const stored = wanted.store()
  await subscribe('a', '#')
  await stored
  wanted.deliver({ brokerId: 'here', brokerCounter: 1 })
  expect(await queued()).toEqual(['a'])
})

test('of subscriptions the new ones are known, however many there are, and those that were ended are not', () => {
  const subscriptions = createCurrentSubscriptions()
  subscriptions.add('before', [{ topic: '#', qos: 1 }])
  const { made } = subscriptions
  expect(subscriptions.since(made, 'a')).toEqual([])
  subscriptions.add('new', [{ topic: 'a', qos: 2 }])
  subscriptions.add('gone', [{ topic: 'a', qos: 2 }])
  subscriptions.removeAll('gone')
  expect(subscriptions.since(made, 'a')).toEqual([{ clientId: 'new', topic: 'a', qos: 2 }])
  subscriptions.add(
    'many',
    Array.from({ length: 20_000 }, (_, index) => ({ topic: `b/${index}`, qos: 0 })),
  )
  expect(subscriptions.since(made, 'a')).toContainEqual({ clientId: 'new', topic: 'a', qos: 2 })
  expect(subscriptions.since(subscriptions.made, 'a')).toEqual([])
  subscriptions.remove('new', ['a'])
  expect(subscriptions.since(made, 'a')).not.toContainEqual(expect.objectContaining({ clientId: 'new' }))
  expect(['before', 'new', 'many'].map(subscriptions.count)).toEqual([1, 0, 20_000])
})
