import { describe, expect, it } from 'vitest'
import { administratorAccess, deviceAccess, noAccess, ruledAccess } from '#src/auth/access.js'
import { compileAcl } from '#src/auth/acl.js'
import { parseAclFile } from '#src/auth/acl-file.js'

const uuid = '7c9e6679-7425-40de-944b-e07fc1f90ae7'
const deviceId = 'AIOT-ESP32-00000001'
const other = 'AIOT-ESP32-00000002'

/** What an `acl.conf` of these lines says of a user. */
const rules = (lines: readonly string[], user: string | undefined = 'ann', clientId = 'c1') =>
  compileAcl(parseAclFile('acl.conf', lines.join('\n'))).of({ user, clientId })

const nothing = rules([])
const device = deviceAccess({ uuid, deviceId }, nothing)

/** The topics of docs/messages.md with a device's name as {name}, and what the device of that name may do there. */
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
    expect(device.mayPublish(topic).isAllowed).toBe(may === 'publish')
    expect(device.mayReceive(topic).isAllowed).toBe(may === 'receive')
  })

  it.each(topics.map(([form]) => form.replace('{name}', other)))(
    "%s, which is another's: nothing",
    (topic) => {
      expect(device.mayPublish(topic).isAllowed).toBe(false)
      expect(device.mayReceive(topic).isAllowed).toBe(false)
      expect(device.mayReceiveSomeOf(topic)).toBe(false)
    },
  )

  it.each([
    ['device/control', 'receive'],
    ['system/server/status', 'nothing'],
    ['$SYS/broker/uptime', 'nothing'],
    ['anything', 'nothing'],
  ])("%s, which is no device's: %s", (topic, may) => {
    expect(device.mayPublish(topic).isAllowed).toBe(false)
    expect(device.mayReceive(topic).isAllowed).toBe(may === 'receive')
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
    const odd = deviceAccess({ uuid: '$&', deviceId: "$'" }, nothing)
    expect(odd.mayPublish('devices/$&/data').isAllowed).toBe(true)
    expect(odd.mayPublish("device/$'/data").isAllowed).toBe(true)
    expect(odd.mayPublish('devices/{name}/data').isAllowed).toBe(false)
  })
})

describe('The administrator', () => {
  it.each([`devices/${uuid}/data`, 'anything', '$other/topic', 'a/$SYS'])('may publish to %s', (topic) =>
    expect(administratorAccess.mayPublish(topic).isAllowed).toBe(true),
  )

  it.each(['$SYS', '$SYS/', '$SYS/broker/uptime', '$SYSTEM'])('may not publish to %s', (topic) =>
    expect(administratorAccess.mayPublish(topic).isAllowed).toBe(false),
  )

  it.each(['#', '$SYS/#', `devices/${uuid}/control`])('may receive %s', (topic) => {
    expect(administratorAccess.mayReceive(topic).isAllowed).toBe(true)
    expect(administratorAccess.mayReceiveSomeOf(topic)).toBe(true)
  })
})

describe('Whoever no rule names', () => {
  it.each(['#', '+', 'anything', `devices/${uuid}/data`, 'device/control', '$SYS/#'])(
    'may do nothing with %s',
    (topic) => {
      expect(noAccess.mayPublish(topic).isAllowed).toBe(false)
      expect(noAccess.mayReceive(topic).isAllowed).toBe(false)
      expect(noAccess.mayReceiveSomeOf(topic)).toBe(false)
    },
  )
})

describe('A user of the password file', () => {
  it('may do what the rules of acl.conf say, and is told by which line', () => {
    const access = ruledAccess(rules(['user ann', 'topic read a/#', 'topic write b', 'topic deny a/secret']))
    expect(access.mayReceive('a/b')).toEqual({
      isAllowed: true,
      isRuled: true,
      rule: 'acl.conf line 2: topic read a/#',
    })
    expect(access.mayPublish('b')).toMatchObject({ isAllowed: true, rule: 'acl.conf line 3: topic write b' })
    expect(access.mayReceive('a/secret')).toMatchObject({
      isAllowed: false,
      rule: 'acl.conf line 4: topic deny a/secret',
    })
    expect(access.mayPublish('a/b')).toEqual({
      isAllowed: false,
      isRuled: false,
      rule: 'no rule allows it',
    })
    expect(access.mayReceive('b').isAllowed).toBe(false)
    expect(['a/b', '#', 'a/secret', 'b'].map(access.mayReceiveSomeOf)).toEqual([true, true, false, false])
  })

  it.each([['$SYS'], ['$SYS/broker/uptime'], ['$SYSTEM/x']])(
    'may not publish to %s, whatever acl.conf says',
    (topic) => {
      const acl = rules(['user ann', 'topic readwrite $SYS/#', 'topic $SYS', 'topic $SYSTEM/#'])
      const own = deviceAccess({ uuid, deviceId }, acl)
      for (const access of [ruledAccess(acl), own]) {
        expect(access.mayPublish(topic)).toMatchObject({ isAllowed: false, isRuled: true })
        expect(access.mayReceive(topic).isAllowed).toBe(true)
        expect(access.mayReceiveSomeOf(topic)).toBe(true)
      }
    },
  )

  it.each([
    ['no line', [], false],
    ["another's line", ['user bob', 'topic a'], false],
    ['a line that denies', ['user ann', 'topic deny a'], false],
    ['a line that allows reading', ['user ann', 'topic read a'], true],
    ['a line that allows writing', ['user ann', 'topic write a'], true],
    ['a pattern', ['pattern read a/%u'], true],
  ] as const)('has anything to do by %s (%j): %s', (_what, lines, isAny) => {
    expect(ruledAccess(rules(lines)).isAny).toBe(isAny)
    expect(deviceAccess({ uuid, deviceId }, rules(lines)).isAny).toBe(true)
  })

  it('has nothing to do without a rule, and the administrator everything', () =>
    expect([noAccess.isAny, administratorAccess.isAny]).toEqual([false, true]))
})

describe('A device that acl.conf has rules for', () => {
  const of = (...lines: string[]) => deviceAccess({ uuid, deviceId }, rules(lines, deviceId, uuid))

  it('may do what they add, and still all of its own', () => {
    const access = of(`user ${deviceId}`, 'topic read news', 'topic write log/#', 'pattern readwrite of/%c')
    expect(access.mayReceive('news')).toMatchObject({
      isAllowed: true,
      rule: 'acl.conf line 2: topic read news',
    })
    expect(access.mayPublish('log/a').isAllowed).toBe(true)
    expect(access.mayPublish(`of/${uuid}`).isAllowed).toBe(true)
    expect(access.mayReceiveSomeOf('of/+')).toBe(true)
    expect(access.mayPublish('news').isAllowed).toBe(false)
    expect(access.mayPublish(`of/${other}`).isAllowed).toBe(false)
    expect(access.mayPublish(`devices/${uuid}/data`)).toEqual({
      isAllowed: true,
      isRuled: true,
      rule: "a device's own topics",
    })
    expect(access.mayReceive(`devices/${uuid}/control`).isAllowed).toBe(true)
  })

  it('may not use a topic of its own that a deny rule names, nor subscribe where nothing else is left', () => {
    const access = of(`user ${deviceId}`, `topic deny devices/${uuid}/#`, 'pattern deny device/%u/data')
    for (const topic of [`devices/${uuid}/data`, `device/${deviceId}/data`]) {
      expect(access.mayPublish(topic)).toMatchObject({ isAllowed: false, isRuled: true })
    }
    expect(access.mayReceive(`devices/${uuid}/control`).rule).toBe(
      `acl.conf line 2: topic deny devices/${uuid}/#`,
    )
    expect(access.mayReceiveSomeOf(`devices/${uuid}/#`)).toBe(false)
    expect(access.mayReceiveSomeOf(`devices/${deviceId}/#`)).toBe(true)
    expect(access.mayReceiveSomeOf('devices/#')).toBe(true)
    expect(access.mayPublish(`devices/${deviceId}/data`).isAllowed).toBe(true)
  })

  it("gets no rule of another's, and no rule of anonymous clients", () => {
    const access = of('topic read news', `user ${other}`, 'topic readwrite #')
    expect(access.mayReceive('news').isAllowed).toBe(false)
    expect(access.mayPublish(`devices/${other}/data`).isAllowed).toBe(false)
  })
})

describe('Decisions', () => {
  /** An access that counts how often it asks its rules. */
  function counted() {
    const asked: string[] = []
    const access = ruledAccess({
      decide(topic, wanted) {
        asked.push(`${wanted} ${topic}`)
        return { isAllowed: wanted === 'read', isRuled: true, rule: topic }
      },
      mayReadSomeOf: () => true,
      allowsAnything: true,
    })
    return { access, asked }
  }

  it('are remembered, those on publishing apart from those on receiving', () => {
    const { access, asked } = counted()
    const decision = access.mayPublish('a')
    expect(access.mayPublish('a')).toBe(decision)
    expect(access.mayReceive('a')).not.toBe(decision)
    expect(access.mayReceive('a').isAllowed).toBe(true)
    expect(access.mayPublish('a').isAllowed).toBe(false)
    expect(asked).toEqual(['write a', 'read a'])
  })

  it('are remembered of 64 topics, and anew of the topics after them', () => {
    const { access, asked } = counted()
    const topics = Array.from({ length: 64 }, (_, index) => `topic ${index}`)
    for (const topic of [...topics, ...topics]) access.mayReceive(topic)
    expect(asked).toHaveLength(64)
    access.mayReceive('one more')
    access.mayReceive('topic 0')
    expect(asked.slice(64)).toEqual(['read one more', 'read topic 0'])
  })

  it('are remembered of no topic over 128 characters', () => {
    const { access, asked } = counted()
    const [short, long] = ['x'.repeat(128), 'x'.repeat(129)]
    for (const topic of [short, short, long, long]) access.mayReceive(topic)
    expect(asked).toEqual([short, long, long].map((topic) => `read ${topic}`))
  })

  it('are remembered for a device too, whose own topics come after its rules', () => {
    const asked: string[] = []
    const decide = (topic: string) => {
      asked.push(topic)
      return { isAllowed: false, isRuled: false, rule: '' }
    }
    const own = `devices/${uuid}/data`
    const access = deviceAccess(
      { uuid, deviceId },
      { decide, mayReadSomeOf: () => false, allowsAnything: false },
    )
    for (const topic of [own, 'a', own, 'a']) access.mayPublish(topic)
    expect(asked).toEqual([own, 'a'])
    expect(access.mayPublish(own).isAllowed).toBe(true)
  })
})
