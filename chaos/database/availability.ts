import { setTimeout as delay } from 'node:timers/promises'
import { between } from '../support/random.js'
import type { Upset } from './upset.js'

/** MariaDB is killed, and started again. */
export const down: Upset = {
  name: 'database-down',
  about: 'kill -9 of MariaDB, and a start after a minute',
  seconds: 60,
  async act({ mariadb, seconds }) {
    await mariadb.crash()
    await delay(seconds * 1000)
    await mariadb.restart()
    return `MariaDB killed, started after ${seconds} s`
  },
}

/** MariaDB stops answering, though its connections stay open. */
export const frozen: Upset = {
  name: 'database-frozen',
  about: 'kill -STOP of MariaDB: for 3 s, for 10 s, and for longer than any answer is waited for',
  seconds: 40,
  async act({ mariadb, seconds }) {
    const times = [3, 10, seconds]
    for (const time of times) {
      mariadb.freeze()
      await delay(time * 1000)
      mariadb.thaw()
      await delay(2000)
    }
    return `MariaDB frozen for ${times.join(', ')} s`
  },
}

const LONGEST_FAULT_MS = 3000
const LONGEST_CALM_MS = 2000

/** The line to MariaDB fails in every way that a line can. */
export const badLine: Upset = {
  name: 'database-line',
  usesLine: true,
  about: 'a proxy before MariaDB that resets, cuts, half-opens and swallows',
  seconds: 60,
  async act({ line, random, seconds }) {
    const counts = { reset: 0, cut: 0, halfOpen: 0, swallow: 0 }
    const kinds = ['reset', 'cut', 'halfOpen', 'swallow'] as const
    const untilMs = performance.now() + seconds * 1000
    while (performance.now() < untilMs) {
      const kind = random.of(kinds)
      counts[kind] += 1
      line[kind]()
      if (kind === 'swallow') await delay(between(random, 100, LONGEST_FAULT_MS))
      line.heal()
      await delay(random.below(LONGEST_CALM_MS))
    }
    const { reset, cut, halfOpen, swallow } = counts
    return `${reset} times reset, ${cut} cut, ${halfOpen} half open, ${swallow} swallowed`
  },
}
