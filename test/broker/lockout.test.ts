import { describe, expect, it } from 'vitest'
import { folderWithUsers } from '../support/config-folder.js'
import { connectRaw } from '../support/raw-client.js'
import { type LogLine, startServer } from '../support/server.js'

const NOT_AUTHORIZED = 5
const [home, attacker] = ['127.0.0.1', '127.0.0.2']
const settings = { LOGIN_FAILURES: '2', LOGIN_REFUSE_AFTER: '3', LOGIN_DELAY_MS: '1', LOGIN_REFUSE_S: '600' }

/** A server with a small lockout and the users ann and bob, and how to log in there. */
async function startGuarded(more: Readonly<Record<string, string>> = {}) {
  const folder = await folderWithUsers({ ann: 'right', bob: 'right' })
  const server = await startServer({ ...settings, ...more }, folder)
  const logIn = async (username: string, password: string, from: string): Promise<number | undefined> => {
    const login = { username, password: Buffer.from(password) }
    const client = await connectRaw(server.port('mqtt'), login, from)
    return client.connack.returnCode
  }
  const refusedFor = (what: Partial<LogLine>) =>
    server.logged(
      (line) =>
        line.msg === 'too many failed logins; further ones are refused' &&
        Object.entries(what).every(([name, value]) => line[name] === value),
    )
  return { server, logIn, refusedFor }
}

describe('An address with too many failed logins', () => {
  it('is refused, with the right password as well, while a login known from elsewhere goes on', async () => {
    const { server, logIn, refusedFor } = await startGuarded()
    expect(await logIn('ann', 'right', home)).toBe(0)
    for (const guess of ['1', '2', '3'])
      expect(await logIn(`user ${guess}`, 'x', attacker)).toBe(NOT_AUTHORIZED)
    expect(await refusedFor({ address: attacker })).toMatchObject({ level: 'warn', forSeconds: 600 })
    expect(await logIn('bob', 'right', attacker)).toBe(NOT_AUTHORIZED)
    const line = await server.logged(({ reason }) => reason === 'too many failed logins')
    expect(line).toMatchObject({ msg: 'a login was refused', user: 'bob', address: attacker })
    expect(await logIn('ann', 'right', home)).toBe(0)
    expect(await logIn('bob', 'right', home)).toBe(0)
  })

  it('still lets in the logins that were right there before', async () => {
    const { logIn, refusedFor } = await startGuarded()
    expect(await logIn('ann', 'right', attacker)).toBe(0)
    for (const guess of ['1', '2', '3'])
      expect(await logIn(`user ${guess}`, 'x', attacker)).toBe(NOT_AUTHORIZED)
    await refusedFor({ address: attacker })
    expect(await logIn('ann', 'right', attacker)).toBe(0)
    expect(await logIn('bob', 'right', attacker)).toBe(NOT_AUTHORIZED)
  })

  it('is let in again when LOGIN_REFUSE_S have passed', async () => {
    const { logIn, refusedFor } = await startGuarded({ LOGIN_REFUSE_S: '1' })
    for (const guess of ['1', '2', '3'])
      expect(await logIn(`user ${guess}`, 'x', attacker)).toBe(NOT_AUTHORIZED)
    await refusedFor({ address: attacker })
    while ((await logIn('bob', 'right', attacker)) !== 0);
  })
})

describe('A user name with too many failed logins', () => {
  it('is refused from every address where it was not right before, and no other user is', async () => {
    const { logIn, refusedFor } = await startGuarded()
    expect(await logIn('ann', 'right', home)).toBe(0)
    for (const from of ['127.0.0.3', '127.0.0.4', '127.0.0.5']) {
      expect(await logIn('ann', 'wrong', from)).toBe(NOT_AUTHORIZED)
    }
    await refusedFor({ user: 'ann' })
    expect(await logIn('ann', 'right', '127.0.0.6')).toBe(NOT_AUTHORIZED)
    expect(await logIn('bob', 'right', '127.0.0.6')).toBe(0)
    expect(await logIn('ann', 'right', home)).toBe(0)
  })
})
