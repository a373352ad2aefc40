import { beforeAll, describe, expect, it } from 'vitest'
import { hashPassword, type PasswordHash, parsePasswordHash } from '#src/auth/password-hash.js'
import { createPasswords } from '#src/auth/passwords.js'

// With one place and no queue, a verification that needs PBKDF2 while another one runs is turned away: that
// shows which verifications do.
const onePlace = { concurrency: 1, maxWaiting: 0 }
const busy = { code: 'PASSWORDS_BUSY' }
const right = Buffer.from('right')
const wrong = Buffer.from('wrong')

let users: ReadonlyMap<string, PasswordHash>

beforeAll(async () => {
  const hash = parsePasswordHash(await hashPassword('right'))
  if (hash === undefined) throw new Error('not parsed')
  users = new Map([
    ['ann', hash],
    ['bob', hash],
  ])
})

describe('passwords', () => {
  it('let in who has the password, and nobody else', async () => {
    const passwords = createPasswords({ users })
    expect(passwords.has('ann')).toBe(true)
    expect(passwords.has('eve')).toBe(false)
    expect(await passwords.verify('ann', right)).toBe(true)
    expect(await passwords.verify('ann', wrong)).toBe(false)
    expect(await passwords.verify('ann', Buffer.alloc(0))).toBe(false)
    expect(await passwords.verify('eve', right)).toBe(false)
  })

  it('let nobody in where there are no users', async () => {
    expect(await createPasswords({ users: new Map() }).verify('ann', Buffer.alloc(0))).toBe(false)
  })

  it('share one computation between logins that arrive together', async () => {
    const passwords = createPasswords({ users }, onePlace)
    const logins = Array.from({ length: 100 }, () => passwords.verify('ann', right))
    expect(new Set(await Promise.all(logins))).toEqual(new Set([true]))
  })

  it('share it with the same user and password only', async () => {
    const passwords = createPasswords({ users }, onePlace)
    const first = passwords.verify('ann', right)
    await expect(passwords.verify('ann', wrong)).rejects.toMatchObject(busy)
    await expect(passwords.verify('bob', right)).rejects.toMatchObject(busy)
    expect(await first).toBe(true)
  })

  it('remember a login that was right', async () => {
    const passwords = createPasswords({ users }, onePlace)
    await passwords.verify('ann', right)
    const running = passwords.verify('ann', wrong)
    expect(await passwords.verify('ann', right)).toBe(true)
    await expect(passwords.verify('bob', right)).rejects.toMatchObject(busy)
    expect(await running).toBe(false)
  })

  it('check a wrong password again each time', async () => {
    const passwords = createPasswords({ users }, onePlace)
    await passwords.verify('ann', wrong)
    const running = passwords.verify('ann', right)
    await expect(passwords.verify('ann', wrong)).rejects.toMatchObject(busy)
    expect(await running).toBe(true)
  })

  it('spend PBKDF2 on a user who does not exist, as on one who does', async () => {
    const passwords = createPasswords({ users }, onePlace)
    await passwords.verify('eve', right)
    const running = passwords.verify('eve', right)
    await expect(passwords.verify('ann', right)).rejects.toMatchObject(busy)
    expect(await running).toBe(false)
  })

  it('spend on an unknown user what the users of the file cost', async () => {
    const cheap = parsePasswordHash([...users.values()][0]?.text.replace('$100000$', '$1$') ?? '')
    if (cheap === undefined) throw new Error('not parsed')
    const spent = async (of: ReadonlyMap<string, PasswordHash>) => {
      const before = process.cpuUsage()
      await createPasswords({ users: of }).verify('eve', right)
      const { user, system } = process.cpuUsage(before)
      return user + system
    }
    expect(await spent(new Map([['ann', cheap]]))).toBeLessThan((await spent(users)) / 2)
  })

  it('turn a login away when too many are waiting, and recover', async () => {
    const passwords = createPasswords({ users }, { concurrency: 2, maxWaiting: 3 })
    const logins = Array.from({ length: 7 }, (_, index) => passwords.verify('ann', Buffer.from(`${index}`)))
    const settled = await Promise.allSettled(logins)
    expect(settled.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 5 }, () => 'fulfilled'),
      'rejected',
      'rejected',
    ])
    const again = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map((text) => passwords.verify('ann', Buffer.from(text))),
    )
    expect(again).toEqual([false, false, false, false, false])
    expect(await passwords.verify('ann', right)).toBe(true)
  })

  it('do not mix up where the user, the hash and the password begin', async () => {
    const passwords = createPasswords({ users })
    await passwords.verify('ann', right)
    expect(await passwords.verify(`ann${users.get('ann')?.text}`, right)).toBe(false)
    expect(await passwords.verify('an', Buffer.from('nright'))).toBe(false)
  })
})
