import { pino } from 'pino'
import { expect, inject, onTestFinished, test } from 'vitest'
import { startHistoryKeeper } from '#src/store/history-keeper.js'
import { createSignal } from '../support/signal.js'
import { emptyDatabase } from '../support/store-databases.js'

const DAY_MS = 86_400_000

test.each(['mysql', 'sqlite'] as const)(
  '%s: readings older than HISTORY_DAYS are deleted, the others stay',
  async (kind) => {
    const database = await emptyDatabase(kind, inject('mariadbPort'))
    const store = await database.open()
    onTestFinished(async () => {
      await store.close()
      await database.remove()
    })
    const now = Date.now()
    const ages = [0, 1, 29, 31, 400]
    const history = [1, 2].flatMap((deviceId) =>
      ['a', 'b'].flatMap((sensor) =>
        ages.map((days) => ({
          deviceId,
          sensor,
          recordedAtMs: now - days * DAY_MS,
          discriminator: 0,
          value: days,
        })),
      ),
    )
    await store.write({ devices: [], sensors: [], history })
    const walked = createSignal()
    const keeper = startHistoryKeeper(
      {
        newestSeen: store.newestSeen,
        async pruneHistory(beforeMs, limit, cursor) {
          const step = await store.pruneHistory(beforeMs, limit, cursor)
          if (step.cursor === undefined) walked.give()
          return step
        },
      },
      30,
      pino({ level: 'silent' }),
    )
    await walked.given
    await keeper.stop()
    const rows = await database.query('SELECT value FROM device_sensor_history ORDER BY value')
    expect(rows.map(({ value }) => Number(value))).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 29, 29, 29, 29])
  },
)
