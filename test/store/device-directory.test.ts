import { expect, test } from 'vitest'
import type { Device } from '#src/store/device.js'
import { createDeviceDirectory } from '#src/store/device-directory.js'
import { StoreError } from '#src/store/store-error.js'

const device: Device = { id: 1, uuid: 'u', deviceId: 'd', secret: 's', isActive: true }

/** A directory over a store that answers with `answer`, and a count of its questions. */
function directoryOver(answer: () => Device | undefined) {
  let asked = 0
  let nowMs = 1
  const directory = createDeviceDirectory(
    {
      async findDevice() {
        asked += 1
        return answer()
      },
      addDevice: () => Promise.reject(new StoreError('STORE_CONFLICT', 'not in this test')),
    },
    10,
    { now: () => nowMs },
  )
  const pass = (ms: number): void => {
    nowMs += ms
  }
  return { directory, asked: () => asked, pass }
}

test('what is asked at the same time is asked once, and then remembered', async () => {
  const { directory, asked } = directoryOver(() => device)
  expect(await Promise.all([directory.find('u'), directory.find('u')])).toEqual([device, device])
  expect(directory.peek('u')).toEqual(device)
  await directory.find('u')
  expect(asked()).toBe(1)
  await directory.refresh('u')
  expect(asked()).toBe(2)
})

test('an unknown device is asked for again', async () => {
  const { directory, asked } = directoryOver(() => undefined)
  expect(await directory.find('u')).toBeUndefined()
  expect(await directory.find('u')).toBeUndefined()
  expect(asked()).toBe(2)
})

test('while the store is away, what was known stays known, and what was not is no “unknown”', async () => {
  let isAway = false
  const { directory, asked, pass } = directoryOver(() => {
    if (isAway) throw new StoreError('STORE_UNAVAILABLE', 'away for this test')
    return device
  })
  await directory.find('u')
  isAway = true
  pass(3_600_000)
  expect(await directory.find('u')).toEqual(device)
  expect(asked()).toBe(2)
  expect(await directory.refresh('u')).toEqual(device)
  await expect(directory.find('someone')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
})

test('a change is noticed within a minute', async () => {
  let isActive = true
  const { directory, pass } = directoryOver(() => ({ ...device, isActive }))
  await directory.find('u')
  isActive = false
  pass(60_000)
  expect(directory.peek('u')).toBeUndefined()
  expect(await directory.find('u')).toMatchObject({ isActive: false })
})
