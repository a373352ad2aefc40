import type { Device } from '../store/device.js'
import type { Batchable } from './batcher.js'
import type { Report } from './report.js'

/** A report whose device is known. */
export interface DeviceMessage {
  readonly device: Pick<Device, 'id' | 'uuid' | 'deviceId'>
  readonly report: Report
  /** Epoch ms. */
  readonly receivedAtMs: number
}

/** One on its way to the store. Its key is the device's id. */
export interface Accepted extends Batchable, DeviceMessage {
  /** Called once, when the report is committed, on disk in the spool, or refused. */
  readonly settle: (how: 'stored' | 'spooled' | 'refused-by-database') => void
}
