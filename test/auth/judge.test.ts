import { describe, expect, it } from 'vitest'
import { administratorAccess } from '#src/auth/access.js'
import {
  authenticatorWith,
  cheapHash,
  device,
  directoryOf,
  letIn,
  passwordsOf,
  rulesOf,
} from '../support/authenticator.js'

const hash = cheapHash('right')
const users = (more: Parameters<typeof passwordsOf>[0] = {}) => passwordsOf({ ann: hash, ...more })

/** Ann, a device, both of them by certificate, and an anonymous client, all logged in. */
async function everyone(rules = rulesOf(users())) {
  const authenticator = authenticatorWith({ rules, allowsAnonymous: true })
  const { logIn, authenticate } = authenticator
  return {
    authenticator,
    ann: await letIn(logIn('ann', 'right')),
    one: await letIn(logIn(device.uuid, device.secret)),
    certifiedAnn: await letIn(authenticate({ certificate: { name: 'ann' } })),
    certifiedOne: await letIn(authenticate({ certificate: { name: device.uuid } })),
    anonymous: await letIn(authenticate({})),
  }
}

describe('Who is logged in', () => {
  it('stays who it is while nothing has changed', async () => {
    const { authenticator, ...identities } = await everyone()
    for (const before of Object.values(identities)) {
      const { access: _access, ...rest } = before
      expect(authenticator.judge(before)).toMatchObject(rest)
    }
  })

  it('stays when others come and go in the password file', async () => {
    const { authenticator, ...identities } = await everyone()
    authenticator.rules = rulesOf(users({ bob: 'new' }))
    for (const before of Object.values(identities)) expect(authenticator.judge(before)).toBeDefined()
  })

  it.each([
    ['has another password', passwordsOf({ ann: 'new' })],
    ['has the same password under another hash', passwordsOf({ ann: 'right' })],
    ['is no user any more', passwordsOf({})],
  ])('as a user that %s is out, but not by a certificate', async (_what, passwords) => {
    const { authenticator, ann, certifiedAnn, one } = await everyone()
    authenticator.rules = rulesOf(passwords)
    expect(authenticator.judge(ann)).toBe(undefined)
    expect(authenticator.judge(certifiedAnn)?.user).toBe('ann')
    expect(authenticator.judge(one)?.owner).toBe('device 1')
  })

  it('as a device is out when a user of the name that it took is added, by secret and by certificate', async () => {
    const { authenticator, one, certifiedOne } = await everyone()
    authenticator.rules = rulesOf(users({ [device.deviceId]: 'any' }))
    expect(authenticator.judge(one)?.owner).toBe('device 1')
    expect(authenticator.judge(certifiedOne)?.owner).toBe('device 1')
    authenticator.rules = rulesOf(users({ [device.uuid]: 'any' }))
    expect(authenticator.judge(one)).toBe(undefined)
    expect(authenticator.judge(certifiedOne)).toBe(undefined)
  })

  it('as the administrator is an ordinary user when another is named, who then is the administrator', async () => {
    const rules = rulesOf(users({ eve: 'right' }), { administrator: 'ann' })
    const { authenticator, ann } = await everyone(rules)
    const eve = await letIn(authenticator.logIn('eve', 'right'))
    expect([ann.access, eve.access.isAny]).toEqual([administratorAccess, false])
    authenticator.rules = { ...rules, administrator: 'eve' }
    expect(authenticator.judge(ann)?.access.isAny).toBe(false)
    expect(authenticator.judge(eve)?.access).toBe(administratorAccess)
  })

  it('may do what the rules say that are in force now', async () => {
    const before = 'topic read open\nuser ann\ntopic read news\nuser uuid-1\ntopic read news'
    const { authenticator, ann, one, anonymous } = await everyone(rulesOf(users(), { acl: before }))
    const passwords = authenticator.rules.passwords
    const after = 'topic write open\nuser ann\ntopic write news\nuser uuid-1\ntopic deny devices/uuid-1/data'
    authenticator.rules = rulesOf(passwords, { acl: after })
    const now = [ann, one, anonymous].map((identity) => authenticator.judge(identity)?.access)
    expect(now.map((access) => access?.mayReceive('news').isAllowed)).toEqual([false, false, false])
    expect(now.map((access) => access?.mayPublish('news').isAllowed)).toEqual([true, false, false])
    expect(now.map((access) => access?.mayPublish('open').isAllowed)).toEqual([false, false, true])
    expect(ann.access.mayReceive('news').isAllowed).toBe(true)
    expect(one.access.mayPublish('devices/uuid-1/data').isAllowed).toBe(true)
    expect(now[1]?.mayPublish('devices/uuid-1/data').isAllowed).toBe(false)
    expect(now[1]?.mayPublish('devices/uuid-1/status').isAllowed).toBe(true)
  })
})

describe('Rules that change while a login is checked', () => {
  it('keep out a user whose password they have changed', async () => {
    const passwords = users()
    const authenticator = authenticatorWith()
    authenticator.rules = rulesOf({
      ...passwords,
      async verify(...login) {
        const isRight = await passwords.verify(...login)
        authenticator.rules = rulesOf(passwordsOf({ ann: 'new' }))
        return isRight
      },
    })
    expect(await authenticator.outcome('ann', 'right')).toBe('wrong user name or password')
  })

  it('keep out a device whose name has become a user', async () => {
    const devices = directoryOf(device)
    const authenticator = authenticatorWith({
      devices: {
        ...devices,
        async find(name) {
          authenticator.rules = rulesOf(users({ [device.uuid]: 'any' }))
          return devices.find(name)
        },
      },
    })
    expect(await authenticator.outcome(device.uuid, device.secret)).toBe('wrong user name or password')
  })

  it('are the ones by which a user who stays is let in', async () => {
    const passwords = users()
    const authenticator = authenticatorWith()
    authenticator.rules = rulesOf({
      ...passwords,
      async verify(...login) {
        authenticator.rules = rulesOf(passwords, { acl: 'user ann\ntopic read news' })
        return passwords.verify(...login)
      },
    })
    const { access } = await letIn(authenticator.logIn('ann', 'right'))
    expect(access.mayReceive('news').isAllowed).toBe(true)
  })
})
