import { describe, expect, it } from 'vitest'
import { administratorAccess, deviceAccess, noAccess } from '#src/auth/access.js'

const uuid = '7c9e6679-7425-40de-944b-e07fc1f90ae7'
const deviceId = 'AIOT-ESP32-00000001'
const other = 'AIOT-ESP32-00000002'
const device = deviceAccess({ uuid, deviceId })

/** DESIGN's topics with a device's name as {name}, and what the device of that name may do there. */
const topics: readonly (readonly [topic: string, may: 'publish' | 'receive' | 'nothing'])[] = [
  ['devices/{name}/data', 'publish'],
  ['devices/{name}/status', 'publish'],
  ['devices/{name}/heartbeat', 'publish'],
  ['device/{name}/data', 'publish'],
  ['device/{name}/status', 'publish'],
  ['device/{name}/heartbeat', 'publish'],
  ['langchain/response/{name}', 'publish'],
  ['system/alerts/{name}', 'publish'],
  ['devices/{name}/control', 'receive'],
  ['device/{name}/control', 'receive'],
  ['langchain/process/{name}', 'receive'],
  ['devices/{name}', 'nothing'],
  ['devices/{name}/data/more', 'nothing'],
  ['devices/{name}/other', 'nothing'],
  ['/devices/{name}/data', 'nothing'],
  ['devices//{name}/data', 'nothing'],
  ['DEVICES/{name}/data', 'nothing'],
]

describe('A device', () => {
  it.each(
    topics.flatMap(([form, may]) => [uuid, deviceId].map((name) => [form.replace('{name}', name), may])),
  )('%s, which is its own: %s', (topic, may) => {
    expect(device.mayPublish(topic)).toBe(may === 'publish')
    expect(device.mayReceive(topic)).toBe(may === 'receive')
  })

  it.each(topics.map(([form]) => form.replace('{name}', other)))(
    "%s, which is another's: nothing",
    (topic) => {
      expect(device.mayPublish(topic)).toBe(false)
      expect(device.mayReceive(topic)).toBe(false)
      expect(device.mayReceiveSomeOf(topic)).toBe(false)
    },
  )

  it.each([
    ['device/control', 'receive'],
    ['system/server/status', 'nothing'],
    ['$SYS/broker/uptime', 'nothing'],
    ['anything', 'nothing'],
  ])("%s, which is no device's: %s", (topic, may) => {
    expect(device.mayPublish(topic)).toBe(false)
    expect(device.mayReceive(topic)).toBe(may === 'receive')
  })

  it.each([
    `devices/${uuid}/control`,
    `devices/${deviceId}/control`,
    `devices/${uuid}/#`,
    `devices/${uuid}/+`,
    'devices/#',
    'devices/+/control',
    'device/+',
    'device/#',
    'langchain/#',
    '+/+/+',
    '+/control',
    '#',
  ])('may subscribe to %s, which holds a topic that it may receive', (filter) =>
    expect(device.mayReceiveSomeOf(filter)).toBe(true),
  )

  it.each([
    `devices/${other}/control`,
    `devices/${other}/#`,
    `devices/${uuid}/data`,
    `devices/${uuid}`,
    'devices/+',
    'devices/+/data',
    'devices/+/control/+',
    'langchain/response/#',
    'system/#',
    '$SYS/#',
    '+',
    '+/+/+/+',
  ])('may not subscribe to %s, which holds none', (filter) =>
    expect(device.mayReceiveSomeOf(filter)).toBe(false),
  )

  it('has topics with its name to the letter, whatever the name looks like', () => {
    const odd = deviceAccess({ uuid: '$&', deviceId: "$'" })
    expect(odd.mayPublish('devices/$&/data')).toBe(true)
    expect(odd.mayPublish("device/$'/data")).toBe(true)
    expect(odd.mayPublish('devices/{name}/data')).toBe(false)
  })
})

describe('The administrator', () => {
  it.each([`devices/${uuid}/data`, 'anything', '$other/topic', '$SYSTEM'])('may publish to %s', (topic) =>
    expect(administratorAccess.mayPublish(topic)).toBe(true),
  )

  it.each(['$SYS/', '$SYS/broker/uptime', '$SYS/a/b/c'])('may not publish to %s', (topic) =>
    expect(administratorAccess.mayPublish(topic)).toBe(false),
  )

  it.each(['#', '$SYS/#', `devices/${uuid}/control`])('may receive %s', (topic) => {
    expect(administratorAccess.mayReceive(topic)).toBe(true)
    expect(administratorAccess.mayReceiveSomeOf(topic)).toBe(true)
  })
})

describe('Whoever no rule names', () => {
  it.each(['#', '+', 'anything', `devices/${uuid}/data`, 'device/control', '$SYS/#'])(
    'may do nothing with %s',
    (topic) => {
      expect(noAccess.mayPublish(topic)).toBe(false)
      expect(noAccess.mayReceive(topic)).toBe(false)
      expect(noAccess.mayReceiveSomeOf(topic)).toBe(false)
    },
  )
})
