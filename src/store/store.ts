import type { Batch, BucketRange, BucketStep, HistoryPoint, HistoryRange } from './batch.js'
import type { Device, DevicePage, DeviceQuery, DeviceReport, NewDevice } from './device.js'
import type { PresenceChange } from './presence.js'

/**
 * Where devices, their state and their history live. MySQL/MariaDB and SQLite stand behind it and pass one
 * contract suite. Every method rejects with a `StoreError`, and with nothing else.
 */
export interface Store {
  /** How many `write` calls may usefully run side by side; a device's batches never do. */
  readonly lanes: number

  /**
   * Commits a batch in one transaction: it is durable when the promise resolves, and no part of it is when
   * the promise rejects with STORE_REJECTED. Writing the same batch again changes nothing.
   *
   * The state tables take a reading only if none newer is there; a tie goes to the later call. A time in
   * the future, as a wrong clock leaves it behind, counts as older than now.
   *
   * Under load, and while `othersWait`, the state tables may follow some seconds later, also after a crash; absent:
   * nobody waits.
   */
  write(batch: Batch, othersWait?: () => boolean): Promise<void>

  /**
   * Sets `is_online` of some devices, a thousand or so, in one statement; each stands there once. A change
   * counts only if nothing newer than it is in `last_seen`. Online is a sign of life too: it becomes
   * `last_seen`, which offline leaves alone.
   */
  setPresence(changes: readonly PresenceChange[]): Promise<void>

  /** The devices that are online by `is_online` although they were not seen since `beforeMs` (epoch ms). */
  findSilent(beforeMs: number): Promise<readonly number[]>

  /** The newest `last_seen` of all devices, epoch ms; `undefined` where none was seen. */
  newestSeen(): Promise<number | undefined>

  /** The device whose `uuid` or `device_id` is `name`, to the letter; a `uuid` goes before a `device_id`. */
  findDevice(name: string): Promise<Device | undefined>

  /** The same of many names at once, some hundreds of them; who is not in the map does not exist. */
  findDevices(names: readonly string[]): Promise<ReadonlyMap<string, Device>>

  /** Adds a device; STORE_CONFLICT when its `uuid` or `device_id` is taken. */
  addDevice(device: NewDevice): Promise<Device>

  /** Sets a device's `device_secret`; `false` when there is no such device. */
  setSecret(id: number, secret: string): Promise<boolean>

  /** Removes a device, its sensors and its history; `false` when there is no such device. */
  removeDevice(id: number): Promise<boolean>

  /** What is stored of one device, or of all ordered by `device_id`. */
  reportDevice(id: number): Promise<DeviceReport | undefined>
  reportDevices(): Promise<readonly DeviceReport[]>

  /** A page of devices by `id`; one that looks for few of them ends after `DEVICES_LOOKED_AT` rows. */
  listDevices(query: DeviceQuery): Promise<DevicePage>

  /** The readings of one sensor in a range of time, oldest first; reads only that sensor's rows. */
  readHistory(range: HistoryRange): Promise<readonly HistoryPoint[]>

  /**
   * Sums up the readings of one sensor in a range, at most `READINGS_IN_STEP` of them in one statement, so that
   * neither a writer nor another reader waits long for it. Of more than that in one millisecond, the rest is
   * left out.
   */
  historyOf(range: BucketRange): Promise<BucketStep>

  /**
   * Deletes up to `limit` history rows from before `beforeMs` (epoch ms) in one short transaction, walking
   * device by device and sensor by sensor. Goes on after `cursor`, which the step before returned; the
   * walk is over when no cursor comes back.
   */
  pruneHistory(beforeMs: number, limit: number, cursor?: PruneCursor): Promise<PruneStep>

  /** Resolves when the database answers. */
  ping(): Promise<void>

  /** Ends what is under way and lets go of every connection, thread and file. */
  close(): Promise<void>
}

/** Where a walk through the history stands: this device's sensors up to this one are done. */
export interface PruneCursor {
  readonly deviceId: number
  readonly sensor: string
}

/** What one step of a walk deleted, and where to go on. */
export interface PruneStep {
  readonly deleted: number
  readonly cursor?: PruneCursor
}
