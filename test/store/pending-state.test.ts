import { expect, test } from 'vitest'
import type { DeviceChange, SensorChange } from '#src/store/batch.js'
import { addBatch, addState, batchOf, type PendingState } from '#src/store/pending-state.js'

const NOW_MS = 1_000_000

function device(seenAtMs: number, more: Partial<DeviceChange> = {}): DeviceChange {
  return { deviceId: 1, seenAtMs, isOnline: true, ...more }
}

function sensor(value: number, recordedAtMs: number): SensorChange {
  return { deviceId: 1, deviceUuid: 'uuid', sensor: 'light', value, unit: '', type: '', recordedAtMs }
}

/** What some batches come to, each of one device and sensor. */
function merged(...batches: readonly (readonly [DeviceChange | undefined, SensorChange | undefined])[]) {
  const pending: PendingState = new Map()
  for (const [change, reading] of batches) {
    const devices = change === undefined ? [] : [change]
    const sensors = reading === undefined ? [] : [reading]
    addBatch(pending, { devices, sensors, history: [] }, NOW_MS)
  }
  return batchOf([...pending.values()])
}

test('the newest reading stays, whichever comes later; of two of one moment the later', () => {
  expect(merged([undefined, sensor(1, 10)], [undefined, sensor(2, 20)]).sensors).toEqual([sensor(2, 20)])
  expect(merged([undefined, sensor(2, 20)], [undefined, sensor(1, 10)]).sensors).toEqual([sensor(2, 20)])
  expect(merged([undefined, sensor(1, 10)], [undefined, sensor(2, 10)]).sensors).toEqual([sensor(2, 10)])
})

test('a reading of the future is older than any other', () => {
  const future = sensor(1, NOW_MS + 1)
  expect(merged([undefined, future], [undefined, sensor(2, 10)]).sensors).toEqual([sensor(2, 10)])
})

test('what a device said last counts, and what it left open stays as it was said before', () => {
  const first = device(10, { deviceStatus: 'active', firmwareVersion: '1', heartbeatAtMs: 10 })
  const second = device(20, { isOnline: false, firmwareVersion: '2', report: { uploadedAtMs: 20 } })
  expect(merged([first, undefined], [second, undefined]).devices).toEqual([
    device(20, {
      isOnline: false,
      deviceStatus: 'active',
      firmwareVersion: '2',
      heartbeatAtMs: 10,
      report: { uploadedAtMs: 20 },
    }),
  ])
})

test('what comes late adds nothing but its heartbeat, for the tables may have something newer of all else', () => {
  const late = device(10, {
    ...{ isOnline: false, deviceStatus: 'active', ipAddress: '::1', heartbeatAtMs: 10 },
    report: { uploadedAtMs: 10, status: { a: 1 }, location: { latitude: 1 } },
  })
  expect(merged([device(20), undefined], [late, undefined]).devices).toEqual([
    device(20, { heartbeatAtMs: 10 }),
  ])
  const beating = device(20, { heartbeatAtMs: 20 })
  expect(merged([beating, undefined], [late, undefined]).devices).toEqual([beating])
})

test('what was said in the future gives way', () => {
  const future = device(NOW_MS + 1, { firmwareVersion: '1', heartbeatAtMs: NOW_MS + 1 })
  const heartbeat = device(10, { heartbeatAtMs: 10 })
  expect(merged([future, undefined], [heartbeat, undefined]).devices).toEqual([
    device(10, { firmwareVersion: '1', heartbeatAtMs: 10 }),
  ])
})

test('patches of status and location are joined', () => {
  const first = device(10, {
    report: { uploadedAtMs: 10, status: { a: 1, b: 1 }, location: { latitude: 1 } },
  })
  const second = device(20, { report: { uploadedAtMs: 20, status: { b: null, c: 2 } } })
  const report = { uploadedAtMs: 20, status: { a: 1, b: null, c: 2 }, location: { latitude: 1 } }
  expect(merged([first, undefined], [second, undefined]).devices).toEqual([device(20, { report })])
})

test('a heartbeat leaves the report alone, and a report the heartbeat', () => {
  const heartbeat = device(20, { heartbeatAtMs: 20 })
  const report = device(10, { report: { uploadedAtMs: 10 } })
  expect(merged([report, undefined], [heartbeat, undefined]).devices).toEqual([
    device(20, { heartbeatAtMs: 20, report: { uploadedAtMs: 10 } }),
  ])
})

test('what could not be written is joined with what came since, as its older part', () => {
  const older: PendingState = new Map()
  const newer: PendingState = new Map()
  addBatch(older, { devices: [device(10)], sensors: [sensor(1, 10)], history: [], mayBeLate: true }, NOW_MS)
  addBatch(
    newer,
    { devices: [device(10, { isOnline: false })], sensors: [sensor(2, 10)], history: [] },
    NOW_MS,
  )
  addState(older, newer, NOW_MS)
  expect(batchOf([...older.values()])).toEqual({
    devices: [device(10, { isOnline: false })],
    sensors: [sensor(2, 10)],
    history: [],
    mayBeLate: true,
  })
})
