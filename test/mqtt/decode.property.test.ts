import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeReport } from '#src/ingest/decode.js'
import type { Decoded } from '#src/ingest/report.js'

const NOW = Date.parse('2026-11-22T06:30:00.250Z')
const DAY_MS = 86_400_000

function decode(kind: 'data' | 'status' | 'heartbeat', payload: string | Uint8Array): Decoded {
  let next = 0
  const nextDiscriminator = (): number => {
    next += 1
    return next
  }
  const context = { receivedAtMs: NOW, zoneOffsetMinutes: 480, nextDiscriminator }
  return decodeReport(kind, Buffer.from(payload), context, (error) => {
    throw error
  })
}

const kind = fc.constantFrom('data' as const, 'status' as const, 'heartbeat' as const)
const value = fc.oneof(fc.double(), fc.integer(), fc.boolean(), fc.string(), fc.constant(null))
const sensor = fc.stringMatching(/^[a-z_][a-z0-9_]{0,49}$/)

/** Objects with members that every object of JavaScript has already. */
const inherited = fc.constantFrom('toString', 'valueOf', 'constructor', '__proto__', 'hasOwnProperty')
const disguised = fc
  .tuple(fc.constantFrom('status', 'sensor', 'sensors', 'location', 'timestamp', 'online'), inherited, value)
  .map(([name, member, inner]) => `{"${name}":{"${member}":${JSON.stringify(inner)}},"temperature":1}`)

/** JSON that looks like what devices send. */
const message = fc.oneof(
  fc.json(),
  disguised,
  fc
    .dictionary(fc.oneof(sensor, fc.string(), fc.constantFrom('sensor', 'timestamp', 'location')), value)
    .map((fields) => JSON.stringify(fields)),
  fc
    .array(
      fc.record({ sensor_name: fc.oneof(sensor, fc.string()), value, timestamp: value, unit: fc.string() }),
    )
    .map((sensors) => JSON.stringify({ sensors, location: { latitude: 1, longitude: 2 } })),
)
/** The same with a piece cut out, as a broken connection to a sensor leaves it. */
const cut = fc.tuple(message, fc.nat(), fc.nat(5)).map(([text, place, length]) => {
  const at = place % (text.length + 1)
  return text.slice(0, at) + text.slice(at + length)
})
const reserved = new Set(['device_id', 'sensor', 'timestamp', 'status', 'location'])

function expectSound(decoded: Decoded): void {
  if ('rejected' in decoded) {
    expect(decoded.rejected).toMatch(/^[a-z0-9-]+$/)
    return
  }
  for (const reading of decoded.report.readings) {
    expect(reading.sensor).toMatch(/^[a-z_][a-z0-9_]{0,49}$/)
    expect(typeof reading.value === 'boolean' || Number.isFinite(reading.value)).toBe(true)
    expect(Number.isSafeInteger(reading.recordedAtMs)).toBe(true)
    expect(reading.recordedAtMs).toBeLessThanOrEqual(NOW + DAY_MS)
  }
}

describe('A device message', () => {
  it('of any bytes is decoded or rejected, without an error', () => {
    fc.assert(
      fc.property(kind, fc.uint8Array({ maxLength: 100 }), (what, bytes) => expectSound(decode(what, bytes))),
      { numRuns: 1000 },
    )
  })

  it('of any JSON, whole or damaged, has sound readings or is rejected', () => {
    fc.assert(
      fc.property(kind, fc.oneof(message, cut), (what, text) => expectSound(decode(what, text))),
      { numRuns: 2000 },
    )
  })

  it('in the simple form has every number that it names', () => {
    const numbers = fc.dictionary(
      sensor.filter((one) => !reserved.has(one) && !/^(sensors|__proto__)$/.test(one)),
      fc.integer(),
      { minKeys: 1, maxKeys: 10, noNullPrototype: true },
    )
    fc.assert(
      fc.property(numbers, (fields) => {
        const decoded = decode('data', JSON.stringify(fields))
        if ('rejected' in decoded) throw new Error(decoded.rejected)
        const read = decoded.report.readings.map((reading): [string, unknown] => [
          reading.sensor,
          reading.value,
        ])
        expect(Object.fromEntries(read)).toEqual({ ...fields })
      }),
      { numRuns: 500 },
    )
  })
})
