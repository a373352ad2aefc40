import { describe, expect, it } from 'vitest'
import { administratorAccess } from '#src/auth/access.js'
import {
  authenticatorWith,
  device,
  directoryOf,
  letIn,
  passwordsOf,
  rulesOf,
} from '../support/authenticator.js'

const WRONG = 'wrong user name or password'

const users = () =>
  rulesOf(
    passwordsOf({
      admin: 'admin password',
      ann: 'ann password',
      'ID-1': 'password of the user ID-1',
    }),
    { administrator: 'admin', acl: 'user ann\ntopic read news\npattern write from/%u/%c' },
  )

describe('A login', () => {
  it.each([
    ['admin', 'admin password'],
    ['ann', 'ann password'],
  ])('of the user %s lets in with the password', async (user, password) => {
    const { logIn } = authenticatorWith({ rules: users() })
    expect(await letIn(logIn(user, password))).toMatchObject({
      user,
      clientId: 'client',
      owner: `user ${user}`,
      credential: { kind: 'password' },
    })
    expect(await logIn(user, `${password}x`)).toBe(WRONG)
    expect(await logIn(user, '')).toBe(WRONG)
  })

  it('of a user may do what the rules say of the name and the client id', async () => {
    const { logIn } = authenticatorWith({ rules: users() })
    const { access } = await letIn(logIn('ann', 'ann password'))
    expect(access.mayReceive('news').isAllowed).toBe(true)
    expect(access.mayPublish('from/ann/client').isAllowed).toBe(true)
    expect(access.mayPublish('from/ann/another').isAllowed).toBe(false)
    expect(access.mayPublish('news').isAllowed).toBe(false)
  })

  it('makes an administrator of whom the rules name, and of nobody where they name none', async () => {
    const authenticator = authenticatorWith({ rules: users() })
    expect((await letIn(authenticator.logIn('admin', 'admin password'))).access).toBe(administratorAccess)
    authenticator.rules = rulesOf(passwordsOf({ admin: 'admin password' }))
    const { access } = await letIn(authenticator.logIn('admin', 'admin password'))
    expect(access.isAny).toBe(false)
  })

  it.each(['uuid-1', 'ID-1'])('of a device as %s lets in with its secret', async (name) => {
    const { logIn } = authenticatorWith()
    const identity = await letIn(logIn(name, 's3cret'))
    expect(identity).toMatchObject({
      user: name,
      owner: 'device 1',
      credential: { kind: 'secret', device },
    })
    expect(identity.access.mayPublish('devices/uuid-1/data').isAllowed).toBe(true)
    expect(identity.access.mayPublish('device/ID-1/data').isAllowed).toBe(true)
    for (const wrong of ['s3cre', 's3cret ', 'S3CRET', '']) expect(await logIn(name, wrong)).toBe(WRONG)
  })

  it('of a device may do what the rules add for the name that it took', async () => {
    const { logIn } = authenticatorWith({ rules: rulesOf(undefined, { acl: 'user ID-1\ntopic read news' }) })
    expect((await letIn(logIn('ID-1', 's3cret'))).access.mayReceive('news').isAllowed).toBe(true)
    expect((await letIn(logIn('uuid-1', 's3cret'))).access.mayReceive('news').isAllowed).toBe(false)
  })

  it('of a user goes before a device of the same name, whose secret does not open', async () => {
    const { logIn } = authenticatorWith({ rules: users() })
    const { access, owner } = await letIn(logIn('ID-1', 'password of the user ID-1'))
    expect(owner).toBe('user ID-1')
    expect(access.mayPublish('devices/uuid-1/data').isAllowed).toBe(false)
    expect(await logIn('ID-1', 's3cret')).toBe(WRONG)
    expect((await letIn(logIn('uuid-1', 's3cret'))).owner).toBe('device 1')
  })

  it('with a rotated secret lets in with the new one at once, and not with the old', async () => {
    const rotated = { ...device, secret: 'new' }
    const devices = directoryOf(device, rotated)
    const { logIn } = authenticatorWith({ devices })
    expect((await letIn(logIn('uuid-1', 'new'))).credential).toEqual({ kind: 'secret', device: rotated })
    expect(devices.asked).toEqual(['find uuid-1', 'refresh uuid-1'])
    const known = authenticatorWith({ devices: directoryOf(rotated) })
    expect(await known.logIn('uuid-1', 's3cret')).toBe(WRONG)
  })

  it.each([
    ['an inactive device', { ...device, isActive: false }, 's3cret'],
    ['a device without a secret', { ...device, secret: '' }, ''],
  ])('of %s is refused', async (_what, found, password) => {
    const { logIn } = authenticatorWith({ devices: directoryOf(found) })
    expect(await logIn('uuid-1', password)).toBe(WRONG)
  })

  it('of a device that was enabled since it was remembered lets in, of one removed since does not', async () => {
    const disabled = { ...device, isActive: false }
    const enabled = authenticatorWith({ devices: directoryOf(disabled, device) })
    expect((await letIn(enabled.logIn('uuid-1', 's3cret'))).user).toBe('uuid-1')
    const removed = { find: async () => disabled, refresh: async () => undefined }
    const { logIn } = authenticatorWith({ devices: removed })
    expect(await logIn('uuid-1', 's3cret')).toBe(WRONG)
  })

  it('of somebody unknown, or of a device with a wrong secret, is refused after as much work', async () => {
    const { logIn, verified } = authenticatorWith({ rules: users() })
    expect(await logIn('ann', 'wrong')).toBe(WRONG)
    expect(await logIn('bob', 'anything')).toBe(WRONG)
    expect(await logIn('uuid-1', 'wrong')).toBe(WRONG)
    // The password of a user does not open under a name that is checked in its place.
    expect(await logIn('bob', 'ann password')).toBe(WRONG)
    expect(verified).toEqual(['ann', 'bob', 'uuid-1', 'bob'])
    expect((await letIn(logIn('uuid-1', 's3cret'))).user).toBe('uuid-1')
    expect(verified).toHaveLength(4)
  })

  it('without a password is refused, known or not, and nobody is asked', async () => {
    const devices = directoryOf(device)
    const { authenticate, verified } = authenticatorWith({ devices, allowsAnonymous: true })
    for (const user of ['admin', 'uuid-1', 'bob', '']) {
      expect(await authenticate({ user, password: undefined })).toBe(WRONG)
    }
    expect([devices.asked, verified]).toEqual([[], []])
  })

  it('with an empty user name is refused, also where a device has no name', async () => {
    const nameless = directoryOf({ ...device, uuid: '', deviceId: '' })
    const { logIn } = authenticatorWith({ devices: nameless, allowsAnonymous: true })
    expect(await logIn('', 's3cret')).toBe(WRONG)
  })

  it('without a user name is refused, unless that is allowed', async () => {
    expect(await authenticatorWith().authenticate({})).toBe('no user name')
    const { authenticate } = authenticatorWith({ allowsAnonymous: true })
    const identity = await letIn(authenticate({}))
    expect(identity).toMatchObject({ user: undefined, owner: 'anonymous', credential: { kind: 'none' } })
    expect(identity.access.isAny).toBe(false)
  })

  it('without a user name may do what stands before the first user', async () => {
    const acl = 'topic read news\nuser ann\ntopic write #\npattern write of/%c'
    const { authenticate } = authenticatorWith({
      rules: rulesOf(undefined, { acl, administrator: 'admin' }),
      allowsAnonymous: true,
    })
    const { access } = await letIn(authenticate({}))
    expect(access.mayReceive('news').isAllowed).toBe(true)
    expect(access.mayPublish('of/client').isAllowed).toBe(true)
    expect(access.mayPublish('news').isAllowed).toBe(false)
  })

  it('that the directory cannot decide rejects, so that nobody is let in and nobody told to go', async () => {
    const away = async (): Promise<never> => {
      throw new Error('the store is away')
    }
    const { logIn, authenticate } = authenticatorWith({ devices: { find: away, refresh: away } })
    await expect(logIn('uuid-1', 's3cret')).rejects.toThrow('the store is away')
    await expect(authenticate({ certificate: { name: 'uuid-1' } })).rejects.toThrow('the store is away')
  })
})

describe('A login by certificate', () => {
  const certified = (name: string | undefined, more = {}) => ({ certificate: { name }, ...more })

  it('lets in the user of its name, whatever user name and password the client gives', async () => {
    const { authenticate, verified } = authenticatorWith({ rules: users() })
    for (const given of [{}, { user: 'admin', password: Buffer.from('wrong') }, { user: '' }]) {
      const identity = await letIn(authenticate(certified('ann', given)))
      expect(identity).toMatchObject({ user: 'ann', owner: 'user ann', credential: { kind: 'certificate' } })
      expect(identity.access.mayReceive('news').isAllowed).toBe(true)
    }
    expect((await letIn(authenticate(certified('admin')))).access).toBe(administratorAccess)
    expect(verified).toEqual([])
  })

  it.each(['uuid-1', 'ID-1'])('lets in the active device of its name, %s', async (name) => {
    const { authenticate } = authenticatorWith()
    const identity = await letIn(authenticate(certified(name)))
    expect(identity).toMatchObject({
      user: name,
      owner: 'device 1',
      credential: { kind: 'certificate', device },
    })
    expect(identity.access.mayPublish('devices/uuid-1/data').isAllowed).toBe(true)
  })

  it('lets in as the user where a device has that name too', async () => {
    const { authenticate } = authenticatorWith({ rules: users() })
    const { owner, access } = await letIn(authenticate(certified('ID-1')))
    expect(owner).toBe('user ID-1')
    expect(access.mayPublish('devices/uuid-1/data').isAllowed).toBe(false)
  })

  it('refuses a disabled device', async () => {
    const { authenticate } = authenticatorWith({ devices: directoryOf({ ...device, isActive: false }) })
    expect(await authenticate(certified('uuid-1'))).toBe('the device is disabled')
  })

  it('lets in whom nobody knows, to do what the rules allow', async () => {
    const { authenticate } = authenticatorWith({
      rules: rulesOf(undefined, { acl: 'user display\ntopic read news' }),
    })
    const { owner, access } = await letIn(authenticate(certified('display')))
    expect(owner).toBe('user display')
    expect(access.mayReceive('news').isAllowed).toBe(true)
    expect((await letIn(authenticate(certified('another')))).access.isAny).toBe(false)
  })

  it('refuses one without a name, also where a user name and a password would do', async () => {
    const { authenticate } = authenticatorWith({ rules: users(), allowsAnonymous: true })
    const login = { user: 'ann', password: Buffer.from('ann password') }
    expect(await authenticate(certified(undefined, login))).toBe('no name in the certificate')
    expect(await authenticate(certified(undefined))).toBe('no name in the certificate')
  })
})
