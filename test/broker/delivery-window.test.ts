import { describe, expect, it } from 'vitest'
import { createDeliveryWindow } from '#src/broker/delivery-window.js'

const nothing = (): boolean => false

describe('[MQTT-2.3.1-2] packet identifiers', () => {
  it('go from 1 to 65,535, and round again past those in use', () => {
    const window = createDeliveryWindow(20, nothing)
    expect(window.take()).toBe(1)
    expect(window.claim(3)).toBe(true)
    for (let taken = 2; taken <= 65_535; taken += 1) {
      if (taken === 3) continue
      expect(window.take()).toBe(taken)
      window.free(taken)
    }
    expect(window.take()).toBe(2)
    expect(window.take()).toBe(4)
    expect(window.claim(4)).toBe(false)
  })

  it('leave out those that are still to be sent again', () => {
    const window = createDeliveryWindow(20, (packetIdentifier) => packetIdentifier < 10)
    expect(window.take()).toBe(10)
    expect(window.claim(5)).toBe(true)
  })

  it('run out when all are in use', () => {
    const window = createDeliveryWindow(65_535, nothing)
    const taken = new Set(Array.from({ length: 65_535 }, () => window.take()))
    expect(taken.size).toBe(65_535)
    expect(window.room).toBe(0)
    expect(window.take()).toBeUndefined()
    window.free(77)
    expect(window.take()).toBe(77)
  })
})

it('A window has room for as many as it may have, also when it was claimed beyond that', () => {
  const window = createDeliveryWindow(2, nothing)
  window.claim(1)
  expect(window.room).toBe(1)
  window.claim(2)
  window.claim(3)
  expect(window.room).toBe(0)
  window.free(1)
  window.free(1)
  window.free(99)
  expect(window.room).toBe(0)
  window.free(2)
  expect(window.room).toBe(1)
})
