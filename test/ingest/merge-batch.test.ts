import { expect, test } from 'vitest'
import type { DeviceMessage } from '#src/ingest/accepted.js'
import { mergeBatch } from '#src/ingest/merge-batch.js'
import type { Reading, Report } from '#src/ingest/report.js'

function accepted(id: number, receivedAtMs: number, report: Partial<Report>): DeviceMessage {
  return {
    device: { id, uuid: `uuid-${id}`, deviceId: `device-${id}` },
    report: { readings: [], isHeartbeat: false, isOnline: true, ...report },
    receivedAtMs,
  }
}

function reading(sensor: string, value: number | boolean, recordedAtMs: number): Reading {
  return { sensor, value, unit: '°C', type: 'DHT11', recordedAtMs, discriminator: recordedAtMs }
}

test('each device, and each sensor of a device, stands in a batch once; every reading is in the history', () => {
  const batch = mergeBatch(
    [
      accepted(1, 10, { readings: [reading('a', 1, 10), reading('b', true, 10)] }),
      accepted(2, 11, { readings: [reading('a', 5, 11)] }),
      accepted(1, 12, { readings: [reading('a', 2, 12)] }),
    ],
    true,
  )
  expect(batch.devices).toEqual([
    { deviceId: 1, seenAtMs: 12, isOnline: true, report: { uploadedAtMs: 12 } },
    { deviceId: 2, seenAtMs: 11, isOnline: true, report: { uploadedAtMs: 11 } },
  ])
  expect(batch.sensors.map(({ deviceId, sensor, value }) => [deviceId, sensor, value])).toEqual([
    [1, 'a', 2],
    [1, 'b', true],
    [2, 'a', 5],
  ])
  expect(batch.sensors[0]).toEqual({
    deviceId: 1,
    deviceUuid: 'uuid-1',
    sensor: 'a',
    value: 2,
    unit: '°C',
    type: 'DHT11',
    recordedAtMs: 12,
  })
  expect(batch.history).toEqual([
    { deviceId: 1, sensor: 'a', recordedAtMs: 10, discriminator: 10, value: 1 },
    { deviceId: 1, sensor: 'b', recordedAtMs: 10, discriminator: 10, value: 1 },
    { deviceId: 2, sensor: 'a', recordedAtMs: 11, discriminator: 11, value: 5 },
    { deviceId: 1, sensor: 'a', recordedAtMs: 12, discriminator: 12, value: 2 },
  ])
})

test('the newest reading wins, whenever it came; of two of one moment the later to come', () => {
  const late = mergeBatch(
    [
      accepted(1, 10, { readings: [reading('a', 1, 10)] }),
      accepted(1, 11, { readings: [reading('a', 2, 5)] }),
    ],
    true,
  )
  expect(late.sensors).toMatchObject([{ value: 1, recordedAtMs: 10 }])
  const tie = mergeBatch(
    [
      accepted(1, 10, { readings: [reading('a', 1, 10)] }),
      accepted(1, 10, { readings: [reading('a', 2, 10)] }),
    ],
    true,
  )
  expect(tie.sensors).toMatchObject([{ value: 2 }])
})

test('statuses of one batch are merged as they would be one after the other', () => {
  const { devices } = mergeBatch(
    [
      accepted(1, 10, {
        status: { wifi: { rssi: -60, ssid: 'a' }, heap: 1 },
        deviceStatus: 'active',
        ipAddress: '10.0.0.1',
      }),
      accepted(1, 11, { isHeartbeat: true }),
      accepted(1, 12, {
        status: { wifi: { rssi: -61 }, heap: null },
        isOnline: false,
        deviceStatus: 'offline',
      }),
    ],
    true,
  )
  expect(devices).toEqual([
    {
      deviceId: 1,
      seenAtMs: 12,
      heartbeatAtMs: 11,
      isOnline: false,
      report: { uploadedAtMs: 12, status: { wifi: { rssi: -61, ssid: 'a' }, heap: null } },
      deviceStatus: 'offline',
      ipAddress: '10.0.0.1',
    },
  ])
})

test('a heartbeat alone leaves the report alone', () => {
  const { devices } = mergeBatch([accepted(1, 10, { isHeartbeat: true })], true)
  expect(devices).toEqual([{ deviceId: 1, seenAtMs: 10, heartbeatAtMs: 10, isOnline: true }])
})

test('without a history no row goes there', () => {
  const batch = mergeBatch([accepted(1, 10, { readings: [reading('a', 1, 10)] })], false)
  expect(batch.history).toEqual([])
  expect(batch.sensors).toHaveLength(1)
})
