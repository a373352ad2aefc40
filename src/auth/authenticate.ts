import { createHash, timingSafeEqual } from 'node:crypto'
import type { Ending } from '../ending/ending.js'
import type { Device } from '../store/device.js'
import { type Access, administratorAccess, deviceAccess, ruledAccess } from './access.js'
import { type Credential, deviceOf, type Identity } from './identity.js'
import type { KnownLogins } from './known-logins.js'
import type { Lockout } from './lockout.js'
import type { Rules } from './rulebook.js'

/** What a client gives to be let in. */
export interface LoginRequest {
  readonly user: string | undefined
  readonly password: Buffer | undefined
  readonly clientId: string
  /** The peer's IP address. */
  readonly address: string
  /** Where the client's certificate stands for user and password: its common name, if it has one. */
  readonly certificate?: { readonly name: string | undefined }
  /** Of the client's connection. */
  readonly ending: Ending
}

/** Why a client is not let in, for the log; a client is told no more than that it is not. */
export type Refusal =
  | 'wrong user name or password'
  | 'no user name'
  | 'no name in the certificate'
  | 'the device is disabled'
  | 'too many failed logins'

/** Decides who a client is. */
export interface Authenticator {
  /**
   * The identity of whoever gave these credentials, or why it is not let in: no one is by mistake. Rejects
   * with the directory's error when the store cannot say, and with PasswordsBusyError.
   */
  authenticate(request: LoginRequest): Promise<Identity | Refusal>
  /**
   * The same client by the rules that are in force now, or `undefined`: it would no longer be let in. What
   * the database says of a device is not asked again.
   */
  judge(identity: Identity): Identity | undefined
}

/** Where users and devices are looked up. */
export interface AuthenticatorParts {
  readonly rulebook: { readonly rules: Rules }
  readonly devices: {
    find(name: string): Promise<Device | undefined>
    refresh(name: string): Promise<Device | undefined>
  }
  readonly allowsAnonymous: boolean
  readonly lockout: Lockout
  readonly knownLogins: KnownLogins
}

/** A user of the password file goes before a device of the same name. */
export function createAuthenticator(parts: AuthenticatorParts): Authenticator {
  const { rulebook, devices, lockout, knownLogins } = parts

  const findDevice = async (name: string, password: Buffer): Promise<Device | undefined> => {
    const remembered = await devices.find(name)
    if (remembered === undefined || opens(remembered, password)) return remembered
    // A secret may have been changed, or a device enabled, since it was remembered.
    return devices.refresh(name)
  }

  const verify = async (
    user: string,
    password: Buffer,
    isWanted: () => boolean,
  ): Promise<Credential | undefined> => {
    const { passwords } = rulebook.rules
    const hash = passwords.hashText(user)
    const device = hash === undefined ? await findDevice(user, password) : undefined
    if (device !== undefined && opens(device, password)) return { kind: 'secret', device }
    // Of somebody unknown as well, so that no answer comes sooner for a name that nobody has.
    const isRight = await passwords.verify(user, password, isWanted)
    return isRight && hash !== undefined ? { kind: 'password', hash } : undefined
  }

  const byPassword = async (
    user: string,
    password: Buffer,
    { address, ending }: LoginRequest,
  ): Promise<Credential | Refusal> => {
    const isKnown = knownLogins.has(user, password, address)
    const enter = () => lockout.enter({ user, address }, ending)
    const attempt = isKnown ? undefined : await enter()
    if (!isKnown && attempt === undefined) return 'too many failed logins'
    let outcome: 'right' | 'wrong' | 'undecided' = 'undecided'
    try {
      const credential = await verify(user, password, () => !ending.hasEnded)
      outcome = credential === undefined ? 'wrong' : 'right'
      if (credential !== undefined) knownLogins.add(user, password, address)
      else knownLogins.delete(user, password, address)
      // It was let past the lockout for what it once was, and counts all the same.
      if (isKnown && credential === undefined) (await enter())?.end('wrong')
      return credential ?? 'wrong user name or password'
    } finally {
      attempt?.end(outcome)
    }
  }

  const byCertificate = async (name: string | undefined): Promise<Credential | Refusal> => {
    if (name === undefined) return 'no name in the certificate'
    const device = rulebook.rules.passwords.has(name) ? undefined : await devices.find(name)
    if (device?.isActive === false) return 'the device is disabled'
    return { kind: 'certificate', device }
  }

  const decide = (request: LoginRequest): Promise<Credential | Refusal> | Credential | Refusal => {
    const { user, password, certificate } = request
    if (certificate !== undefined) return byCertificate(certificate.name)
    if (user === undefined) return parts.allowsAnonymous ? { kind: 'none' } : 'no user name'
    if (password === undefined || user === '') return 'wrong user name or password'
    return byPassword(user, password, request)
  }

  const judge = ({ user, clientId, credential }: Claim): Identity | undefined => {
    const { passwords } = rulebook.rules
    const hash = user === undefined ? undefined : passwords.hashText(user)
    if (credential.kind === 'password' && credential.hash !== hash) return undefined
    // A user goes before a device, also one that came later.
    if (deviceOf(credential) !== undefined && hash !== undefined) return undefined
    const owner = ownerOf(user, credential)
    return {
      user,
      clientId,
      owner,
      credential,
      access: accessOf(rulebook.rules, { user, clientId, credential }),
    }
  }

  return {
    async authenticate(request) {
      const credential = await decide(request)
      if (typeof credential === 'string') return credential
      const user = request.certificate === undefined ? request.user : request.certificate.name
      // The rules may have changed while the password was checked.
      return judge({ user, clientId: request.clientId, credential }) ?? 'wrong user name or password'
    },
    judge,
  }
}

/** Who somebody is, before it is said what it may do. */
export type Claim = Pick<Identity, 'user' | 'clientId' | 'credential'>

function ownerOf(user: string | undefined, credential: Credential): string {
  const device = deviceOf(credential)
  if (device !== undefined) return `device ${device.id}`
  return user === undefined ? 'anonymous' : `user ${user}`
}

/** What somebody may do by these rules. */
export function accessOf(
  { acl, administrator }: Pick<Rules, 'acl' | 'administrator'>,
  { user, clientId, credential }: Claim,
): Access {
  const device = deviceOf(credential)
  const view = acl.of({ user, clientId })
  if (device !== undefined) return deviceAccess(device, view)
  return user !== undefined && user === administrator ? administratorAccess : ruledAccess(view)
}

function opens(device: Device, password: Buffer): boolean {
  const digest = (text: string | Buffer): Buffer => createHash('sha256').update(text).digest()
  return device.isActive && device.secret !== '' && timingSafeEqual(digest(device.secret), digest(password))
}
