import { describe, expect, it } from 'vitest'
import { createTurns } from '#src/broker/turns.js'

/** Every order of the numbers 0 to `count` - 1. */
function permutations(count: number): number[][] {
  if (count === 0) return [[]]
  return permutations(count - 1).flatMap((one) =>
    Array.from({ length: count }, (_, place) => one.toSpliced(place, 0, count - 1)),
  )
}

describe('Turns', () => {
  it('[MQTT-4.6.0-2] let messages go in the order of their arrival, in whichever order they end', () => {
    for (const order of permutations(5)) {
      const turns = createTurns()
      const places = order.map(() => turns.take())
      const gone: number[] = []
      for (const [ended, index] of order.entries()) {
        places[index]?.end(() => gone.push(index))
        const expected = order.slice(0, ended + 1)
        const inOrder = [0, 1, 2, 3, 4].findIndex((place) => !expected.includes(place))
        expect(gone).toEqual([0, 1, 2, 3, 4].slice(0, inOrder === -1 ? 5 : inOrder))
        expect(turns.length).toBe(5 - gone.length)
      }
    }
  })

  it('let a message go at once when none is before it', () => {
    const turns = createTurns()
    let isGone = false
    turns.take().end(() => {
      isGone = true
    })
    expect(isGone).toBe(true)
    expect(turns.length).toBe(0)
  })

  it('keep the order when letting one go makes another arrive and end', () => {
    const turns = createTurns()
    const gone: string[] = []
    const [first, second] = [turns.take(), turns.take()]
    second.end(() => gone.push('second'))
    first.end(() => {
      gone.push('first')
      turns.take().end(() => gone.push('third'))
    })
    expect(gone).toEqual(['first', 'second', 'third'])
    expect(turns.length).toBe(0)
  })
})
