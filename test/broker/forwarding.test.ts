import { expect, test } from 'vitest'
import { createForwarding } from '#src/broker/forwarding.js'
import { createTurns } from '#src/broker/turns.js'
import { createEnding } from '#src/ending/ending.js'
import { createLogger } from '#src/log/logger.js'

const log = await createLogger({ LOG_LEVEL: 'fatal', LOG_FORMAT: 'json' })

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

test('a message that the disk refuses is tried again until the stop, which gives it up unacknowledged', async () => {
  const before = timers()
  const forwarding = createForwarding(log)
  const happened: string[] = []
  const tried = new Promise<void>((resolve) => {
    const sender = {
      ending: createEnding(),
      deliveries: createTurns(),
      inlet: {
        hold: (isHeld: boolean) => {
          happened.push(isHeld ? 'held' : 'released')
          resolve()
        },
      },
    }
    const publication = {
      store: () => Promise.reject(new Error('no space left on the disk')),
      deliver: () => void happened.push('delivered'),
      abandon: () => void happened.push('abandoned'),
      isRepeatable: true,
    }
    forwarding.forward(sender, {
      publication,
      isAwaited: true,
      endsWithConnection: true,
      settled: (isDone) => void happened.push(isDone ? 'acknowledged' : 'not acknowledged'),
    })
  })
  await tried
  forwarding.stop()
  await forwarding.idle()
  expect(happened).toEqual(['held', 'abandoned', 'not acknowledged', 'released'])
  expect(timers()).toBe(before)
})
