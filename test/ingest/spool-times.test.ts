import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { DeviceMessage } from '#src/ingest/accepted.js'
import { openSpool, type Spool } from '#src/ingest/spool.js'
import { createSpoolTimes, type SpoolTimes } from '#src/ingest/spool-times.js'
import { createTally } from '#src/metrics/tally.js'
import { asLeftBehind, temporaryFolder } from '../support/temporary-folder.js'

/** Of device `id`: arrived at `receivedAtMs`, its reading with the time `recordedAtMs`. */
function message(id: number, receivedAtMs: number, recordedAtMs = receivedAtMs): DeviceMessage {
  const reading = { sensor: 'value', value: 1, unit: '', type: '', recordedAtMs, discriminator: 0 }
  const device = { id, uuid: `u${id}`, deviceId: `d${id}` }
  return { device, receivedAtMs, report: { readings: [reading], isHeartbeat: false, isOnline: true } }
}

function heartbeat(id: number, receivedAtMs: number): DeviceMessage {
  return { ...message(id, receivedAtMs), report: { readings: [], isHeartbeat: true, isOnline: true } }
}

const NOW_MS = 1_800_000_000_000

/** Which of a batch go behind, by their places. */
function behind(times: Pick<SpoolTimes, 'split'>, batch: readonly DeviceMessage[], nowMs = NOW_MS): number[] {
  const split = times.split(batch, nowMs)
  const places = split.behind.map((one) => batch.indexOf(one))
  expect(split.ahead).toEqual(batch.filter((_, place) => !places.includes(place)))
  return places
}

function timesOf(...messages: readonly DeviceMessage[]): SpoolTimes {
  const times = createSpoolTimes(undefined)
  times.note(messages)
  return times
}

test.each([
  ['of the same second', message(1, 5900), [0]],
  ['of the next second', message(1, 6000), []],
  ['of before', message(1, 4999), [0]],
  ['of another device', message(2, 5900), []],
  ['with a reading of the same second', message(1, 9000, 5900), [0]],
  ['that arrived in the same second, with a reading of a later one', message(1, 5999, 6000), [0]],
  ['with a reading of the future', message(1, 9000, NOW_MS + 1000), [0]],
  ['without a reading, of the same second', heartbeat(1, 5900), [0]],
  ['without a reading, of the next second', heartbeat(1, 6000), []],
])('beside a message of 5.1 s in the spool, one %s', (_, one, places) => {
  expect(behind(timesOf(message(1, 5100)), [one])).toEqual(places)
})

test('a reading of the future in the spool has those after it behind it', () => {
  expect(behind(timesOf(message(1, 5100, NOW_MS + 60_000)), [message(1, 7000)])).toEqual([0])
})

test('an empty spool, and one that was emptied, holds nothing back', () => {
  const times = createSpoolTimes(undefined)
  expect(behind(times, [message(1, 5900)])).toEqual([])
  times.note([message(1, 5100)])
  times.clear()
  expect(behind(times, [message(1, 5900), message(1, NOW_MS + 60_000)])).toEqual([])
})

test('of each device the first ones go behind, up to the last that must, and those after it as far as it reaches', () => {
  const batch = [
    message(1, 5200),
    message(2, 5200),
    message(1, 6000),
    message(1, 6100, 5300),
    message(1, 6900),
    message(1, 7000),
    message(2, 7000),
  ]
  expect(behind(timesOf(message(1, 5100)), batch)).toEqual([0, 2, 3, 4])
})

test('devices beyond those that are remembered share the newest time of them all', () => {
  const times = createSpoolTimes(undefined, 1)
  times.note([message(1, 5000), message(2, 8000), message(3, 7000), message(1, 6000)])
  expect(behind(times, [message(1, 8500), message(2, 8500), message(9, 8500)])).toEqual([0, 1, 2])
  expect(behind(times, [message(1, 9000), message(2, 9000), message(9, 9000)])).toEqual([])
})

async function opened(folder: string): Promise<Spool> {
  const spool = await openSpool(join(folder, 'spool.db'), 1_000_000, createTally())
  onTestFinished(spool.close)
  return spool
}

test('what an earlier run left holds back all that is no newer, until the spool is empty', async () => {
  const folder = await temporaryFolder()
  const first = await opened(folder)
  await first.append([message(1, 3000)])
  await first.append([message(1, 5000, 8100), message(2, 6000)])
  await first.append([message(2, 7000)])
  const second = await opened(await asLeftBehind(folder))
  expect(behind(second, [message(1, 8900), message(7, 8900), message(2, 9000)])).toEqual([0, 1])
  const all = await second.oldest(100)
  if (all !== undefined) await second.remove(all)
  expect(behind(second, [message(1, 8900)])).toEqual([])
})

test('a spool that was emptied leaves no time to the next run', async () => {
  const folder = await temporaryFolder()
  const first = await opened(folder)
  await first.append([message(1, 9000)])
  const all = await first.oldest(100)
  if (all !== undefined) await first.remove(all)
  await first.append([message(1, 3000)])
  const second = await opened(await asLeftBehind(folder))
  expect(behind(second, [message(1, 4000)])).toEqual([])
})
