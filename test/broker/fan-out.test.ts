import { expect, it } from 'vitest'
import { createFanOut } from '#src/broker/fan-out.js'

const message = { topic: 'a/b', payload: Buffer.from('24.4'), isRetained: false }

it('A message is encoded once for all who have it in one turn', () => {
  const fanOut = createFanOut()
  const bytes = fanOut.encode(message)
  expect(fanOut.encode({ ...message })).toBe(bytes)
  for (const other of [{ topic: 'a/c' }, { payload: Buffer.from('24.4') }, { isRetained: true }]) {
    expect(fanOut.encode({ ...message, ...other })).not.toBe(bytes)
  }
})

it('Several buffers are joined once for all who have the same, and one is as it was', () => {
  const fanOut = createFanOut()
  const [one, two, three] = [Buffer.from('one '), Buffer.from('two '), Buffer.from('three')]
  const joined = fanOut.join([one, two])
  expect(joined.toString()).toBe('one two ')
  expect(fanOut.join([one, two])).toBe(joined)
  expect(fanOut.join([one, three]).toString()).toBe('one three')
  expect(fanOut.join([one, three, two]).toString()).toBe('one threetwo ')
  expect(fanOut.join([three])).toBe(three)
})
