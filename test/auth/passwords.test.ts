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

  it('check unknown users in a line of their own, where they keep no user waiting', async () => {
    const passwords = createPasswords({ users }, onePlace)
    let isWanted = true
    const strangers = Array.from({ length: 102 }, (_, number) =>
      passwords.verify(`stranger ${number}`, right, () => isWanted),
    )
    const ended: string[] = []
    for (const stranger of strangers.slice(0, 101)) stranger.then(() => ended.push('a stranger in line'))
    // Beyond 100 that wait, the next one is told at once.
    expect(await strangers[101]).toBe(false)
    expect(ended).toEqual([])
    expect(await passwords.verify('ann', right)).toBe(true)
    expect(ended.length).toBeLessThan(strangers.length / 2)
    isWanted = false
    expect(new Set(await Promise.all(strangers))).toEqual(new Set([false]))
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

  it('spend Argon2id on an unknown user of a file that has it', async () => {
    const text = '$argon2id$v=19$m=47104,t=20,p=1$c2FsdHNhbHRzYWx0$qyw+uXo5lBR+gfDQ'
    const [dear, cheap] = [
      parsePasswordHash(text),
      parsePasswordHash(text.replace('m=47104,t=20', 'm=8,t=1')),
    ]
    if (dear === undefined || cheap === undefined) throw new Error('not parsed')
    const spent = async (user: string, hash: PasswordHash) => {
      const before = process.cpuUsage()
      expect(await createPasswords({ users: new Map([['ann', hash]]) }).verify(user, wrong)).toBe(false)
      const { user: own, system } = process.cpuUsage(before)
      return own + system
    }
    await spent('ann', cheap) // the package is loaded now
    const ofKnown = await spent('ann', dear)
    expect(await spent('eve', dear)).toBeGreaterThan(ofKnown / 2)
    expect(await spent('eve', cheap)).toBeLessThan(ofKnown / 2)
  })

  it('know the users and the text of their hashes', () => {
    const passwords = createPasswords({ users })
    expect([...passwords.names()]).toEqual(['ann', 'bob'])
    expect(passwords.hashText('ann')).toBe(users.get('ann')?.text)
    expect(passwords.hashText('eve')).toBeUndefined()
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

/** A connection that may be lost while its login waits. */
function connection() {
  let isOpen = true
  return {
    isOpen: () => isOpen,
    lose: () => {
      isOpen = false
    },
  }
}

describe('a login whose connection is gone before its turn', () => {
  const oneAtATime = { concurrency: 1, maxWaiting: 10 }

  /** What a right password gets, when all connections that share its check are told to `lose` or stay. */
  async function outcome(connections: readonly ('lose' | 'stay')[]): Promise<readonly boolean[]> {
    const passwords = createPasswords({ users }, oneAtATime)
    const running = passwords.verify('ann', wrong)
    const logins = connections.map((fate) => {
      const { isOpen, lose } = connection()
      const login = passwords.verify('ann', right, isOpen)
      if (fate === 'lose') lose()
      return login
    })
    expect(await running).toBe(false)
    return Promise.all(logins)
  }

  it('is not checked: the right password is not found right', async () => {
    expect(await outcome(['lose'])).toEqual([false])
    expect(await outcome(['lose', 'lose'])).toEqual([false, false])
  })

  it('is checked while another login waits for the same answer', async () => {
    expect(await outcome(['lose', 'stay'])).toEqual([true, true])
    expect(await outcome(['stay', 'lose'])).toEqual([true, true])
    expect(await outcome(['stay'])).toEqual([true])
  })

  it('costs no time', async () => {
    const passwords = createPasswords({ users }, { concurrency: 1, maxWaiting: 1000 })
    const running = passwords.verify('ann', wrong)
    const { isOpen, lose } = connection()
    const lost = Array.from({ length: 1000 }, (_, index) =>
      passwords.verify('ann', Buffer.from(`${index}`), isOpen),
    )
    lose()
    await running
    const before = process.cpuUsage()
    expect(new Set(await Promise.all(lost))).toEqual(new Set([false]))
    // Less than the 85 ms of one check.
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1000).toBeLessThan(85)
    expect(await passwords.verify('ann', right)).toBe(true)
  })

  it('leaves its answer to nobody: the same login comes again at that moment and is let in', async () => {
    const passwords = createPasswords({ users }, { concurrency: 1, maxWaiting: 1 })
    const running = passwords.verify('ann', wrong)
    let again: Promise<boolean> | undefined
    let isWaiting = false
    const lost = passwords.verify('ann', right, () => {
      if (isWaiting) queueMicrotask(() => (again = passwords.verify('ann', right)))
      return !isWaiting
    })
    isWaiting = true
    expect(await running).toBe(false)
    expect(await lost).toBe(false)
    // Those that follow share the new check, so that there is a place for another user.
    const following = [passwords.verify('ann', right), passwords.verify('bob', right)]
    expect(await again).toBe(true)
    expect(await Promise.all(following)).toEqual([true, true])
  })

  it('is turned away at once when it was gone on arrival, and takes no place', async () => {
    const passwords = createPasswords({ users }, onePlace)
    expect(await passwords.verify('ann', right, () => false)).toBe(false)
    const running = passwords.verify('ann', right)
    expect(await passwords.verify('bob', right, () => false)).toBe(false)
    expect(await running).toBe(true)
  })
})
