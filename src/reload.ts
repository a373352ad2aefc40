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
  /** Where the certificates are, and those that are served by now; `undefined`: nobody speaks TLS. */
  readonly certificateFolder: string
  readonly certificates: Certificates | undefined
  readonly listeners: readonly Listener[]
  readonly broker: Broker
  readonly authenticator: Authenticator
  readonly log: Logger
}

/** Takes over changed files. */
export interface Reload {
  /** Reads every file again, after a reading that is under way. */
  now(): Promise<void>
  /** Does so whenever one of the files changes. */
  watch(paths: readonly string[]): ReloadWatch
}

/** A watch on the files that are read again. */
export interface ReloadWatch {
  /** Resolves when what changed between the first reading of the files and the watch is in force. */
  readonly caughtUp: Promise<void>
  stop(): void
}

/** Warnings of the start are in the log already. */
type Occasion = 'start' | 'change'

/**
 * A file that is broken, or gone, changes nothing: what was in force stays, and the log says why. Connected
 * clients are then judged by what is in force.
 */
export function createReload(parts: ReloadParts): Reload {
  const { rulebook, listeners, broker, authenticator, log } = parts
  let { certificates } = parts
  let last: Promise<void> = Promise.resolve()

  const renewCertificates = async (occasion: Occasion): Promise<readonly ConfigError[]> => {
    if (certificates === undefined) return []
    try {
      certificates = await reloadCertificates(parts.certificateFolder, certificates)
      for (const listener of listeners) listener.renew?.(certificates)
      if (occasion === 'change') for (const warning of certificates.warnings) log.warn(warning)
      return []
    } catch (error) {
      if (error instanceof ConfigError) return [error]
      throw error
    }
  }

  const reload = async (occasion: Occasion): Promise<void> => {
    const rules = await rulebook.reload()
    const errors = [...rules.errors, ...(await renewCertificates(occasion))]
    if (occasion === 'change') for (const warning of rules.warnings) log.warn(warning)
    for (const { message } of errors) log.error(`not taken over, what was in force stays: ${message}`)
    await broker.review((identity, { certificate }) => {
      const isRevoked = certificate && certificates?.clients?.isRevoked(certificate.serialNumber)
      return isRevoked === true ? undefined : authenticator.judge(identity)
    })
    if (occasion === 'change') log.info('read again: users, rules and certificates')
  }

  const inTurn = (occasion: Occasion): Promise<void> => {
    last = last
      .then(() => reload(occasion))
      .catch((error: unknown) => {
        log.error({ error: String(error) }, 'a change of the files could not be taken over')
      })
    return last
  }
  const now = (): Promise<void> => inTurn('change')

  return {
    now,
    watch(paths) {
      const { begun, stop } = watchFiles(paths, () => void now())
      return { stop, caughtUp: begun.then(() => inTurn('start')) }
    },
  }
}
