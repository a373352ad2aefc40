import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startMosquitto } from '../support/mosquitto.js'
import type { AtEnd } from '../support/temporary-folder.js'
import { type Case, outcomeSteps, type Step } from './case.js'
import { connectCases } from './connect.js'
import { startDamselfly } from './damselfly.js'
import { deliveryCases } from './delivery.js'
import { type Difference, differences } from './differences.js'
import { fixedHeaderCases } from './fixed-header.js'
import { expected, play } from './play.js'
import { publishCases } from './publish.js'
import { subscribeCases } from './subscribe.js'
import { textCases } from './text.js'

const tables: Readonly<Record<string, readonly Case[]>> = {
  'The fixed header': fixedHeaderCases,
  'A CONNECT': connectCases,
  'A PUBLISH': publishCases,
  'A subscription': subscribeCases,
  'A string': textCases,
  'A message between clients': deliveryCases,
}

const titleOf = ({ clause, name }: Case): string => `[${clause}] ${name}`

/** What Mosquitto is to do. */
function stepsOf({ steps }: Case, difference: Difference | undefined): readonly Step[] {
  if (difference === undefined) return steps
  if (!('end' in difference.mosquitto)) return difference.mosquitto
  const lastSent = steps.findLastIndex((step) => step.do === 'send')
  return [...steps.slice(0, lastSent + 1), ...outcomeSteps(difference.mosquitto)]
}

describe('The same bytes, sent to Damselfly and to Mosquitto', () => {
  const ends: (() => unknown)[] = []
  let damselfly = 0
  let mosquitto = 0

  beforeAll(async () => {
    const atEnd: AtEnd = (end) => void ends.unshift(end)
    damselfly = (await startDamselfly(atEnd)).port
    mosquitto = (await startMosquitto({ allow_anonymous: 'true', set_tcp_nodelay: 'true' }, atEnd)).port
  })
  afterAll(async () => {
    for (const end of ends) await end()
  })

  describe.each(Object.entries(tables))('%s', (_what, cases) => {
    it.each(cases.map((row) => [titleOf(row), row] as const))('%s', async (title, row) => {
      const theirs = stepsOf(row, differences[title])
      const [ours, mosquittos] = await Promise.all([play(damselfly, row.steps), play(mosquitto, theirs)])
      expect(ours, 'Damselfly').toEqual(expected(row.steps))
      expect(mosquittos, 'Mosquitto').toEqual(expected(theirs))
    })
  })

  it('are enough, no two cases have one title, and every difference is one of a case', () => {
    const titles = Object.values(tables).flatMap((cases) => cases.map(titleOf))
    expect(titles.length).toBeGreaterThan(400)
    expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([])
    const rows = new Map(Object.values(tables).flatMap((cases) => cases.map((row) => [titleOf(row), row])))
    const needless = Object.entries(differences).filter(([title, difference]) => {
      const row = rows.get(title)
      return row === undefined || `${expected(row.steps)}` === `${expected(stepsOf(row, difference))}`
    })
    expect(needless.map(([title]) => title)).toEqual([])
  })
})
