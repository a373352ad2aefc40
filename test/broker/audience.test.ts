import { Aedes } from 'aedes'
import { expect, it, onTestFinished } from 'vitest'
import { createAudience } from '#src/broker/audience.js'

/** The emitter of an Aedes, and the audience that it has. */
async function start() {
  const aedes = await Aedes.createBroker()
  onTestFinished(() => new Promise<void>((resolve) => aedes.close(() => resolve())))
  const emitter: unknown = Reflect.get(aedes, 'mq')
  if (typeof emitter !== 'object' || emitter === null) throw new Error('an Aedes without emitter')
  const audience = createAudience(emitter)
  const listen = (filter: string): Promise<void> =>
    new Promise((resolve) =>
      aedes.subscribe(
        filter,
        (_packet, done) => done(),
        () => resolve(),
      ),
    )
  return { audience, listen }
}

it('A topic has an audience as soon as someone listens, and none where nobody does', async () => {
  const { audience, listen } = await start()
  expect(audience.has('a/b')).toBe(false)
  expect(audience.has('a/b')).toBe(false)
  await listen('a/+')
  expect(audience.has('a/b')).toBe(true)
  expect(audience.has('b')).toBe(false)
  await listen('#')
  expect(audience.has('b')).toBe(true)
})

it('A topic that is too long to be remembered has an audience all the same', async () => {
  const { audience, listen } = await start()
  const topic = 'x'.repeat(200)
  expect(audience.has(topic)).toBe(false)
  await listen(topic)
  expect(audience.has(topic)).toBe(true)
})
