import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { readPasswordFile } from '#src/auth/password-file.js'
import { type PasswordHash, parsePasswordHash, verifyPassword } from '#src/auth/password-hash.js'
import { temporaryFolder } from '../support/temporary-folder.js'

// Written by the program argon2 of the reference implementation. The first one has the costs and the lengths
// of mosquitto_passwd 2.1, for "secret"; the second one is for the bytes 61 ff 01 fe, with two lanes.
const fromMosquitto =
  '$argon2id$v=19$m=47104,t=1,p=1$NEE4Q2VNbHJ5VUxvdFREYVFnaHVzRFpkd3F3Um1RWkN1MTRNaFFLc1ZHQkZWRXk5eDcxeFVJNW9QQUFMUWJudw$6lUjj6yFBojrkNcVow45Cn74OwGpyTg7UrK32oznEwc3Uf4FbFMuuhM3B8vAGEnYP1J3ux0yfaY7qhScPeBdrg'
const ofBytes = '$argon2id$v=19$m=64,t=2,p=2$c2FsdHNhbHRzYWx0$qyw+uXo5lBR+gfDQ'
const short = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4' // "password"

function parsed(text: string): PasswordHash {
  const hash = parsePasswordHash(text)
  if (hash === undefined) throw new Error('not parsed')
  return hash
}

const base64 = (bytes: number) => Buffer.alloc(bytes, 7).toString('base64').replaceAll('=', '')
const withSalt = (text: string) => short.replace('c29tZXNhbHQ', text)
const withKey = (text: string) => short.replace(/[^$]+$/, text)
const withCosts = (costs: string) => short.replace('m=256,t=2,p=1', costs)

describe('an $argon2id$ hash', () => {
  it.each([
    ['with the costs of mosquitto_passwd', fromMosquitto, Buffer.from('secret')],
    ['of a password that is not UTF-8', ofBytes, Buffer.from([0x61, 0xff, 0x01, 0xfe])],
    ['of the test of the reference implementation', short, Buffer.from('password')],
  ])('%s lets in with its password alone', async (_what, text, password) => {
    const hash = parsed(text)
    expect(hash).toMatchObject({ kind: 'argon2id', text })
    expect(await verifyPassword(hash, password)).toBe(true)
    const others = [
      Buffer.alloc(0),
      password.subarray(1),
      ...[0x00, 0x21, 0xff].map((byte) => Buffer.concat([password, Buffer.from([byte])])),
      Buffer.alloc(65_535, 0xff),
    ]
    for (const other of others) expect(await verifyPassword(hash, other)).toBe(false)
  })

  it('is computed beside the event loop', async () => {
    let isDone = false
    await verifyPassword(parsed(short), 'password') // the package is loaded now
    const verifying = verifyPassword(parsed(fromMosquitto), 'secret').then((isRight) => {
      isDone = true
      return isRight
    })
    await setImmediate()
    expect(isDone).toBe(false)
    expect(await verifying).toBe(true)
  })

  it.each([
    ['the least memory', withCosts('m=8,t=1,p=1')],
    ['the most memory', withCosts('m=1048576,t=16,p=1')],
    ['the most passes', withCosts('m=8,t=100,p=1')],
    ['the most lanes', withCosts('m=512,t=1,p=64')],
    ['the longest salt', withSalt(base64(1024))],
    ['the shortest key', withKey(base64(12))],
    ['the longest key', withKey(base64(1024))],
  ])('may have %s', (_what, text) => {
    expect(parsed(text)).toMatchObject({ kind: 'argon2id', text })
  })

  it.each([
    ['no version', short.replace('v=19$', ''), /other fields/],
    ['no key', short.replace(/\$[^$]+$/, ''), /other fields/],
    ['a field too many', `${short}$x`, /other fields/],
    ['an older version', short.replace('v=19', 'v=16'), /version/],
    ['an unknown version', short.replace('v=19', 'v=20'), /version/],
    ['parameters in another order', withCosts('t=2,m=256,p=1'), /other parameters/],
    ['a parameter too few', withCosts('m=256,t=2'), /other parameters/],
    ['a key id', withCosts('m=256,t=2,p=1,keyid=aHVudGVyMg'), /other parameters/],
    ['associated data', withCosts('m=256,t=2,p=1,data=aHVudGVyMg'), /other parameters/],
    ['a leading zero', withCosts('m=0256,t=2,p=1'), /other parameters/],
    ['a number that is none', withCosts('m=256,t=x,p=1'), /other parameters/],
    ['a negative number', withCosts('m=256,t=-2,p=1'), /other parameters/],
    ['too little memory', withCosts('m=7,t=2,p=1'), /m is outside 8 to 1048576/],
    ['too little memory for its lanes', withCosts('m=31,t=2,p=4'), /m is outside 32 to 1048576/],
    ['too much memory', withCosts('m=1048577,t=1,p=1'), /m is outside 8 to 1048576/],
    ['no pass', withCosts('m=256,t=0,p=1'), /t is outside 1 to 100/],
    ['too many passes', withCosts('m=256,t=101,p=1'), /t is outside 1 to 100/],
    ['no lane', withCosts('m=256,t=2,p=0'), /p is outside 1 to 64/],
    ['too many lanes', withCosts('m=4096,t=2,p=65'), /p is outside 1 to 64/],
    ['too much work', withCosts('m=1048576,t=17,p=1'), /m times t is over/],
    ['an empty salt', withSalt(''), /salt/],
    ['a salt too short', withSalt(base64(7)), /salt is not 8 to 1024 bytes/],
    ['a salt too long', withSalt(base64(1025)), /salt is not 8 to 1024 bytes/],
    ['a salt with padding', withSalt('c29tZXNhbHQ='), /salt/],
    ['a salt that is not base64', withSalt('c29tZXNhbH*'), /salt/],
    ['an empty key', withKey(''), /key/],
    ['a key too short', withKey(base64(11)), /key is not 12 to 1024 bytes/],
    ['a key too long', withKey(base64(1025)), /key is not 12 to 1024 bytes/],
    ['a key that lost its end', short.slice(0, -2), /key/],
    ['a key in the alphabet of base64url', short.replace('/uIPnA', '_uIPnA'), /key/],
    ['another variant, argon2i', short.replace('argon2id', 'argon2i'), /argon2i; only argon2id/],
    ['another variant, argon2d', short.replace('argon2id', 'argon2d'), /argon2d; only argon2id/],
  ])('with %s is refused with file, line and reason, but no hash', async (_what, text, reason) => {
    expect(parsePasswordHash(text)).toBeUndefined()
    const path = join(await temporaryFolder(), 'passwd')
    await writeFile(path, `# note\nann:${text}\n`)
    const reading = readPasswordFile(path)
    await expect(reading).rejects.toMatchObject({ code: 'PASSWORD_FILE' })
    await expect(reading).rejects.toThrow(`${path} line 2: the password of "ann" is `)
    await expect(reading).rejects.toThrow(reason)
    await expect(reading).rejects.not.toThrow(/c29tZX|nf65E|aHVud|BwcHB/)
  })
})
