import type { Alerts } from './alerts/alerts.js'
import type { DatabaseAddress } from './config/database-url.js'
import type { Settings } from './config/options.js'
import type { Lifecycle } from './lifecycle.js'
import type { Logger } from './log/logger.js'
import type { Tally } from './metrics/tally.js'
import type { StorageThreads } from './store/storage-threads.js'
import type { Readiness } from './web/readiness.js'

/** What every part is made with. */
export interface Context {
  readonly settings: Settings
  readonly database: DatabaseAddress
  readonly log: Logger
  readonly tally: Tally
  readonly alerts: Alerts
  readonly life: Lifecycle
  readonly readiness: Readiness
  readonly threads: StorageThreads
}
