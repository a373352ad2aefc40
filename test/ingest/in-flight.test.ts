import { expect, it } from 'vitest'
import { createInFlight } from '#src/ingest/in-flight.js'

/** Lets every promise that can resolve do so. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it('Settled means that all that began before has ended, whatever began since', async () => {
  const { begin, settled } = createInFlight()
  const told: string[] = []
  const watch = (name: string): void => void settled().then(() => told.push(name))
  const [first, second] = [begin(), begin()]
  watch('a')
  const third = begin()
  watch('b')
  watch('c')
  third()
  first()
  await turn()
  expect(told).toEqual([])
  const fourth = begin()
  second()
  await turn()
  expect(told).toEqual(['a', 'b', 'c'])
  watch('d')
  fourth()
  await turn()
  expect(told).toEqual(['a', 'b', 'c', 'd'])
  await settled() // of nothing
})
