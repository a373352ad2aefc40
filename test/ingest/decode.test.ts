import { describe, expect, test } from 'vitest'
import { decodeReport } from '#src/ingest/decode.js'
import type { Decoded } from '#src/ingest/report.js'
import type { ReportKind } from '#src/ingest/route.js'

const NOW = Date.parse('2026-11-22T06:30:00.250Z')
const SECOND = 1000
const DAY = 86_400 * SECOND

function decode(kind: ReportKind, payload: string | Buffer): Decoded {
  let next = 0
  return decodeReport(kind, Buffer.from(payload), {
    receivedAtMs: NOW,
    zoneOffsetMinutes: 480,
    nextDiscriminator: () => {
      next += 1
      return next
    },
  })
}

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

const DHT11 =
  '{"device_id":"AIOT-ESP32-00000001","sensor":"DHT11","temperature":24.4,"humidity":39.0,"timestamp":1234}'
const tooMany = `{${Array.from({ length: 257 }, (_, index) => `"s${index}":1`).join(',')}}`
const most = `{${Array.from({ length: 256 }, (_, index) => `"s${index}":1`).join(',')}}`

describe('a data message', () => {
  test.each<[string, string | Buffer, string]>([
    ['the firmware’s DHT11', DHT11, 'temperature=24.4 humidity=39'],
    ['the firmware’s DS18B20', '{"sensor":"DS18B20","temperature":21.5}', 'ds18b20=21.5'],
    [
      'the firmware’s RAIN_SENSOR',
      '{"device_id":"d","sensor":"RAIN_SENSOR","is_raining":true,"level":0,"timestamp":99}',
      'rain=true rain_level=0',
    ],
    [
      'the HTTP API’s form',
      '{"sensors":[{"sensor_name":"temperature","value":25.5,"unit":"°C"}],"status":{"battery":80},"location":{"latitude":39.9,"longitude":116.4}}',
      'temperature=25.5 status={"battery":80} location={"latitude":39.9,"longitude":116.4}',
    ],
    [
      'the simple form',
      '{"temperature":25.5,"humidity":60,"light":850}',
      'temperature=25.5 humidity=60 light=850',
    ],
    ['a status alone', '{"status":{"battery":80}}', 'status={"battery":80}'],
    [
      'a location alone',
      '{"location":{"latitude":-90,"longitude":180}}',
      'location={"latitude":-90,"longitude":180}',
    ],
    ['members beside the list', '{"sensors":[{"sensor_name":"a","value":1}],"b":2}', 'b=2 a=1'],
    ['booleans', '{"door":true,"window":false}', 'door=true window=false'],
    [
      'extreme numbers',
      '{"a":-0,"b":1.7976931348623157e308,"c":5e-324}',
      'a=0 b=1.7976931348623157e+308 c=5e-324',
    ],
    ['the longest name', `{"${'n'.repeat(50)}":1}`, `${'n'.repeat(50)}=1`],
    ['names of Object.prototype', '{"__proto__":1,"constructor":2}', '__proto__=1 constructor=2'],
    ['as many sensors as may be', most, Array.from({ length: 256 }, (_, index) => `s${index}=1`).join(' ')],
    ['names twice', '{"a":1,"a":2}', 'a=2'],

    ['nan', '{"temperature":nan,"humidity":39}', 'humidity=39 -bad-sensor-value:temperature'],
    ['-nan and nan(0x8)', '{"a":-nan,"b":nan(0x8),"c":1}', 'c=1 -bad-sensor-value:a -bad-sensor-value:b'],
    ['NaN and Infinity', '{"a":NaN,"b":-Infinity,"c":1}', 'c=1 -bad-sensor-value:a -bad-sensor-value:b'],
    ['trailing commas', '{"a":1,"sensors":[{"sensor_name":"b","value":2,},],}', 'a=1 b=2'],
    ['single quotes', "{'a':1,'status':{'say':'it\\'s \"so\"'}}", 'a=1 status={"say":"it\'s \\"so\\""}'],
    ['names without quotes', '{temperature:25.5}', 'temperature=25.5'],
    ['Python’s words', "{'on':True,'off':False,'none':None}", 'on=true off=false -bad-sensor-value:none'],
    ['a byte-order mark', '\uFEFF{"a":1}', 'a=1'],
    ['a NUL at the end', '{"a":1}\0', 'a=1'],
    ['white space around', ' \r\n{"a":1}\n ', 'a=1'],

    ['a bad name beside a good one', '{"Temp":1,"ok":2}', 'ok=2 -bad-sensor-name:Temp'],
    ['a name with a digit first', '{"1st":1,"ok":2}', 'ok=2 -bad-sensor-name:1st'],
    ['a name with a blank', '{"a b":1,"ok":2}', 'ok=2 -bad-sensor-name:a b'],
    ['an empty name', '{"":1,"ok":2}', 'ok=2 -bad-sensor-name:'],
    ['a name too long', `{"${'n'.repeat(51)}":1,"ok":2}`, `ok=2 -bad-sensor-name:${'n'.repeat(50)}`],
    ['a name with SQL', '{"a\'); DROP TABLE x;--":1,"ok":2}', "ok=2 -bad-sensor-name:a'); DROP TABLE x;--"],
    ['a string for a value', '{"a":"25.5","ok":2}', 'ok=2 -bad-sensor-value:a'],
    ['null for a value', '{"a":null,"ok":2}', 'ok=2 -bad-sensor-value:a'],
    ['an object for a value', '{"a":{"value":1},"ok":2}', 'ok=2 -bad-sensor-value:a'],
    ['a number too large for a double', '{"a":1e400,"ok":2}', 'ok=2 -bad-sensor-value:a'],
    [
      'an entry that is none',
      '{"sensors":[5,{"value":1},{"sensor_name":"ok","value":2}]}',
      'ok=2 -bad-sensor-entry:sensors -bad-sensor-entry:sensors',
    ],
    ['sensors that are no list', '{"sensors":{"a":1},"ok":2}', 'ok=2 -bad-sensor-entry:sensors'],
    [
      'a unit too long',
      `{"sensors":[{"sensor_name":"ok","value":2,"unit":"${'u'.repeat(21)}"}]}`,
      'ok=2 -bad-unit:ok',
    ],
    [
      'a latitude too far north',
      '{"ok":2,"location":{"latitude":90.1,"longitude":0}}',
      'ok=2 -bad-location:location',
    ],
    ['half a location', '{"ok":2,"location":{"latitude":9}}', 'ok=2 -bad-location:location'],
    ['a location in words', '{"ok":2,"location":"kitchen"}', 'ok=2 -bad-location:location'],
    ['a status in words', '{"ok":2,"status":"fine"}', 'ok=2'],

    ['nothing', '', 'bad-json'],
    ['an empty object', '{}', 'nothing-to-store'],
    ['only the envelope', '{"device_id":"d","timestamp":1}', 'nothing-to-store'],
    ['only bad sensors', '{"a":"x"}', 'nothing-to-store -bad-sensor-value:a'],
    ['an array', '[1,2]', 'not-an-object'],
    ['a number', '25.5', 'not-an-object'],
    ['null', 'null', 'not-an-object'],
    ['words', 'temperature=25.5', 'bad-json'],
    ['an object cut short', '{"temperature":25.5,"humidity":6', 'bad-json'],
    ['a string cut short', '{"temperature":25.5,"hum', 'bad-json'],
    ['quotes without end', `{"a":${'"\\'.repeat(20_000)}`, 'bad-json'],
    ['two objects', '{"a":1}{"b":2}', 'bad-json'],
    ['binary', Buffer.from([0xff, 0xfe, 0, 1, 2]), 'not-utf8'],
    ['Latin-1', Buffer.from('{"a":1,"unit":"°C"}', 'latin1'), 'not-utf8'],
    ['deep', `{"status":${'['.repeat(50)}${']'.repeat(50)}}`, 'too-deep'],
    ['very deep', '['.repeat(400_000), 'bad-json'],
    ['huge and broken', `{"a":${'x'.repeat(1_000_000)}`, 'bad-json'],
    ['too many sensors', tooMany, 'too-many-sensors'],
  ])('with %s', (_name, payload, expected) => {
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
