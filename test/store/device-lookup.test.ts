import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createDeviceLookup } from '#src/store/device-lookup.js'
import { openStore } from '#src/store/open-store.js'
import { StoreError } from '#src/store/store-error.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** A look-up in a database with the devices `a` to `d`, and the statements that it takes, by their names. */
async function lookUpDevices() {
  const path = join(await temporaryFolder(), 'test.db')
  const store = await openStore({ kind: 'sqlite', path }, { zoneOffsetMinutes: 0 })
  onTestFinished(() => store.close())
  for (const name of ['a', 'b', 'c', 'd']) {
    await store.addDevice({ uuid: name, deviceId: `id-${name}`, name, secret: 's' })
  }
  const statements: (readonly string[])[] = []
  const away = new Set<string>()
  const look = async <T>(names: readonly string[], ask: () => Promise<T>): Promise<T> => {
    statements.push(names)
    if (names.some((name) => away.has(name))) throw new StoreError('STORE_UNAVAILABLE', 'away for this test')
    return ask()
  }
  const lookUp = createDeviceLookup({
    findDevice: (name) => look([name], () => store.findDevice(name)),
    findDevices: (names) => look(names, () => store.findDevices(names)),
  })
  return { lookUp, statements, away }
}

test('devices that are asked for while the store answers share the next statement', async () => {
  const { lookUp, statements } = await lookUpDevices()
  const found = await Promise.all(['a', 'id-b', 'nobody', 'c', 'c'].map(lookUp))
  expect(found.map((device) => device?.uuid)).toEqual(['a', 'b', undefined, 'c', 'c'])
  expect(statements).toEqual([['a'], ['id-b', 'nobody', 'c']])
  expect((await lookUp('d'))?.uuid).toBe('d')
  expect(statements).toHaveLength(3)
})

test('a statement holds 32 names at the most', async () => {
  const { lookUp, statements } = await lookUpDevices()
  await Promise.all(Array.from({ length: 66 }, (_, index) => lookUp(`device ${index}`)))
  expect(statements.map((names) => names.length)).toEqual([1, 32, 32, 1])
})

test('a name that could spoil a statement is asked for alone', async () => {
  const { lookUp, statements } = await lookUpDevices()
  const odd = ['x'.repeat(51), 'a\u0000', '\u{1f41d}', '']
  await Promise.all(['a', 'b', ...odd, 'c'].map(lookUp))
  expect(statements).toContainEqual(['b', 'c'])
  for (const name of odd) expect(statements).toContainEqual([name])
})

test('those whose statement fails are told so, and no others', async () => {
  const { lookUp, away } = await lookUpDevices()
  away.add('b')
  const settled = await Promise.allSettled(['a', 'b', 'c'].map(lookUp))
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
  expect((await lookUp('c'))?.uuid).toBe('c')
})
