import fc from 'fast-check'
import { generate, type Packet, parser } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { createPacketIntake } from '#src/mqtt/packet-intake.js'

const MAX_PACKET_BYTES = 2000

/** What an intake makes of these chunks: the bytes that it let through, and the fault in words. */
function take(chunks: readonly Buffer[]): { given: string; fault: string | undefined; isEnd: boolean } {
  const intake = createPacketIntake({ maxPacketBytes: MAX_PACKET_BYTES, maxConnectBytes: MAX_PACKET_BYTES })
  const given: Buffer[] = []
  const waiting = [...chunks]
  for (let chunk = waiting.shift(); chunk !== undefined; chunk = waiting.shift()) {
    const { packets, rest, fault, isEnd } = intake.take(Buffer.from(chunk)) // a guard may write into it
    given.push(packets)
    if (rest !== undefined) waiting.unshift(rest)
    if (fault === undefined && !isEnd) continue
    return { given: Buffer.concat(given).toString('hex'), fault: fault?.fault, isEnd }
  }
  return { given: Buffer.concat(given).toString('hex'), fault: undefined, isEnd: false }
}

function splitAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

const character = fc
  .integer({ min: 0x20, max: 0x10fffd })
  .filter((code) => !(code >= 0x7f && code < 0xa0) && !(code >= 0xd800 && code < 0xe000))
  .filter((code) => (code & 0xfffe) !== 0xfffe && !(code >= 0xfdd0 && code <= 0xfdef))
  .map((code) => String.fromCodePoint(code))
const text = fc.array(character, { minLength: 1, maxLength: 12 }).map((characters) => characters.join(''))
const topic = text.filter((name) => !/[+#]/.test(name))
const level = fc.oneof(
  topic.map((name) => name.replaceAll('/', '')),
  fc.constant('+'),
  fc.constant(''),
)
const filter = fc
  .tuple(fc.array(level, { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))
  .filter((name) => name !== '')
const messageId = fc.integer({ min: 1, max: 65_535 })
const payload = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const qos = fc.constantFrom<0 | 1 | 2>(0, 1, 2)

const connect = fc
  .record({
    level: fc.constantFrom(3, 4),
    clientId: text,
    clean: fc.boolean(),
    keepalive: fc.integer({ min: 0, max: 65_535 }),
    will: fc.option(fc.record({ topic, payload, qos, retain: fc.boolean() })),
    login: fc.option(fc.record({ username: text, password: fc.option(payload) })),
  })
  .map(({ level: version, clientId, clean, keepalive, will, login }) => {
    const protocol = version === 3 ? { protocolId: 'MQIsdp', protocolVersion: 3 } : { protocolId: 'MQTT' }
    const password = login?.password == null ? {} : { password: login.password }
    return generate({
      ...{ cmd: 'connect', clientId, clean, keepalive },
      ...(protocol as object),
      ...(will === null ? {} : { will }),
      ...(login === null ? {} : { username: login.username, ...password }),
    })
  })

const publish = fc
  .record({ topic, payload, qos, retain: fc.boolean(), dup: fc.boolean(), messageId })
  .map((one) => ({
    ...one,
    cmd: 'publish' as const,
    dup: one.dup && one.qos > 0,
  }))
const acknowledgement = fc.record({
  cmd: fc.constantFrom('puback' as const, 'pubrec' as const, 'pubrel' as const, 'pubcomp' as const),
  messageId,
})
const subscribe = fc.record({
  cmd: fc.constant('subscribe' as const),
  messageId,
  subscriptions: fc.array(fc.record({ topic: filter, qos }), { minLength: 1, maxLength: 4 }),
})
const unsubscribe = fc.record({
  cmd: fc.constant('unsubscribe' as const),
  messageId,
  unsubscriptions: fc.array(filter, { minLength: 1, maxLength: 4 }),
})
const packet: fc.Arbitrary<Buffer> = fc
  .oneof<fc.Arbitrary<Packet>[]>(
    publish,
    acknowledgement,
    subscribe,
    unsubscribe,
    fc.constant({ cmd: 'pingreq' as const }),
  )
  .map((one) => generate(one))

/** A right conversation. */
const conversation = fc
  .tuple(connect, fc.array(packet, { maxLength: 8 }), fc.boolean())
  .map(([first, others, ends]) =>
    Buffer.concat([first, ...others, ...(ends ? [generate({ cmd: 'disconnect' })] : [])]),
  )

/** One in which some bytes were replaced. */
const damaged = fc
  .tuple(conversation, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }))
  .map(([bytes, changes]) => {
    const changed = Buffer.from(bytes)
    for (const [place, byte] of changes) changed[place % changed.length] = byte
    return changed
  })
const noise = fc.tuple(connect, fc.uint8Array({ maxLength: 200 })).map((parts) => Buffer.concat(parts))
const anything = fc.oneof(
  conversation,
  damaged,
  noise,
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
)
const places = fc.array(fc.nat(), { maxLength: 20 })

describe('The guard', () => {
  it('lets through whole what a strict encoder makes', () => {
    fc.assert(
      fc.property(conversation, (bytes) => {
        expect(take([bytes])).toMatchObject({ given: bytes.toString('hex'), fault: undefined })
      }),
      { numRuns: 500 },
    )
  })

  it('comes to the same verdict however the bytes are split', () => {
    fc.assert(
      fc.property(anything, places, (bytes, where) => {
        const whole = take([bytes])
        expect(take(splitAt(bytes, where))).toEqual(whole)
        expect(take([...bytes].map((byte) => Buffer.of(byte)))).toEqual(whole)
      }),
      { numRuns: 1000 },
    )
  })

  it('never throws, and lets nothing through that mqtt-packet does not take', () => {
    fc.assert(
      fc.property(anything, (bytes) => {
        const given = Buffer.from(take([bytes]).given, 'hex')
        const parse = parser()
        const errors: Error[] = []
        const packets: Packet[] = []
        parse.on('error', (error: Error) => errors.push(error))
        parse.on('packet', (one: Packet) => packets.push(one))
        expect(parse.parse(given)).toBe(0) // bytes that wait for more
        expect(errors).toEqual([])
        for (const { cmd } of packets.slice(1)) expect(cmd).not.toBe('connect')
      }),
      { numRuns: 2000 },
    )
  })

  it('gives a part of what came, and no more of it after a fault', () => {
    fc.assert(
      fc.property(fc.oneof(damaged, noise), (bytes) => {
        const { given, fault } = take([bytes])
        expect(given.length / 2).toBeLessThanOrEqual(bytes.length)
        if (fault !== undefined) expect(given.length / 2).toBeLessThan(bytes.length)
      }),
      { numRuns: 1000 },
    )
  })
})
