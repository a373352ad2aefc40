import { expect, test } from 'vitest'
import type { HistoryRow } from '#src/store/batch.js'
import { historyValues } from '#src/store/mysql/history-values.js'

const row: HistoryRow = { deviceId: 1, sensor: 'light', recordedAtMs: 0, discriminator: 2, value: 3 }
const values = (more: object): string => historyValues([{ ...row, ...more }], () => '2026-01-01 00:00:00')

test('a row is a list of literals, and a value a double', () => {
  expect(values({})).toBe("(1,'light','2026-01-01 00:00:00',2,3e0)")
  expect(values({ value: 1e300 })).toContain(',1e+300)')
})

test('a name that is no word goes in hexadecimal', () => {
  expect(values({ sensor: "a'?" })).toContain("_utf8mb4 X'61273f'")
})

test.each([
  { deviceId: '1),(2' },
  { deviceId: 1.5 },
  { discriminator: '2' },
  { discriminator: null },
  { value: Number.NaN },
  { value: '3' },
])('%o is rejected', (more) => {
  expect(() => values(more)).toThrow('STORE_REJECTED')
})
