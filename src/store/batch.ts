/**
 * What a group of messages changes, merged so that each device stands in `devices` once, and each sensor
 * of a device in `sensors` once. Ids are `device_main.id`; times are epoch milliseconds.
 */
export interface Batch {
  readonly devices: readonly DeviceChange[]
  readonly sensors: readonly SensorChange[]
  readonly history: readonly HistoryRow[]
  /** Whether something newer may be stored, or on its way there, whatever the times of the readings say. */
  readonly mayBeLate?: boolean
  /** When its oldest part arrived, where that was a while ago; epoch ms. */
  readonly asOfMs?: number
}

/** What becomes of one `device_main` row; an absent field leaves its column alone. */
export interface DeviceChange {
  readonly deviceId: number
  /** `last_seen`, which never goes back. */
  readonly seenAtMs: number
  /** `last_heartbeat`, which never goes back. */
  readonly heartbeatAtMs?: number
  readonly isOnline: boolean
  /** Whether it may have gone offline since, in the very second of `seenAtMs`: then it stays so. */
  readonly mayHaveLeft?: boolean
  /** Merged into `last_report_data` (RFC 7396) beside the sensors; its `upload_timestamp` is set with it. */
  readonly report?: DeviceReportChange
  readonly deviceStatus?: string
  readonly ipAddress?: string
  readonly firmwareVersion?: string
}

/** What a device said beside its sensors. */
export interface DeviceReportChange {
  readonly uploadedAtMs: number
  readonly status?: JsonObject
  readonly location?: JsonObject
}

/** The newest reading of one sensor: a `device_sensors` row, and its entry in `last_report_data.sensors`. */
export interface SensorChange {
  readonly deviceId: number
  readonly deviceUuid: string
  /** `^[a-z_][a-z0-9_]*$`, 1 to 50 characters. */
  readonly sensor: string
  readonly value: number | boolean
  /** At most 20 characters; `''` for none. */
  readonly unit: string
  /** At most 50 characters; `''` for none. */
  readonly type: string
  readonly recordedAtMs: number
}

/** One reading in `device_sensor_history`; the first four fields are its key. */
export interface HistoryRow {
  readonly deviceId: number
  readonly sensor: string
  readonly recordedAtMs: number
  /**
   * Tells apart the readings of one sensor in one millisecond; 0 to 4294967295. A row whose whole key is
   * there already is the same reading again, and is left out.
   */
  readonly discriminator: number
  readonly value: number
}

/** One sensor's readings from `fromMs` (included) to `toMs` (excluded), at most `limit` of them. */
export interface HistoryRange {
  readonly deviceId: number
  readonly sensor: string
  readonly fromMs: number
  readonly toMs: number
  readonly limit: number
}

/** A reading of the history. */
export interface HistoryPoint {
  readonly recordedAtMs: number
  readonly value: number
}

/**
 * One sensor's readings from `fromMs` (included) to `toMs` (excluded), to be summed up in buckets of `bucketMs`,
 * the first of which begins at `originMs`, which is not after `fromMs`. All are whole milliseconds.
 */
export interface BucketRange {
  readonly deviceId: number
  readonly sensor: string
  readonly originMs: number
  readonly bucketMs: number
  readonly fromMs: number
  readonly toMs: number
}

/** Some readings that follow each other: how many, and their least, greatest and mean value. */
export interface HistoryBucket {
  /** Where the bucket begins, not its first reading. */
  readonly fromMs: number
  /** At least 1. */
  readonly count: number
  readonly min: number
  readonly max: number
  readonly mean: number
}

/** What one step has summed up, and from where the next one has to go on; absent: nothing is left. */
export interface BucketStep {
  /** By time. A bucket that a step did not finish comes again in the next one, with the rest of its readings. */
  readonly buckets: readonly HistoryBucket[]
  readonly nextMs?: number
}

/** A parsed JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject

/** A parsed JSON object. */
export interface JsonObject {
  readonly [key: string]: Json
}
