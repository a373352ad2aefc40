import { expect, it } from 'vitest'
import { createTurnstile } from '#src/web/api/turnstile.js'

/** Work that goes on until it is ended. */
function openWork() {
  let isBegun = false
  let [resolve, reject] = [(_: string): void => undefined, (_: Error): void => undefined]
  const ended = new Promise<string>((done, failed) => {
    ;[resolve, reject] = [done, failed]
  })
  const work = (): Promise<string> => {
    isBegun = true
    return ended
  }
  return { work, resolve, reject, isBegun: () => isBegun }
}

it('a turnstile lets so many through at once, others in their order, and refuses those beyond', async () => {
  const { pass } = createTurnstile(1, 2)
  const [one, two, three] = [openWork(), openWork(), openWork()]
  const passed = [one, two, three].map(({ work }) => pass(work))
  await expect(pass(async () => 'four')).rejects.toMatchObject({ statusCode: 503 })
  expect([one.isBegun(), two.isBegun(), three.isBegun()]).toEqual([true, false, false])
  one.reject(new Error('one fails'))
  await expect(passed[0]).rejects.toThrow('one fails')
  expect([two.isBegun(), three.isBegun()]).toEqual([true, false])
  two.resolve('two')
  three.resolve('three')
  expect(await Promise.all(passed.slice(1))).toEqual(['two', 'three'])
  expect(await pass(async () => 'five')).toBe('five')
})
