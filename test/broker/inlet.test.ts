import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { generate } from 'mqtt-packet'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createInlet } from '#src/broker/inlet.js'

const CONNECT = generate({ cmd: 'connect', protocolId: 'MQTT', clientId: 'c', clean: true, keepalive: 0 })

/** A publish to `a` of this many bytes, header included: fewer than 16,384. */
function packet(bytes: number): Buffer {
  const length = bytes - 3
  const topic = [0, 1, 0x61]
  const header = [0x30, (length % 128) | 128, length >> 7, ...topic]
  return Buffer.concat([Buffer.from(header), Buffer.alloc(bytes - header.length)])
}

/** Two ends of a TCP connection; what arrives at `ours` is read on 'readable', as Aedes does it. */
async function rawPair(maxPacketBytes: number) {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const theirs = connect(address.port, '127.0.0.1')
  const [ours]: Socket[] = await once(server, 'connection')
  if (ours === undefined) throw new Error('no connection')
  onTestFinished(() => {
    theirs.destroy()
    ours.destroy()
    server.close()
  })
  const faults: string[] = []
  const inlet = createInlet(ours, {
    maxPacketBytes,
    isBusy: () => false,
    count: () => undefined,
    onFault: ({ fault }) => faults.push(fault),
  })
  const watchers = new Set<() => void>()
  let readBytes = 0
  ours.on('readable', () => {
    const chunk: unknown = ours.read()
    if (chunk instanceof Uint8Array) readBytes += chunk.length
    for (const watch of [...watchers]) watch()
  })
  theirs.on('error', () => undefined)
  const untilRead = (bytes: number): Promise<void> =>
    new Promise((resolve) => {
      const watch = (): void => {
        if (readBytes < bytes) return
        watchers.delete(watch)
        resolve()
      }
      watchers.add(watch)
      watch()
    })
  return { ours, theirs, inlet, faults, untilRead, readBytes: () => readBytes }
}

/** The same after a CONNECT that was answered, whose bytes are not counted. */
async function socketPair(maxPacketBytes: number) {
  const pair = await rawPair(maxPacketBytes)
  pair.theirs.write(CONNECT)
  await pair.untilRead(CONNECT.length)
  pair.inlet.goOn()
  return {
    ...pair,
    untilRead: (bytes: number) => pair.untilRead(CONNECT.length + bytes),
    readBytes: () => pair.readBytes() - CONNECT.length,
  }
}

describe('An inlet', () => {
  it('lets packets of up to the maximum through', async () => {
    const { theirs, untilRead, faults, readBytes } = await socketPair(1000)
    theirs.write(Buffer.concat(Array.from({ length: 50 }, () => packet(1000))))
    await untilRead(50_000)
    expect(readBytes()).toBe(50_000)
    expect(faults).toEqual([])
  })

  it('ends the connection at the header of a larger one, and gives nothing of it', async () => {
    const { ours, theirs, faults, untilRead, readBytes } = await socketPair(1000)
    theirs.write(packet(1000))
    await untilRead(1000)
    const closed = once(theirs, 'close')
    theirs.write(packet(1001).subarray(0, 3))
    await closed
    expect(faults).toEqual(['packet too large'])
    expect(ours.destroyed).toBe(true)
    expect(readBytes()).toBe(1000)
  })

  it('ends the connection at a malformed remaining length', async () => {
    const { theirs, faults } = await socketPair(1000)
    const closed = once(theirs, 'close')
    theirs.write(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]))
    await closed
    expect(faults).toEqual(['malformed remaining length'])
  })

  it('gives what came before a wrong packet, and ends the connection at the next read', async () => {
    const { ours, theirs, faults, untilRead, readBytes } = await socketPair(1000)
    const closed = once(theirs, 'close')
    theirs.write(Buffer.concat([packet(100), Buffer.from([0x40, 2, 0, 0]), packet(100)]))
    await untilRead(100)
    expect(faults).toEqual([])
    ours.emit('readable')
    await closed
    expect(faults).toEqual(['packet identifier 0'])
    expect(readBytes()).toBe(100)
  })

  it('answers a protocol level that is not spoken before it ends the connection [MQTT-3.1.2-2]', async () => {
    const { theirs, faults, readBytes } = await rawPair(1000)
    const answer: Buffer[] = []
    theirs.on('data', (chunk) => answer.push(chunk))
    const closed = once(theirs, 'close')
    const connect = Buffer.from(CONNECT)
    connect[8] = 5
    theirs.write(connect)
    await closed
    expect(Buffer.concat(answer)).toEqual(Buffer.of(0x20, 2, 0, 1))
    expect(faults).toEqual(['an unacceptable protocol level'])
    expect(readBytes()).toBe(0)
  })

  it('keeps what follows the CONNECT until that has been answered', async () => {
    const { theirs, inlet, untilRead, readBytes } = await rawPair(1000)
    theirs.write(Buffer.concat([CONNECT, packet(100)]))
    await untilRead(CONNECT.length)
    expect(readBytes()).toBe(CONNECT.length)
    inlet.goOn()
    await untilRead(CONNECT.length + 100)
    inlet.goOn() // means nothing any more
    theirs.write(packet(100))
    await untilRead(CONNECT.length + 200)
  })

  it('that is held gives nothing, fills the window of the peer, and goes on where it was', async () => {
    const { theirs, inlet, untilRead, readBytes } = await socketPair(16_000)
    inlet.hold(true)
    // Far more than two kernels keep for one connection on the loopback.
    const bytes = 64 * 1024 * 1024
    const chunk = Buffer.concat(Array.from({ length: 64 }, () => packet(16_000)))
    const count = Math.ceil(bytes / chunk.length)
    const taken = new Promise<void>((resolve) => {
      for (let index = 0; index < count; index += 1)
        theirs.write(chunk, index === 0 ? () => resolve() : undefined)
    })
    await Promise.race([taken, once(theirs, 'drain')])
    expect(readBytes()).toBe(0)
    expect(theirs.writableLength).toBeGreaterThan(bytes / 2)
    inlet.hold(false)
    await untilRead(count * chunk.length)
    expect(readBytes()).toBe(count * chunk.length)
    expect(theirs.writableLength).toBe(0)
  })

  it('that is held twice goes on after the second release', async () => {
    const { ours, theirs, inlet, untilRead, readBytes } = await socketPair(1000)
    inlet.hold(true)
    inlet.hold(true)
    const arrived = once(ours, 'readable')
    theirs.write(packet(1000))
    await arrived
    inlet.hold(false)
    expect(readBytes()).toBe(0)
    inlet.hold(false)
    await untilRead(1000)
    theirs.write(packet(1000))
    await untilRead(2000)
  })

  it('announces nothing more when it is released after the end of its connection', async () => {
    const { ours, theirs, inlet } = await socketPair(1000)
    inlet.hold(true)
    const arrived = once(ours, 'readable')
    theirs.write(packet(1000))
    await arrived
    const closed = once(ours, 'close')
    ours.destroy()
    await closed
    let announcements = 0
    ours.on('readable', () => {
      announcements += 1
    })
    inlet.hold(false)
    expect(announcements).toBe(0)
  })

  it('[MQTT-3.1.2-24] ends the connection of a silent peer, and not one that it does not listen to', async () => {
    const held = await socketPair(1000)
    held.inlet.hold(true)
    held.inlet.setSilenceLimit(20)
    const never = await socketPair(1000)
    never.inlet.setSilenceLimit(0)
    const silent = await socketPair(1000)
    const closed = once(silent.theirs, 'close')
    silent.inlet.setSilenceLimit(60) // three times as long as the one that is held
    await closed
    expect(silent.faults).toEqual(['keep alive timeout'])
    expect(never.faults).toEqual([])
    expect(held.faults).toEqual([])
    expect(held.ours.destroyed).toBe(false)
    const heldClosed = once(held.theirs, 'close')
    held.inlet.hold(false)
    await heldClosed
    expect(held.faults).toEqual(['keep alive timeout'])
  })

  it('[MQTT-3.1.2-24] counts whole packets, not bytes', async () => {
    const { ours, theirs, inlet, faults } = await socketPair(100_000)
    inlet.setSilenceLimit(200)
    const closed = once(ours, 'close')
    const bytes = packet(10_000)
    let sent = 0
    const drip = setInterval(() => theirs.write(bytes.subarray(sent, ++sent)), 5)
    await closed
    clearInterval(drip)
    expect(faults).toEqual(['keep alive timeout'])
  })

  it('reads ahead once for each time that it is told to, and not at once', async () => {
    const { ours, inlet } = await socketPair(1000)
    let announcements = 0
    ours.on('readable', () => {
      announcements += 1
    })
    inlet.readAhead()
    inlet.readAhead()
    expect(announcements).toBe(0)
    await Promise.resolve()
    expect(announcements).toBe(2)
  })

  it('gives what comes at once where nothing is before it, and by the stream what has to wait', async () => {
    const { ours, theirs, inlet, untilRead, readBytes } = await socketPair(1000)
    const taken: number[] = []
    const taker = { open: 0, read: (packets: Buffer) => void taken.push(packets.length) }
    inlet.giveAtOnce(taker)
    const untilTaken = (count: number) => vi.waitUntil(() => taken.length === count)
    theirs.write(packet(100))
    await untilTaken(1)
    expect(readBytes()).toBe(0)

    inlet.hold(true)
    theirs.write(Buffer.concat([packet(200), packet(300)]))
    await vi.waitUntil(() => ours.readableLength === 500)
    inlet.hold(false)
    await untilRead(500)
    expect(taken).toEqual([100])

    taker.open = 1 // it is not done with what it has
    theirs.write(packet(400))
    await untilRead(900)
    taker.open = 0
    theirs.write(packet(500))
    await untilTaken(2)
    expect(taken).toEqual([100, 500])
    expect(readBytes()).toBe(900)

    taker.open = 1
    ours.removeAllListeners('readable') // nobody has come to read it
    theirs.write(packet(600))
    await vi.waitUntil(() => ours.readableLength === 600)
    taker.open = 0
    theirs.write(packet(700))
    await vi.waitUntil(() => ours.readableLength === 1300)
    expect(taken).toEqual([100, 500])
  })

  it('gives at once what is right before a wrong packet, and nothing behind it', async () => {
    const { theirs, inlet, faults } = await socketPair(1000)
    const taken: number[] = []
    inlet.giveAtOnce({
      open: 0,
      read(packets) {
        taken.push(packets.length)
        inlet.settled()
      },
    })
    const closed = once(theirs, 'close')
    theirs.write(Buffer.concat([packet(100), Buffer.of(0x40, 2, 0, 0), packet(100)]))
    await closed
    expect(taken).toEqual([100])
    expect(faults).toEqual(['packet identifier 0'])
  })
})
