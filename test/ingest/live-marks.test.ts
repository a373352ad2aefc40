import { expect, test } from 'vitest'
import { createLiveMarks } from '#src/ingest/live-marks.js'

test('a device that is known to have left is not brought online by what it said before', () => {
  const marks = createLiveMarks()
  marks.note({ devices: [{ deviceId: 1, seenAtMs: 1001, isOnline: false }], sensors: [], history: [] })
  const spooled = (seenAtMs: number) => ({
    devices: [{ deviceId: 1, seenAtMs, isOnline: true }],
    sensors: [],
    history: [],
  })
  expect(marks.behind(spooled(1000)).devices).toEqual([{ deviceId: 1, seenAtMs: 1000, isOnline: false }])
  expect(marks.behind(spooled(1001)).devices).toEqual([{ deviceId: 1, seenAtMs: 1001, isOnline: true }])
})
