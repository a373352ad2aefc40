import { describe, expect, it } from 'vitest'
import { PasswordsBusyError } from '#src/auth/passwords.js'
import { createEnding } from '#src/ending/ending.js'
import { authenticatorWith, device, directoryOf, passwordsOf, rulesOf } from '../support/authenticator.js'

const WRONG = 'wrong user name or password'
const TOO_MANY = 'too many failed logins'

/** Refuses after one failure, so that a single one that counted shows. */
const strict = { failures: 1, refuseAfter: 1 }
const [home, elsewhere] = ['192.0.2.1', '192.0.2.2']
const ann = () => rulesOf(passwordsOf({ ann: 'right', bob: 'right' }))

describe('The lockout', () => {
  it.each([
    ['a wrong password', 'ann', 'wrong'],
    ['an unknown user', 'nobody', 'right'],
    ["a device's wrong secret", device.uuid, 'wrong'],
  ])('counts %s, and refuses the address and the user name unchecked', async (_what, user, password) => {
    const { outcome, verified } = authenticatorWith({ rules: ann(), lockout: strict })
    expect(await outcome(user, password)).toBe(WRONG)
    expect(await outcome('bob', 'right')).toBe(TOO_MANY)
    expect(await outcome(user, 'right', elsewhere)).toBe(TOO_MANY)
    expect(verified).toEqual([user])
    expect(await outcome('bob', 'right', elsewhere)).toBe('in')
  })

  it('does not hold up a login that was right before from the same address', async () => {
    const { outcome } = authenticatorWith({ rules: ann(), lockout: strict })
    expect(await outcome('ann', 'right')).toBe('in')
    expect(await outcome(device.uuid, device.secret)).toBe('in')
    expect(await outcome('ann', 'wrong')).toBe(WRONG)
    expect(await outcome('ann', 'right')).toBe('in')
    expect(await outcome(device.uuid, device.secret)).toBe('in')
    expect(await outcome('bob', 'right')).toBe(TOO_MANY)
    expect(await outcome('ann', 'right', elsewhere)).toBe(TOO_MANY)
  })

  it('counts a login that was right before and is not any more, which is then like any other', async () => {
    const authenticator = authenticatorWith({ rules: ann(), lockout: strict })
    expect(await authenticator.outcome('ann', 'right')).toBe('in')
    authenticator.rules = rulesOf(passwordsOf({ ann: 'new', bob: 'right' }))
    expect(await authenticator.outcome('ann', 'right')).toBe(WRONG)
    expect(await authenticator.outcome('bob', 'right')).toBe(TOO_MANY)
    const checked = authenticator.verified.length
    expect(await authenticator.outcome('ann', 'right')).toBe(TOO_MANY)
    authenticator.rules = ann()
    expect(await authenticator.outcome('ann', 'right')).toBe(TOO_MANY)
    expect(authenticator.verified).toHaveLength(checked)
  })

  it('counts nothing while the store is away', async () => {
    let isAway = true
    const stored = directoryOf(device)
    const find = async (name: string) => {
      if (isAway) throw new Error('the store is away')
      return stored.find(name)
    }
    const { logIn, outcome } = authenticatorWith({ devices: { find, refresh: find }, lockout: strict })
    for (const password of ['wrong', device.secret, 'wrong']) {
      await expect(logIn(device.uuid, password)).rejects.toThrow('the store is away')
    }
    isAway = false
    expect(await outcome(device.uuid, device.secret)).toBe('in')
  })

  it('counts nothing while too many passwords wait for their check', async () => {
    const passwords = passwordsOf({ ann: 'right', bob: 'right' }, { concurrency: 1, maxWaiting: 0 })
    const { logIn, outcome } = authenticatorWith({ rules: rulesOf(passwords), lockout: strict })
    const busy = outcome('ann', 'right', elsewhere)
    await expect(logIn('bob', 'wrong')).rejects.toThrow(PasswordsBusyError)
    expect(await busy).toBe('in')
    expect(await outcome('bob', 'right')).toBe('in')
  })

  it('leaves certificates and clients without a user name alone', async () => {
    const { outcome, authenticate } = authenticatorWith({
      rules: ann(),
      lockout: strict,
      allowsAnonymous: true,
    })
    expect(await outcome('ann', 'wrong')).toBe(WRONG)
    expect(await authenticate({ certificate: { name: 'ann' } })).toMatchObject({ user: 'ann' })
    expect(await authenticate({})).toMatchObject({ user: undefined })
    expect(await outcome('ann', 'right')).toBe(TOO_MANY)
  })

  it('does not count a client that leaves while its login waits', async () => {
    const { authenticate, outcome, verified } = authenticatorWith({ rules: ann(), lockout: strict })
    const ending = createEnding()
    ending.end()
    const login = { user: 'ann', password: Buffer.from('wrong'), ending }
    expect(await authenticate({ ...login, address: home })).toBe(TOO_MANY)
    expect(verified).toEqual([])
    expect(await outcome('ann', 'right', home)).toBe('in')
  })
})
