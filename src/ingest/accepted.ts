import type { Device } from '../store/device.js'
import type { Batchable } from './batcher.js'
import type { Report } from './report.js'

/** A report whose device is known, on its way to the store. Its key is the device's id. */
export interface Accepted extends Batchable {
  readonly device: Device
  readonly report: Report
  /** Epoch ms. */
  readonly receivedAtMs: number
  /** Called once, when the report is committed or refused. */
  readonly settle: (how: 'stored' | 'refused-by-database') => void
}
