import { describe, expect, test } from 'vitest'
import { decodeReport } from '#src/ingest/decode.js'
import type { Decoded } from '#src/ingest/report.js'
import type { ReportKind } from '#src/ingest/route.js'
import { dataMessages } from './data-messages.js'

const NOW = Date.parse('2026-11-22T06:30:00.250Z')
const SECOND = 1000
const DAY = 86_400 * SECOND

function decode(kind: ReportKind, payload: string | Buffer): Decoded {
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

test('a fault of ours rejects the message that brought it to light, and is told', () => {
  const fault = new Error('a fault')
  const nextDiscriminator = (): never => {
    throw fault
  }
  const told: unknown[] = []
  const context = { receivedAtMs: NOW, zoneOffsetMinutes: 480, nextDiscriminator }
  expect(decodeReport('data', Buffer.from('{"a":1}'), context, (error) => told.push(error))).toEqual({
    rejected: 'server-fault',
    omissions: [],
  })
  expect(told).toEqual([fault])
})

/** What came of a message, on one line: its readings, or the reason it was rejected for; then what was left out. */
function outcome(kind: ReportKind, payload: string | Buffer): string {
  const decoded = decode(kind, payload)
  const left = decoded.omissions.map(({ what, name }) => ` -${what}:${name}`).join('')
  if ('rejected' in decoded) return `${decoded.rejected}${left}`
  const { readings, status, location, isHeartbeat, isOnline } = decoded.report
  const parts = readings.map(({ sensor, value }) => `${sensor}=${value}`)
  if (status !== undefined) parts.push(`status=${JSON.stringify(status)}`)
  if (location !== undefined) parts.push(`location=${JSON.stringify(location)}`)
  if (isHeartbeat) parts.push('heartbeat')
  if (!isOnline) parts.push('offline')
  return parts.join(' ') + left
}

describe('a data message', () => {
  test.each(dataMessages)('with %s', (_name, payload, expected) => {
    expect(outcome('data', payload)).toBe(expected)
  })

  test('gives each reading the type of its sensor, and its unit', () => {
    const decoded = decode(
      'data',
      '{"sensor":"DHT11","temperature":1,"sensors":[{"sensor_name":"a","value":2,"unit":"°C"}]}',
    )
    expect('report' in decoded && decoded.report.readings).toMatchObject([
      { sensor: 'temperature', unit: '', type: 'DHT11' },
      { sensor: 'a', unit: '°C', type: 'DHT11' },
    ])
  })
})

describe('the time of a reading', () => {
  const now = 'now'
  test.each<[string, string, number | typeof now]>([
    ['nothing', 'null', now],
    ['an uptime in seconds', '1234', now],
    ['an uptime in milliseconds', '123456789', now],
    ['epoch seconds', '1766123400', 1_766_123_400_000],
    ['epoch seconds with a fraction', '1766123400.5', 1_766_123_400_500],
    ['epoch milliseconds', '1766123400123', 1_766_123_400_123],
    ['the first date', '978307200', 978_307_200_000],
    ['one second before', '978307199', now],
    ['ISO 8601 with an offset', '"2025-12-19T14:30:00+08:00"', Date.parse('2025-12-19T06:30:00Z')],
    ['ISO 8601 in UTC', '"2025-12-19T06:30:00.5Z"', Date.parse('2025-12-19T06:30:00.5Z')],
    [
      'ISO 8601 without an offset, in the platform’s zone',
      '"2025-12-19T14:30:00"',
      Date.parse('2025-12-19T06:30:00Z'),
    ],
    ['a blank for the T', '"2025-12-19 14:30:00"', Date.parse('2025-12-19T06:30:00Z')],
    ['a date alone', '"2025-12-19"', Date.parse('2025-12-18T16:00:00Z')],
    ['microseconds', '"2025-12-19T14:30:00.123456+0800"', Date.parse('2025-12-19T06:30:00.123Z')],
    ['a number in a string', '"1766123400"', 1_766_123_400_000],
    ['an ISO date before 2001', '"1970-01-01T00:00:12Z"', now],
    ['a month that is none', '"2025-13-01T00:00:00Z"', now],
    ['a 30th of February', '"2025-02-30T00:00:00Z"', now],
    ['words', '"yesterday"', now],
    ['a day ahead', String((NOW + DAY) / SECOND), NOW + DAY],
    ['over a day ahead', String(Math.ceil((NOW + DAY) / SECOND) + 1), now],
    ['a number beyond all dates', '1e300', now],
    ['negative', '-5', now],
    ['nan', 'nan', now],
    ['a boolean', 'true', now],
  ])('from %s', (_name, timestamp, expected) => {
    const decoded = decode('data', `{"a":1,"timestamp":${timestamp}}`)
    expect('report' in decoded && decoded.report.readings[0]?.recordedAtMs).toBe(
      expected === now ? NOW : expected,
    )
  })

  test('of an entry goes before the message’s', () => {
    const decoded = decode(
      'data',
      '{"timestamp":1766123400,"sensors":[{"sensor_name":"a","value":1,"timestamp":1766123500},{"sensor_name":"b","value":1}]}',
    )
    expect('report' in decoded && decoded.report.readings.map(({ recordedAtMs }) => recordedAtMs)).toEqual([
      1_766_123_500_000, 1_766_123_400_000,
    ])
  })

  test('tells the same reading sent twice from two readings', () => {
    const discriminator = (value: string, timestamp: string): number | undefined => {
      const decoded = decode('data', `{"zero":0,"a":${value},"timestamp":${timestamp}}`)
      return 'report' in decoded ? decoded.report.readings[1]?.discriminator : undefined
    }
    expect(discriminator('1.5', '1766123400')).toBe(discriminator('1.5', '1766123400'))
    expect(discriminator('1.5', '1766123400')).not.toBe(discriminator('1.25', '1766123400'))
    expect(discriminator('-0', '1766123400')).toBe(discriminator('0', '1766123400'))
    const [one, two] = ((decoded) => ('report' in decoded ? decoded.report.readings : []))(
      decode('data', '{"a":1,"b":1,"timestamp":5}'),
    )
    expect(one?.discriminator).not.toBe(two?.discriminator)
  })
})

describe('a status message', () => {
  test('keeps everything but its envelope, and fills the columns it names', () => {
    const decoded = decode(
      'status',
      '{"device_id":"d","uptime":5,"wifi_connected":true,"timestamp":5,"status":"active","ip_address":"192.168.1.7","firmware_version":"1.2.0"}',
    )
    expect(decoded).toEqual({
      report: {
        readings: [],
        isHeartbeat: false,
        isOnline: true,
        status: {
          uptime: 5,
          wifi_connected: true,
          status: 'active',
          ip_address: '192.168.1.7',
          firmware_version: '1.2.0',
        },
        deviceStatus: 'active',
        ipAddress: '192.168.1.7',
        firmwareVersion: '1.2.0',
      },
      omissions: [],
    })
  })

  test.each([
    ['offline in words', '{"status":"offline"}', 'status={"status":"offline"} offline'],
    ['offline by a flag', '{"online":false}', 'status={"online":false} offline'],
    ['a number for a status', '{"status":1}', 'status={"status":1}'],
    [
      'a status whose members hide what objects have',
      '{"status":{"toString":1}}',
      'status={"status":{"toString":1}}',
    ],
    [
      'a status text too long',
      `{"status":"${'s'.repeat(21)}"}`,
      `status={"status":"${'s'.repeat(21)}"} -bad-status-text:status`,
    ],
    [
      'an address that is none',
      '{"ip_address":"1.2.3"}',
      'status={"ip_address":"1.2.3"} -bad-ip-address:ip_address',
    ],
    ['no JSON', 'online', 'bad-json'],
    ['an array', '[]', 'not-an-object'],
  ])('with %s', (_name, payload, expected) => {
    expect(outcome('status', payload)).toBe(expected)
  })
})

describe('a heartbeat', () => {
  test.each([
    ['the firmware’s', '{"sequence":7,"timestamp":978307201000,"status":1}', 'heartbeat'],
    ['an empty one', '', 'heartbeat'],
    ['no JSON', 'ping', 'bad-json'],
    ['a number', '7', 'not-an-object'],
  ])('with %s', (_name, payload, expected) => {
    expect(outcome('heartbeat', payload)).toBe(expected)
  })
})
