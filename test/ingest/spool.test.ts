import { randomBytes } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { DeviceMessage } from '#src/ingest/accepted.js'
import { openSpool, type Spool } from '#src/ingest/spool.js'
import { createTally, type Tally } from '#src/metrics/tally.js'
import { asLeftBehind, temporaryFolder } from '../support/temporary-folder.js'

const MEGABYTE = 1_000_000

function message(number: number, status?: string): DeviceMessage {
  const reading = { sensor: 'value', value: number, unit: '°C', type: '', recordedAtMs: number }
  return {
    device: { id: 7, uuid: 'u', deviceId: 'd' },
    report: {
      readings: [{ ...reading, discriminator: 4_294_967_295 }],
      isHeartbeat: false,
      isOnline: true,
      ...(status === undefined ? {} : { status: { text: status } }),
    },
    receivedAtMs: number,
  }
}

async function spoolIn(folder: string, maxBytes = MEGABYTE): Promise<{ spool: Spool; tally: Tally }> {
  const tally = createTally()
  const spool = await openSpool(join(folder, 'spool.db'), maxBytes, tally)
  onTestFinished(spool.close)
  return { spool, tally }
}

/** Takes everything out, some at a time. */
async function drain(spool: Spool, most: number): Promise<number[][]> {
  const groups: number[][] = []
  for (;;) {
    const some = await spool.oldest(most)
    if (some === undefined) return groups
    groups.push(some.messages.map(({ receivedAtMs }) => receivedAtMs))
    await spool.remove(some)
  }
}

test('messages come out as they went in, oldest first, in groups of some batches', async () => {
  const { spool } = await spoolIn(await temporaryFolder())
  const odd = message(1, 'a lone \ud800, an emoji 🌧, "quotes" and \u0000')
  expect(await Promise.all([spool.append([odd, message(2)]), spool.append([message(3)])])).toEqual([
    true,
    true,
  ])
  await spool.append([message(4), message(5)])
  expect((await spool.oldest(10))?.messages).toEqual([odd, ...[2, 3, 4, 5].map((number) => message(number))])
  expect(await drain(spool, 3)).toEqual([
    [1, 2, 3],
    [4, 5],
  ])
})

test('a batch that is larger than a group comes whole', async () => {
  const { spool } = await spoolIn(await temporaryFolder())
  await spool.append([message(1), message(2), message(3)])
  await spool.append([message(4)])
  expect(await drain(spool, 2)).toEqual([[1, 2, 3], [4]])
})

test('another run finds what was not removed, and what was not closed', async () => {
  const folder = await temporaryFolder()
  const { spool: first, tally } = await spoolIn(folder)
  await first.append([message(1)])
  await first.append([message(2), message(3)])
  const oldest = await first.oldest(1)
  if (oldest !== undefined) await first.remove(oldest)
  const { spool: second, tally: found } = await spoolIn(await asLeftBehind(folder))
  expect(found).toMatchObject({ spoolMessages: 2, spoolBytes: tally.spoolBytes, spoolOldestMs: 2 })
  expect(await drain(second, 10)).toEqual([[2, 3]])
})

test('the tally has its messages, its bytes and the time of the oldest', async () => {
  const { spool, tally } = await spoolIn(await temporaryFolder())
  expect(tally).toMatchObject({ spoolMessages: 0, spoolBytes: 0, spoolOldestMs: undefined })
  await spool.append([message(1), message(2)])
  const { spoolBytes } = tally
  expect(spoolBytes).toBeGreaterThan(2 * JSON.stringify(message(1)).length)
  await spool.append([message(3), message(4)])
  expect(tally).toMatchObject({ spoolMessages: 4, spoolBytes: 2 * spoolBytes, spoolOldestMs: 1 })
  await drain(spool, 10)
  expect(tally).toMatchObject({ spoolMessages: 0, spoolBytes: 0, spoolOldestMs: undefined })
})

test('it takes no more than its bound, however many batches come at once, and takes more when there is room', async () => {
  const { spool, tally } = await spoolIn(await temporaryFolder(), 100_000)
  const text = randomBytes(5000).toString('hex')
  const taken = await Promise.all(
    Array.from({ length: 20 }, (_, index) => spool.append([message(index, text)])),
  )
  expect(taken.filter((isTaken) => isTaken)).toHaveLength(9)
  expect(tally.spoolBytes).toBeLessThanOrEqual(100_000)
  expect(await spool.append([message(30, text)])).toBe(false)
  const some = await spool.oldest(1)
  if (some !== undefined) await spool.remove(some)
  expect(await spool.append([message(31, text)])).toBe(true)
})

test('when it is empty, the disk has its room back', async () => {
  const folder = await temporaryFolder()
  const { spool } = await spoolIn(folder, 20 * MEGABYTE)
  const text = randomBytes(100_000).toString('hex')
  for (let number = 0; number < 50; number++) await spool.append([message(number, text)])
  await drain(spool, 1000)
  await spool.close()
  expect((await stat(join(folder, 'spool.db'))).size).toBeLessThan(100_000)
})

test('a file that is damaged, and one that is no spool, are named with what to do, and nothing is removed', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'spool.db')
  const { spool } = await spoolIn(folder)
  const text = randomBytes(50_000).toString('hex')
  for (let number = 0; number < 5; number++) await spool.append([message(number, text)])
  await spool.close()
  const whole = await readFile(path)
  const damaged = Buffer.from(whole)
  damaged.fill(0xa5, 8192, 16_384)
  await writeFile(path, damaged)
  const refusal = { code: 'STORE_REJECTED', message: expect.stringContaining(path) }
  await expect(openSpool(path, MEGABYTE, createTally())).rejects.toMatchObject(refusal)
  await expect(openSpool(path, MEGABYTE, createTally())).rejects.toThrow('move it away')
  await writeFile(path, 'something else, which is longer than the header of a database'.repeat(100))
  await expect(openSpool(path, MEGABYTE, createTally())).rejects.toMatchObject(refusal)
  await writeFile(path, whole)
  const { spool: again } = await spoolIn(folder)
  expect(await drain(again, 10)).toHaveLength(1)
})
