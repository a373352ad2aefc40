import { describe, expect, it } from 'vitest'
import {
  explainUnreadableHash,
  hashPassword,
  type PasswordHash,
  parsePasswordHash,
  verifyPassword,
} from '#src/auth/password-hash.js'

// As mosquitto_passwd 2.0.11 wrote them, for the password "one".
const sha512 =
  '$6$LbP8TwGLvUQhG7Kv$sjw/74WvmMtgNlOEaISqiICUQnJOOfiZtzZkh/KC028PLdP+I3GfSX2PBf5gV5L70XU8gY2GqpkZmuafSTbKsQ=='
const [salt, key] = sha512.split('$').slice(2)

function parsed(text: string): PasswordHash {
  const hash = parsePasswordHash(text)
  if (hash === undefined) throw new Error('not parsed')
  return hash
}

describe('a password hash', () => {
  it.each(['parola', '密码 with blanks ', 'x'.repeat(65_535)])(
    'verifies the password it was made of',
    async (password) => {
      const hash = parsed(await hashPassword(password))
      expect(await verifyPassword(hash, password)).toBe(true)
      expect(await verifyPassword(hash, Buffer.from(password))).toBe(true)
      expect(await verifyPassword(hash, `${password.slice(0, -1)}!`)).toBe(false)
      expect(await verifyPassword(hash, '')).toBe(false)
    },
  )

  it('differs each time it is made, in the form that Mosquitto 2.0 reads', async () => {
    const [first, second] = await Promise.all([hashPassword('same'), hashPassword('same')])
    expect(first).not.toBe(second)
    expect(first).toMatch(/^\$7\$100000\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{86}==$/)
  })

  it('is read in the $6$ format of mosquitto_passwd -H sha512', async () => {
    expect(await verifyPassword(parsed(sha512), 'one')).toBe(true)
    expect(await verifyPassword(parsed(sha512), 'two')).toBe(false)
  })

  it('may have any iteration count up to ten million, and no other', () => {
    const withCount = (count: string) => parsePasswordHash(`$7$${count}$${salt}$${key}`)
    for (const count of ['1', '101', '10000000'])
      expect(withCount(count)).toMatchObject({ iterations: Number(count) })
    for (const count of ['0', '-1', '01', '1e3', '10000001', '99999999999999', '', ' 1']) {
      expect(withCount(count)).toBeUndefined()
    }
  })

  it.each([
    ['empty', '', /not hashed/],
    ['plain text', 'one', /not hashed/],
    ['argon2id', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$a2V5', /argon2/],
    ['another type', '$5$salt$key', /other than/],
    ['without a key', `$6$${salt}`, /damaged/],
    ['with an empty salt', `$6$$${key}`, /damaged/],
    ['with a short key', `$6$${salt}$${key?.slice(4)}`, /damaged/],
    ['with a character that is not base64', `$6$${salt}$*${key?.slice(1)}`, /damaged/],
    ['with one more character that is not base64', `$6$${salt}$*${key}`, /damaged/],
    ['with a field too many', `${sha512}$more`, /damaged/],
    ['with a salt of a megabyte', `$6$${'AAAA'.repeat(350_000)}$${key}`, /damaged/],
    ['with too many iterations', `$7$10000001$${salt}$${key}`, /iteration count/],
  ])('is refused when it is %s', (_what, text, reason) => {
    expect(parsePasswordHash(text)).toBeUndefined()
    expect(explainUnreadableHash(text)).toMatch(reason)
  })
})
