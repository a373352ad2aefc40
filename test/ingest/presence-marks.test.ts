import { expect, test } from 'vitest'
import { createPresenceMarks } from '#src/ingest/presence-marks.js'

test('a device that is known to have left is not brought online by what it said before, which is kept', () => {
  const marks = createPresenceMarks()
  marks.note([{ deviceId: 1, atMs: 1000, isOnline: false }])
  marks.note([{ deviceId: 1, atMs: 999, isOnline: true }])
  const told = (seenAtMs: number) => ({
    ...{ deviceId: 1, seenAtMs, isOnline: true, firmwareVersion: '1.2' },
    report: { uploadedAtMs: seenAtMs, status: { uptime: 7 } },
  })
  const spooled = (seenAtMs: number) => ({ devices: [told(seenAtMs)], sensors: [], history: [] })
  expect(marks.apply(spooled(1000)).devices).toEqual([{ ...told(1000), isOnline: false }])
  expect(marks.apply(spooled(1001)).devices).toEqual([told(1001)])
})
