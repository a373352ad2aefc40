import type { Authenticator } from './auth/authenticate.js'
import type { Rulebook } from './auth/rulebook.js'
import type { Broker } from './broker/broker.js'
import { ConfigError } from './config/config-error.js'
import { watchFiles } from './config/watch-files.js'
import { type Certificates, reloadCertificates } from './listen/certificates.js'
import type { Listener } from './listen/listener.js'
import type { Logger } from './log/logger.js'

/** What is read again while the server runs, and whom that concerns. */
export interface ReloadParts {
  readonly rulebook: Rulebook
  /** Where the certificates are, and those that are served by now. */
  readonly certificateFolder: string
  readonly certificates: Certificates
  readonly listeners: readonly Listener[]
  readonly broker: Broker
  readonly authenticator: Authenticator
  readonly log: Logger
}

/** Takes over changed files. */
export interface Reload {
  /** Reads every file again, after a reading that is under way. */
  now(): Promise<void>
  /** Does so whenever one of the files changes; returns how to end that. */
  watch(paths: readonly string[]): { stop(): void }
}

/**
 * A file that is broken, or gone, changes nothing: what was in force stays, and the log says why. Connected
 * clients are then judged by what is in force.
 */
export function createReload(parts: ReloadParts): Reload {
  const { rulebook, listeners, broker, authenticator, log } = parts
  let { certificates } = parts
  let last: Promise<void> = Promise.resolve()

  const renewCertificates = async (): Promise<readonly ConfigError[]> => {
    try {
      certificates = await reloadCertificates(parts.certificateFolder, certificates)
      for (const listener of listeners) listener.renew?.(certificates)
      for (const warning of certificates.warnings) log.warn(warning)
      return []
    } catch (error) {
      if (error instanceof ConfigError) return [error]
      throw error
    }
  }

  const reload = async (): Promise<void> => {
    const rules = await rulebook.reload()
    const errors = [...rules.errors, ...(await renewCertificates())]
    for (const warning of rules.warnings) log.warn(warning)
    for (const { message } of errors) log.error(`not taken over, what was in force stays: ${message}`)
    await broker.review((identity, { certificate }) => {
      const isRevoked = certificate && certificates.clients?.isRevoked(certificate.serialNumber)
      return isRevoked === true ? undefined : authenticator.judge(identity)
    })
    log.info('read again: users, rules and certificates')
  }

  const now = (): Promise<void> => {
    last = last.then(reload).catch((error: unknown) => {
      log.error({ error: String(error) }, 'a change of the files could not be taken over')
    })
    return last
  }

  return { now, watch: (paths) => watchFiles(paths, () => void now()) }
}
