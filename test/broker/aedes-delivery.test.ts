import { readFile } from 'node:fs/promises'
import { Duplex } from 'node:stream'
import { Aedes } from 'aedes'
import { describe, expect, it } from 'vitest'
import { deliverInstead } from '#src/broker/aedes-delivery.js'
import { deliveryOf } from '#src/broker/delivery-question.js'

const source = (path: string): Promise<string> =>
  readFile(new URL(`../../node_modules/aedes/lib/${path}`, import.meta.url), 'utf8')

/** What `src/broker/aedes-delivery.ts` replaces is replaced only while Aedes goes this way. */
describe('Aedes', () => {
  it('gives each client deliver0 and deliverQoS, which can be replaced', async () => {
    const broker = await Aedes.createBroker()
    const client = broker.handle(new Duplex({ read: () => undefined }))
    for (const name of ['deliver0', 'deliverQoS']) {
      expect(Reflect.getOwnPropertyDescriptor(client, name)).toMatchObject({
        value: expect.any(Function),
        writable: true,
      })
    }
    client.close()
    await new Promise<void>((resolve) => broker.close(() => resolve()))
  })

  it('makes of each subscription a listener that tells whom it delivers to', async () => {
    const broker = await Aedes.createBroker()
    const client = broker.handle(new Duplex({ read: () => undefined }))
    client.id = 'subscriber'
    const delivered: (readonly [string, boolean])[] = []
    deliverInstead(client, ({ topic }, isQos0) => void delivered.push([topic, isQos0]))
    const listeners: Parameters<typeof broker.subscribe>[1][] = []
    broker.subscribe = (_filter, listener) => void listeners.push(listener)
    const subscriptions = [
      { topic: 'a', qos: 0 as const },
      { topic: '+', qos: 1 as const },
    ]
    Reflect.apply(client.subscribe, client, [{ subscriptions }, () => undefined])
    expect(listeners).toHaveLength(2)
    const message = { cmd: 'publish', payload: '', qos: 0, retain: false, dup: false } as const
    for (const [index, listener] of listeners.entries()) {
      deliveryOf(listener)?.({ ...message, topic: `${index}`, brokerId: 'broker', brokerCounter: 1 })
    }
    expect(delivered).toEqual([
      ['0', true],
      ['1', false],
    ])
    expect(deliveryOf((_message, done) => done())).toBeUndefined()
    client.close()
    await new Promise<void>((resolve) => broker.close(() => resolve()))
  })

  it('numbers packets nowhere but there, and for what a session has queued', async () => {
    const uses = async (path: string) => (await source(path)).match(/new QoSPacket\(/g)?.length ?? 0
    expect(await uses('client.js')).toBe(1) // deliverQoS
    expect(await uses('handlers/connect.js')).toBe(1) // emptyQueue, for which the sessions' stream is empty
    for (const handler of ['publish', 'puback', 'pubrec', 'pubrel', 'subscribe', 'unsubscribe']) {
      expect(await uses(`handlers/${handler}.js`)).toBe(0)
    }
  })

  it('delivers by them what is published and what is retained', async () => {
    const subscribe = await source('handlers/subscribe.js')
    expect(subscribe).toContain('qos > 0 ? client.deliverQoS : client.deliver0')
    expect(subscribe).toContain('client.deliverQoS(packet, cb)')
  })

  it('tells the persistence of each PUBACK and PUBCOMP, whatever the session', async () => {
    expect(await source('handlers/puback.js')).toMatch(
      /handlePuback \(client, packet, done\) \{[^}]*\}\s*persistence\.outgoingClearMessageId\(client, packet\)/,
    )
    expect(await source('handlers/index.js')).toMatch(/'pubcomp':\s*case 'puback':\s*handlePuback\(/)
  })
})
