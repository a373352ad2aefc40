import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Batch, DeviceChange, JsonObject, SensorChange } from '#src/store/batch.js'
import { batchOfParts, parseStateParts, stateParts } from '#src/store/state-entry.js'

const id = fc.integer({ min: 1, max: 5 })
const timeMs = fc.integer({ min: 0, max: 3 })
const text = fc.constantFrom('', '°C', '"\\')
const json = fc.constantFrom<JsonObject>({}, { wifi: true, rssi: null }, { a: { b: [1] } })

const device: fc.Arbitrary<DeviceChange> = fc.record(
  {
    deviceId: id,
    seenAtMs: timeMs,
    isOnline: fc.boolean(),
    heartbeatAtMs: timeMs,
    report: fc.record(
      { uploadedAtMs: timeMs, status: json, location: json },
      { requiredKeys: ['uploadedAtMs'] },
    ),
    deviceStatus: text,
    ipAddress: text,
    firmwareVersion: text,
  },
  { requiredKeys: ['deviceId', 'seenAtMs', 'isOnline'] },
)

const sensor: fc.Arbitrary<SensorChange> = fc
  .record({
    deviceId: id,
    sensor: fc.constantFrom('light', 'rain'),
    value: fc.oneof(fc.boolean(), fc.integer()),
    unit: text,
    type: text,
    recordedAtMs: timeMs,
  })
  .map((change) => ({ ...change, deviceUuid: `uuid-${change.deviceId}` }))

const batch: fc.Arbitrary<Batch> = fc.record({
  devices: fc.uniqueArray(device, { selector: ({ deviceId }) => deviceId }),
  sensors: fc.uniqueArray(sensor, { selector: ({ deviceId, sensor: name }) => `${deviceId} ${name}` }),
  history: fc.constant([]),
})

const uuids = new Map([1, 2, 3, 4, 5].map((deviceId) => [deviceId, `uuid-${deviceId}`]))

test('an entry of the log gives back what the batch changes, to the last member', () => {
  fc.assert(
    fc.property(batch, (changes) => {
      const entry = JSON.stringify(stateParts(changes))
      const { devices, sensors, mayBeLate } = batchOfParts(parseStateParts(1, entry), uuids)
      expect(devices).toEqual(changes.devices.map((change) => ({ ...change, mayHaveLeft: true })))
      const byKey = (one: SensorChange, other: SensorChange) =>
        one.deviceId - other.deviceId || one.sensor.localeCompare(other.sensor)
      expect([...sensors].sort(byKey)).toEqual([...changes.sensors].sort(byKey))
      expect(mayBeLate).toBe(true)
    }),
  )
})

test('an ordinary message takes its id, its time and its readings, and no more', () => {
  const changes: Batch = {
    devices: [{ deviceId: 7, seenAtMs: 5, isOnline: true, report: { uploadedAtMs: 5 } }],
    sensors: [
      { deviceId: 7, deviceUuid: 'u', sensor: 'light', value: 850, unit: '', type: '', recordedAtMs: 5 },
    ],
    history: [],
  }
  expect(JSON.stringify(stateParts(changes))).toBe('[[7,5,0,["light",850]]]')
})

test('what a device that was removed meanwhile said is left out', () => {
  const parts = stateParts({
    devices: [{ deviceId: 9, seenAtMs: 5, isOnline: true }],
    sensors: [],
    history: [],
  })
  expect(batchOfParts(parts, uuids).devices).toEqual([])
})

test.each(['', '{', '{}', '[1]', '[[1]]', '[[1,2,3]]', '[[1,2,0,["light"]]]', '[[1,2,0,["light",1,2]]]'])(
  'an entry that is %j is refused by its number',
  (text) => {
    expect(() => parseStateParts(12, text)).toThrow(/row 12 of device_state_log/)
  },
)

test('what the state tables would refuse is refused before it is in the log', () => {
  let deep = {}
  for (let level = 0; level < 40; level++) deep = { deep }
  const devices = [{ deviceId: 1, seenAtMs: 5, isOnline: true, report: { uploadedAtMs: 5, status: deep } }]
  expect(() => stateParts({ devices, sensors: [], history: [] })).toThrow(/nested over/)
})
