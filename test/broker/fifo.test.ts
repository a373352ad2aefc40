import { expect, it } from 'vitest'
import { createFifo } from '#src/broker/fifo.js'

it('Thousands come out in the order of their coming, while more come', () => {
  const fifo = createFifo<number>()
  const out: (number | undefined)[] = []
  for (let index = 0; index < 5000; index += 1) {
    fifo.push(2 * index)
    fifo.push(2 * index + 1)
    out.push(fifo.shift())
  }
  expect(fifo.length).toBe(5000)
  while (fifo.length > 0) out.push(fifo.shift())
  expect(out).toEqual(Array.from({ length: 10_000 }, (_, index) => index))
  expect(fifo.shift()).toBeUndefined()
  fifo.push(1)
  fifo.clear()
  expect(fifo.length).toBe(0)
})
