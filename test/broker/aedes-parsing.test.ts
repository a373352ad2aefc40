import { readFile } from 'node:fs/promises'
import { Duplex } from 'node:stream'
import { Aedes } from 'aedes'
import { describe, expect, it } from 'vitest'

/** What `src/broker/aedes-parsing.ts` replaces is replaced only while Aedes goes this way. */
describe('Aedes', () => {
  it('gives each client a parser with one listener, and what is called when a packet is done with', async () => {
    const broker = await Aedes.createBroker()
    const client = broker.handle(new Duplex({ read: () => undefined }))
    const parser: unknown = Reflect.get(client, '_parser')
    expect(parser).toMatchObject({ parse: expect.any(Function), listeners: expect.any(Function) })
    if (typeof parser !== 'object' || parser === null) return
    expect(Reflect.apply(Reflect.get(parser, 'listeners'), parser, ['packet'])).toEqual([
      expect.any(Function),
    ])
    expect(Reflect.getOwnPropertyDescriptor(client, '_nextBatch')).toMatchObject({
      value: expect.any(Function),
      writable: true,
    })
    client.close()
    await new Promise<void>((resolve) => broker.close(() => resolve()))
  })

  it('has the parser parse what it reads, handles what it is given, and looks for no more in it', async () => {
    const source = await readFile(new URL('../../node_modules/aedes/lib/client.js', import.meta.url), 'utf8')
    const uses = [...source.matchAll(/_parser\.(\w+)/g)].map(([, name]) => name)
    expect(uses.sort()).toEqual(
      ['_queue', '_queue', '_queue', '_queue', 'client', 'on', 'on', 'parse', 'removeAllListeners'].sort(),
    )
    expect(source).toContain("this._parser.on('packet', enqueue)")
    expect(source).toMatch(
      /function enqueue \(packet\) \{\s*const client = this\.client\s*client\._parsingBatch\+\+[^}]*handle\(client, packet, client\._nextBatch\)/,
    )
  })
})
