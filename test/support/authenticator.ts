import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { compileAcl } from '#src/auth/acl.js'
import { parseAclFile } from '#src/auth/acl-file.js'
import type { LockoutSettings } from '#src/auth/attempt-limit.js'
import {
  type Authenticator,
  type AuthenticatorParts,
  createAuthenticator,
  type LoginRequest,
  type Refusal,
} from '#src/auth/authenticate.js'
import type { Identity } from '#src/auth/identity.js'
import { createKnownLogins } from '#src/auth/known-logins.js'
import { createLockout } from '#src/auth/lockout.js'
import { type PasswordHash, parsePasswordHash } from '#src/auth/password-hash.js'
import { createPasswords, type Passwords, type PasswordsOptions } from '#src/auth/passwords.js'
import type { Rules } from '#src/auth/rulebook.js'
import { createEnding } from '#src/ending/ending.js'
import type { Device } from '#src/store/device.js'

/** A device of the database. */
export const device: Device = { id: 1, uuid: 'uuid-1', deviceId: 'ID-1', secret: 's3cret', isActive: true }

/** A hash of the least cost that Mosquitto writes. */
export function cheapHash(password: string): PasswordHash {
  const salt = randomBytes(12)
  const key = pbkdf2Sync(password, salt, 1, 64, 'sha512')
  const hash = parsePasswordHash(`$7$1$${salt.toString('base64')}$${key.toString('base64')}`)
  if (hash === undefined) throw new Error('the hash is not in the format of the password file')
  return hash
}

/** A password file with these users. */
export function passwordsOf(
  users: Readonly<Record<string, string | PasswordHash>>,
  options?: PasswordsOptions,
): Passwords {
  const hashes = Object.entries(users).map(
    ([user, one]) => [user, typeof one === 'string' ? cheapHash(one) : one] as const,
  )
  return createPasswords({ users: new Map(hashes) }, options)
}

/** What the files of users and rules say. */
export function rulesOf(
  passwords: Passwords = passwordsOf({}),
  { administrator, acl = '' }: { readonly administrator?: string; readonly acl?: string } = {},
): Rules {
  return { passwords, administrator, acl: compileAcl(parseAclFile('acl.conf', acl)) }
}

/** Looks up a device as it is `remembered`, and as it is `stored` on a refresh; `asked` tells which. */
export function directoryOf(remembered: Device | undefined, stored = remembered) {
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

/** An authenticator, and the rules that it goes by: put others in force by setting `rules`. */
export interface TestAuthenticator extends Pick<Authenticator, 'judge'> {
  rules: Rules
  /** Whose password was compared with a hash. */
  readonly verified: readonly string[]
  authenticate(login: Partial<LoginRequest>): Promise<Identity | Refusal>
  /** The same with user and password. */
  logIn(user: string, password: string, address?: string): Promise<Identity | Refusal>
  /** What it comes to: the client is let in, or why it is not. */
  outcome(user: string, password: string, address?: string): Promise<'in' | Refusal>
}

/** The parts of an authenticator that a test has a say in; there are no rules, and one device, unless given. */
export interface TestAuthenticatorOptions {
  readonly rules?: Rules
  readonly devices?: AuthenticatorParts['devices']
  readonly allowsAnonymous?: boolean
  readonly lockout?: Partial<LockoutSettings>
}

/** Logins at once, and as many failures as anyone may want, unless told otherwise. */
const noLockout: LockoutSettings = {
  failures: 1000,
  refuseAfter: 1000,
  windowMs: 3_600_000,
  delayMs: 0,
  refuseForMs: 3_600_000,
}

/** Joins the parts as the server does. */
export function authenticatorWith(options: TestAuthenticatorOptions = {}): TestAuthenticator {
  const verified: string[] = []
  let rules = options.rules ?? rulesOf()
  const { authenticate, judge } = createAuthenticator({
    rulebook: {
      get rules(): Rules {
        const { passwords } = rules
        return {
          ...rules,
          passwords: {
            ...passwords,
            verify: (user, ...rest) => {
              verified.push(user)
              return passwords.verify(user, ...rest)
            },
          },
        }
      },
    },
    devices: options.devices ?? directoryOf(device),
    allowsAnonymous: options.allowsAnonymous ?? false,
    lockout: createLockout({ ...noLockout, ...options.lockout }, () => undefined),
    knownLogins: createKnownLogins(),
  })
  const anyLogin: LoginRequest = {
    user: undefined,
    password: undefined,
    clientId: 'client',
    address: '192.0.2.1',
    ending: createEnding(),
  }
  const logIn: TestAuthenticator['logIn'] = (user, password, address = anyLogin.address) =>
    authenticate({ ...anyLogin, user, password: Buffer.from(password), address })
  return {
    get rules() {
      return rules
    },
    set rules(changed) {
      rules = changed
    },
    verified,
    judge,
    authenticate: (login) => authenticate({ ...anyLogin, ...login }),
    logIn,
    async outcome(...login) {
      const found = await logIn(...login)
      return typeof found === 'string' ? found : 'in'
    },
  }
}

/** The identity of a login that has to be let in. */
export async function letIn(login: Promise<Identity | Refusal>): Promise<Identity> {
  const found = await login
  if (typeof found === 'string') throw new Error(`not let in: ${found}`)
  return found
}
