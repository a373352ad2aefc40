import { ConfigError } from '../config/config-error.js'
import { type Acl, compileAcl } from './acl.js'
import { type AclFile, readAclFile } from './acl-file.js'
import { type PasswordFile, readPasswordFile } from './password-file.js'
import { createPasswords, type Passwords } from './passwords.js'

/** Who may log in and do what, by the files. */
export interface Rules {
  readonly passwords: Passwords
  /** The user of the password file who may do everything. */
  readonly administrator: string | undefined
  readonly acl: Acl
}

/** The rules in force; those of a broken file stay in force until it is whole again. */
export interface Rulebook {
  readonly rules: Rules
  /**
   * Reads both files again, and puts those in force that can be read. A file that is gone counts as broken:
   * its rules end when it is emptied.
   *
   * @returns what is to be said of each file, worst first
   */
  reload(): Promise<RulesReport>
}

/** What a reading of the files has brought. */
export interface RulesReport {
  /** Why a file is not in force, with file and line. */
  readonly errors: readonly ConfigError[]
  /** A sentence for each line that has no effect. */
  readonly warnings: readonly string[]
}

/** Where the rules come from. */
export interface RulebookOptions {
  readonly passwordPath: string
  readonly aclPath: string
  /** `MQTT_USERNAME`, which goes before the one whom the password file names. */
  readonly administrator: string | undefined
  /** How many logins may wait for their password to be checked. */
  readonly maxWaiting: number
}

/**
 * Reads both files for the first time.
 *
 * @throws ConfigError PASSWORD_FILE or ACL_FILE: nobody is let in by a file that cannot be read.
 */
export async function openRulebook(options: RulebookOptions): Promise<Rulebook & RulesReport> {
  let passwordFile = await readPasswordFile(options.passwordPath)
  let aclFile = await readAclFile(options.aclPath)
  let passwords = createPasswords(passwordFile, options)
  let acl = compileAcl(aclFile)

  const takePasswords = (file: PasswordFile): void => {
    if (!file.exists) throw missing('PASSWORD_FILE', options.passwordPath)
    // The logins that were right are remembered for as long as the hashes stay.
    if (!hasSameUsers(file, passwordFile)) passwords = createPasswords(file, options)
    passwordFile = file
  }
  const takeAcl = (file: AclFile): void => {
    // It was not there either at the start, where it could not be written.
    if (!file.exists && aclFile.exists) throw missing('ACL_FILE', options.aclPath)
    acl = compileAcl(file)
    aclFile = file
  }
  const warnings = (): readonly string[] => [...passwordFile.warnings, ...aclFile.warnings]

  return {
    get rules() {
      return { passwords, acl, administrator: options.administrator ?? passwordFile.administrator }
    },
    errors: [],
    warnings: warnings(),
    async reload() {
      const errors = [
        ...(await unlessBroken(readPasswordFile(options.passwordPath), takePasswords)),
        ...(await unlessBroken(readAclFile(options.aclPath), takeAcl)),
      ]
      return { errors, warnings: warnings() }
    },
  }
}

async function unlessBroken<T>(
  reading: Promise<T>,
  take: (file: T) => void,
): Promise<readonly ConfigError[]> {
  try {
    take(await reading)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return [error]
    throw error
  }
}

function missing(code: 'PASSWORD_FILE' | 'ACL_FILE', path: string): ConfigError {
  return new ConfigError(code, `${path} is gone; put it back, or an empty file in its place`)
}

function hasSameUsers({ users }: PasswordFile, { users: others }: PasswordFile): boolean {
  return (
    users.size === others.size && [...users].every(([user, hash]) => others.get(user)?.text === hash.text)
  )
}
