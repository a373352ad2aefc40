import { expect, test } from 'vitest'
import { routeTopic } from '#src/ingest/route.js'

test.each([
  ['devices/4f9c/data', { deviceName: '4f9c', kind: 'data' }],
  ['devices/4f9c/status', { deviceName: '4f9c', kind: 'status' }],
  ['devices/4f9c/heartbeat', { deviceName: '4f9c', kind: 'heartbeat' }],
  ['device/AIOT-ESP32-00000001/data', { deviceName: 'AIOT-ESP32-00000001', kind: 'data' }],
  ['device/AIOT-ESP32-00000001/heartbeat', { deviceName: 'AIOT-ESP32-00000001', kind: 'heartbeat' }],
  ['devices//data', { deviceName: '', kind: 'data' }],
  ['devices/4f9c/control', undefined],
  ['devices/4f9c/data/more', undefined],
  ['devices/4f9c/Data', undefined],
  ['/devices/4f9c/data', undefined],
  ['Devices/4f9c/data', undefined],
  ['device/control', undefined],
  ['data', undefined],
  ['', undefined],
])('%s', (topic, expected) => {
  expect(routeTopic(topic)).toEqual(expected)
})
