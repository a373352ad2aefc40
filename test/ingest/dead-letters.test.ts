import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { DeviceMessage } from '#src/ingest/accepted.js'
import { createDeadLetters } from '#src/ingest/dead-letters.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const message = (receivedAtMs: number): DeviceMessage => ({
  device: { id: 1, uuid: 'u', deviceId: 'd' },
  report: { readings: [], isHeartbeat: false, isOnline: true, status: { text: 'line\nbreak' } },
  receivedAtMs,
})

const linesOf = async (path: string): Promise<unknown[]> =>
  (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

test('a refused message is a line with its device, the reason and what was in it', async () => {
  const folder = join(await temporaryFolder(), 'new')
  const letters = createDeadLetters(folder, pino({ level: 'silent' }))
  const state = { devices: [], sensors: [] }
  await Promise.all([
    letters.add(message(0), 'too long'),
    letters.addUnreadable('{"cut'),
    letters.addState(state, 'too wide'),
  ])
  const time = expect.stringMatching(/^20\d\d-.*Z$/)
  const { report } = message(0)
  expect(await linesOf(join(folder, 'rejected.ndjson'))).toEqual([
    { time, device: 'd', uuid: 'u', reason: 'too long', receivedAt: '1970-01-01T00:00:00.000Z', report },
    { time, reason: 'a damaged row of the spool', content: '{"cut' },
    { time, reason: 'too wide', state },
  ])
})

test('a full file is kept until the next one is full', async () => {
  const folder = await temporaryFolder()
  const letters = createDeadLetters(folder, pino({ level: 'silent' }), 500)
  for (let number = 0; number < 9; number++) await letters.add(message(number), 'x'.repeat(100))
  const kept = [
    ...(await linesOf(join(folder, 'rejected.1.ndjson'))),
    ...(await linesOf(join(folder, 'rejected.ndjson'))),
  ]
  expect(kept.length).toBeLessThan(9)
  expect(kept.at(-1)).toMatchObject({ receivedAt: '1970-01-01T00:00:00.008Z' })
})

test('a folder that cannot be written is told in the log, and nobody waits', async () => {
  const path = join(await temporaryFolder(), 'a file')
  await writeFile(path, '')
  await chmod(path, 0o400)
  const sink = new PassThrough()
  const letters = createDeadLetters(path, pino(sink))
  await letters.add(message(1), 'refused')
  await letters.add(message(2), 'refused')
  expect(String(sink.read()).trimEnd().split('\n')).toHaveLength(1)
})
