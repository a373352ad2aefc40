import { expect, test } from 'vitest'
import { createEnding } from '#src/ending/ending.js'

test('an end is told of once, in the order in which it was asked for', () => {
  const ending = createEnding()
  const told: string[] = []
  const taken = (): void => void told.push('taken back')
  ending.onEnd(() => told.push('first'))
  ending.onEnd(taken)
  ending.onEnd(() => told.push('second'))
  ending.offEnd(taken)
  expect(ending.hasEnded).toBe(false)
  ending.end()
  expect(ending.hasEnded).toBe(true)
  ending.end()
  ending.onEnd(() => told.push('too late'))
  ending.end()
  expect(told).toEqual(['first', 'second'])
})

test('who is told of an end finds it there already', () => {
  const ending = createEnding()
  const seen: boolean[] = []
  ending.onEnd(() => {
    seen.push(ending.hasEnded)
    ending.end()
  })
  ending.end()
  expect(seen).toEqual([true])
})
