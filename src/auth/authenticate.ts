import { createHash, timingSafeEqual } from 'node:crypto'
import type { Device } from '../store/device.js'
import { administratorAccess, deviceAccess, noAccess } from './access.js'
import type { Identity } from './identity.js'

/** Decides who a client is from its CONNECT. */
export interface Authenticator {
  /**
   * The identity of whoever gave these credentials, or `undefined`: no one is let in by mistake. Rejects
   * with the directory's error when the store cannot say.
   */
  authenticate(user: string | undefined, password: Buffer | undefined): Promise<Identity | undefined>
}

/** Where users and devices are looked up. */
export interface AuthenticatorParts {
  readonly passwords: {
    has(user: string): boolean
    verify(user: string, password: Buffer): Promise<boolean>
  }
  /** The user of the password file who may do everything. */
  readonly administrator: string | undefined
  readonly devices: {
    find(name: string): Promise<Device | undefined>
    refresh(name: string): Promise<Device | undefined>
  }
  readonly allowsAnonymous: boolean
}

/** A user of the password file goes before a device of the same name. */
export function createAuthenticator(parts: AuthenticatorParts): Authenticator {
  const { passwords, devices } = parts

  const authenticateUser = async (user: string, password: Buffer): Promise<Identity | undefined> => {
    if (!(await passwords.verify(user, password))) return undefined
    return { user, access: user === parts.administrator ? administratorAccess : noAccess }
  }

  const authenticateDevice = async (user: string, password: Buffer): Promise<Identity | undefined> => {
    const remembered = await devices.find(user)
    if (remembered === undefined) return undefined
    // A secret may have been changed, or a device enabled, since it was remembered.
    const device = opens(remembered, password) ? remembered : await devices.refresh(user)
    return device !== undefined && opens(device, password)
      ? { user, access: deviceAccess(device) }
      : undefined
  }

  return {
    async authenticate(user, password) {
      if (user === undefined) return parts.allowsAnonymous ? { user, access: noAccess } : undefined
      if (password === undefined || user === '') return undefined
      return passwords.has(user) ? authenticateUser(user, password) : authenticateDevice(user, password)
    },
  }
}

function opens(device: Device, password: Buffer): boolean {
  const digest = (text: string | Buffer): Buffer => createHash('sha256').update(text).digest()
  return device.isActive && device.secret !== '' && timingSafeEqual(digest(device.secret), digest(password))
}
