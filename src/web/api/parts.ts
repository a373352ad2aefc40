import type { Authenticator } from '../../auth/authenticate.js'
import type { Broker } from '../../broker/broker.js'
import type { Logger } from '../../log/logger.js'
import type { Tally } from '../../metrics/tally.js'
import type { Store } from '../../store/store.js'

/** What the API works with, once the server is up. */
export interface ApiParts {
  readonly authenticator: Authenticator
  readonly store: Pick<Store, 'findDevice' | 'reportDevice' | 'listDevices' | 'historyOf'>
  readonly broker: Pick<Broker, 'clients' | 'publish'>
  /** What the server has done so far. */
  readonly statistics: () => Readonly<Record<string, unknown>>
  /** Those that are raised and have not ended. */
  readonly alerts: () => readonly unknown[]
  readonly tally: Tally
  readonly log: Logger
}
