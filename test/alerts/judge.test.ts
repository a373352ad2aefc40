import { describe, expect, it } from 'vitest'
import type { Measured, Rule } from '#src/alerts/alert.js'
import { alertTopic } from '#src/alerts/alert-topic.js'
import { createDistinctIds } from '#src/alerts/distinct-ids.js'
import { createJudge } from '#src/alerts/judge.js'
import { createSilence } from '#src/alerts/silence.js'
import { createSubjectCounts } from '#src/alerts/subject-counts.js'
import { nameOf } from '#src/alerts/subject-name.js'

/** A judge of one rule, whose values are given one evaluation after the other. */
function judgeOf(rule: Partial<Rule>, maxInForce = 10) {
  let values: readonly number[] = []
  const measure = (): Measured[] =>
    values.map((value, index) => ({
      key: `${index}`,
      subject: { kind: 'address', address: `${index}` },
      value,
    }))
  const judge = createJudge({
    rules: [
      {
        ...{ name: 'client_flapping', severity: 'warning', threshold: 10, endsAt: 5, holds: 1 },
        ...{ measure, what: () => 'it flaps', unit: 'times' },
        ...rule,
      },
    ],
    ...{ server: 'here', maxInForce, before: [], clock: Date },
  })
  /** What changes when these are the values of subjects 0, 1 and so on. */
  const see = (...now: readonly number[]): string[] => {
    values = now
    return judge
      .evaluate(0)
      .map(({ state, subject }) => `${'address' in subject ? subject.address : ''} ${state}`)
  }
  return { judge, see }
}

describe('An alert', () => {
  it('is raised above its threshold, and ends no sooner than its value is low', () => {
    const { see } = judgeOf({})
    expect([10, 11, 10, 5.1, 11, 5, 10, 11].map((value) => see(value))).toEqual([
      ...[[], ['0 raised'], [], [], [], ['0 ended'], [], ['0 raised']],
    ])
  })

  it('is raised, and ends, when that has held for so many evaluations in a row', () => {
    const { see } = judgeOf({ holds: 3 })
    const values = [11, 11, 10, 11, 11, 11, 5, 5, 6, 5, 5, 5]
    const changes = values.map((value) => see(value))
    expect(changes.map((change) => change.join())).toEqual([
      ...['', '', '', '', '', '0 raised', '', '', '', '', '', '0 ended'],
    ])
  })

  it('ends when its subject is not heard of any more', () => {
    const { judge, see } = judgeOf({})
    expect(see(11)).toEqual(['0 raised'])
    expect(judge.inForce()).toMatchObject([{ key: '0', alert: { state: 'raised', value: 11 } }])
    expect(see()).toEqual(['0 ended'])
    expect(judge.inForce()).toEqual([])
  })

  it('has its newest value while it is in force', () => {
    const { judge, see } = judgeOf({})
    see(11)
    see(20)
    expect(judge.inForce()).toMatchObject([{ key: '0', alert: { value: 20 } }])
  })

  it('beyond those that may be in force is not raised until there is room, and is counted', () => {
    const { judge, see } = judgeOf({}, 2)
    expect(see(11, 11, 11, 11)).toEqual(['0 raised', '1 raised'])
    expect(judge.takeLeftOut()).toBe(2)
    expect(see(11, 0, 11, 0)).toEqual(['1 ended', '2 raised'])
    expect(judge.takeLeftOut()).toBe(0)
  })
})

describe('What is counted', () => {
  const subject = { kind: 'address', address: 'one' } as const
  const valuesOf = (measured: readonly Measured[]): number[] => measured.map(({ value }) => value)

  it('goes out of the window bit by bit', () => {
    const counts = createSubjectCounts(1000, 10)
    for (let time = 0; time < 8; time += 1) counts.add('one', subject, 500)
    expect([500, 999, 1000, 1250, 1750, 2000].map((nowMs) => valuesOf(counts.measure(nowMs)))).toEqual([
      ...[[8], [8], [8], [6], [2], []],
    ])
  })

  it('is of no more subjects than are remembered', () => {
    const counts = createSubjectCounts(1000, 10)
    for (let number = 0; number < 1000; number += 1) counts.add(`${number}`, subject, 0)
    expect(counts.measure(0)).toHaveLength(10)
  })

  it('are client ids of an address, each once while it is in the window', () => {
    const ids = createDistinctIds(1000, 100)
    for (const [id, atMs] of [
      ['a', 0],
      ['b', 0],
      ['a', 500],
      ['c', 500],
    ] as const)
      ids.add('one', id, atMs)
    ids.add('two', 'a', 500)
    expect([999, 1000, 1500].map((nowMs) => valuesOf(ids.measure(nowMs)))).toEqual([[3, 1], [2, 1], []])
  })

  it('are no more client ids than are remembered', () => {
    const ids = createDistinctIds(1000, 100)
    for (let number = 0; number < 1000; number += 1) ids.add(`${number % 500}`, `${number}`, 0)
    expect(ids.measure(0)).toHaveLength(100)
  })
})

describe('Silence', () => {
  const device = { id: 1, deviceId: 'one' }

  /** With what the database answers, and a clock to set. */
  function silenceWith(stateOf: () => Promise<'online' | 'offline' | 'gone'>) {
    let nowMs = 0
    const options = { silentAfterMs: 1000, askAgainAfterMs: 500, maxDevices: 10, stateOf, now: () => nowMs }
    const silence = createSilence(options)
    /** Measures twice, with the database's answer in between. */
    const at = async (atMs: number): Promise<number[]> => {
      nowMs = atMs
      silence.measure(nowMs)
      await Promise.resolve()
      await new Promise((resolve) => setImmediate(resolve))
      return silence.measure(nowMs).map(({ value }) => value)
    }
    return { silence, at }
  }

  it('is not that of a device which another instance hears', async () => {
    let state: 'online' | 'offline' = 'online'
    const { silence, at } = silenceWith(async () => state)
    silence.heard(device)
    expect(await at(2000)).toEqual([])
    state = 'offline'
    expect(await at(2400)).toEqual([]) // asked again later
    expect(await at(2500)).toEqual([2.5])
    state = 'online'
    expect(await at(3000)).toEqual([])
  })

  it('is told while the database is away, as far as it is known here', async () => {
    const { silence, at } = silenceWith(() => Promise.reject(new Error('away')))
    silence.heard(device)
    expect(await at(2000)).toEqual([2])
  })

  it('is not that of a device which was removed, or has one of two connections left', async () => {
    const { silence, at } = silenceWith(async () => 'gone')
    silence.heard(device)
    expect(await at(2000)).toEqual([])
    const other = silenceWith(async () => 'offline')
    other.silence.began(device)
    other.silence.began(device)
    other.silence.ended(device)
    expect(await other.at(2000)).toEqual([])
    other.silence.ended(device)
    expect(await other.at(4000)).toEqual([2])
  })
})

describe('The name of a subject', () => {
  it('holds nothing that a terminal obeys', () => {
    const subject = { kind: 'client', client: 'a\u001b[31m\nb\u202ec ü', address: 'x' } as const
    expect(nameOf(subject)).toBe('client a?[31m?b?c ü')
  })
})

describe('The topic of an alert', () => {
  it.each([
    [{ kind: 'device', device_id: 'AIOT-ESP32-00000001' }, 'system/alerts/AIOT-ESP32-00000001'],
    [{ kind: 'client', client: 'c', address: 'a', device_id: 'one' }, 'system/alerts/one'],
    [{ kind: 'device', name: 'unknown' }, 'system/alerts/server'],
    [{ kind: 'server' }, 'system/alerts/server'],
    ...['', 'a/b', '+', 'a#', 'a\0'].map(
      (device_id) => [{ kind: 'device', device_id }, 'system/alerts/server'] as const,
    ),
  ] as const)('[MQTT-4.7.3-2] of %j is %s', (subject, topic) => {
    expect(alertTopic(subject)).toBe(topic)
  })
})
