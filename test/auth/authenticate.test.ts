import { describe, expect, it } from 'vitest'
import { administratorAccess, noAccess } from '#src/auth/access.js'
import { type AuthenticatorParts, createAuthenticator } from '#src/auth/authenticate.js'
import type { Device } from '#src/store/device.js'

const device: Device = { id: 1, uuid: 'uuid-1', deviceId: 'ID-1', secret: 's3cret', isActive: true }

/** Looks up devices in `remembered`, and in `stored` on a refresh. */
function directory(remembered: Device | undefined, stored = remembered) {
  const asked: string[] = []
  const named = (name: string, one: Device | undefined) =>
    one !== undefined && (name === one.uuid || name === one.deviceId) ? one : undefined
  return {
    asked,
    find: async (name: string) => {
      asked.push(`find ${name}`)
      return named(name, remembered)
    },
    refresh: async (name: string) => {
      asked.push(`refresh ${name}`)
      return named(name, stored)
    },
  }
}

function authenticator(parts: Partial<AuthenticatorParts> = {}) {
  const users = new Map([
    ['admin', 'admin password'],
    ['ann', 'ann password'],
    ['ID-1', 'password of the user ID-1'],
  ])
  return createAuthenticator({
    passwords: {
      has: (user) => users.has(user),
      verify: async (user, password) => users.get(user) === password.toString(),
    },
    administrator: 'admin',
    devices: directory(device),
    allowsAnonymous: false,
    ...parts,
  })
}

const onlyDevices = { passwords: { has: () => false, verify: async () => true } }

describe('A login', () => {
  it.each([
    ['admin', 'admin password', administratorAccess],
    ['ann', 'ann password', noAccess],
  ])('of the user %s lets in with the password', async (user, password, access) => {
    expect(await authenticator().authenticate(user, Buffer.from(password))).toEqual({ user, access })
    expect(await authenticator().authenticate(user, Buffer.from(`${password}x`))).toBe(undefined)
    expect(await authenticator().authenticate(user, Buffer.from(''))).toBe(undefined)
  })

  it('makes nobody an administrator where there is none', async () => {
    const { authenticate } = authenticator({ administrator: undefined })
    const identity = await authenticate('admin', Buffer.from('admin password'))
    expect(identity?.access).toBe(noAccess)
  })

  it.each(['uuid-1', 'ID-1'])('of a device as %s lets in with its secret', async (name) => {
    const { authenticate } = authenticator(onlyDevices)
    const identity = await authenticate(name, Buffer.from('s3cret'))
    expect(identity?.user).toBe(name)
    expect(identity?.access.mayPublish('devices/uuid-1/data')).toBe(true)
    expect(identity?.access.mayPublish('device/ID-1/data')).toBe(true)
    for (const wrong of ['s3cre', 's3cret ', 'S3CRET', '']) {
      expect(await authenticate(name, Buffer.from(wrong))).toBe(undefined)
    }
  })

  it('of a user goes before a device of the same name, whose secret does not open', async () => {
    const { authenticate } = authenticator()
    expect((await authenticate('ID-1', Buffer.from('password of the user ID-1')))?.access).toBe(noAccess)
    expect(await authenticate('ID-1', Buffer.from('s3cret'))).toBe(undefined)
    expect((await authenticate('uuid-1', Buffer.from('s3cret')))?.access.rules).toBe('device')
  })

  it('with a rotated secret lets in with the new one at once, and not with the old', async () => {
    const rotated = { ...device, secret: 'new' }
    const devices = directory(device, rotated)
    const { authenticate } = authenticator({ ...onlyDevices, devices })
    expect((await authenticate('uuid-1', Buffer.from('new')))?.access.rules).toBe('device')
    expect(devices.asked).toEqual(['find uuid-1', 'refresh uuid-1'])
    const known = authenticator({ ...onlyDevices, devices: directory(rotated) })
    expect(await known.authenticate('uuid-1', Buffer.from('s3cret'))).toBe(undefined)
  })

  it.each([
    ['an inactive device', { ...device, isActive: false }, 's3cret'],
    ['a device without a secret', { ...device, secret: '' }, ''],
  ])('of %s is refused', async (_what, found, password) => {
    const { authenticate } = authenticator({ ...onlyDevices, devices: directory(found) })
    expect(await authenticate('uuid-1', Buffer.from(password))).toBe(undefined)
  })

  it('of a device that was enabled since it was remembered lets in, of one removed since does not', async () => {
    const disabled = { ...device, isActive: false }
    const enabled = authenticator({ ...onlyDevices, devices: directory(disabled, device) })
    expect((await enabled.authenticate('uuid-1', Buffer.from('s3cret')))?.user).toBe('uuid-1')
    const removed = { find: async () => disabled, refresh: async () => undefined }
    const { authenticate } = authenticator({ ...onlyDevices, devices: removed })
    expect(await authenticate('uuid-1', Buffer.from('s3cret'))).toBe(undefined)
  })

  it('of somebody unknown is refused', async () => {
    expect(await authenticator().authenticate('bob', Buffer.from('anything'))).toBe(undefined)
  })

  it('without a password is refused, known or not, and nobody is asked', async () => {
    const devices = directory(device)
    const { authenticate } = authenticator({ devices, allowsAnonymous: true })
    for (const user of ['admin', 'uuid-1', 'bob', '']) {
      expect(await authenticate(user, undefined)).toBe(undefined)
    }
    expect(devices.asked).toEqual([])
  })

  it('with an empty user name is refused, also where a device has no name', async () => {
    const nameless = directory({ ...device, uuid: '', deviceId: '' })
    const { authenticate } = authenticator({ ...onlyDevices, devices: nameless, allowsAnonymous: true })
    expect(await authenticate('', Buffer.from('s3cret'))).toBe(undefined)
  })

  it('without a user name lets in only where that is allowed, and then may do nothing', async () => {
    expect(await authenticator().authenticate(undefined, undefined)).toBe(undefined)
    const { authenticate } = authenticator({ allowsAnonymous: true })
    expect(await authenticate(undefined, undefined)).toEqual({ user: undefined, access: noAccess })
  })

  it('that the directory cannot decide rejects, so that nobody is let in and nobody told to go', async () => {
    const away = async (): Promise<never> => {
      throw new Error('the store is away')
    }
    const { authenticate } = authenticator({ ...onlyDevices, devices: { find: away, refresh: away } })
    await expect(authenticate('uuid-1', Buffer.from('s3cret'))).rejects.toThrow('the store is away')
  })
})
