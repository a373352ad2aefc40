import type { Json } from './batch.js'

/** A device as logging in and ingest need it: part of its `device_main` row. */
export interface Device {
  /** `device_main.id`. */
  readonly id: number
  /** At most 36 characters. */
  readonly uuid: string
  /** `device_main.device_id`, at most 50 characters. */
  readonly deviceId: string
  /** `device_main.device_secret`, in clear as the platform keeps it. */
  readonly secret: string
  readonly isActive: boolean
}

/** The devices among `found` whose `uuid` or `device_id` is one of `names`, to the letter, by that name. */
export function devicesByName(
  found: readonly Device[],
  names: readonly string[],
): ReadonlyMap<string, Device> {
  // Of two devices that share a name, the one whose uuid it is, set last, is the one that is meant.
  const all = new Map([
    ...found.map((device) => [device.deviceId, device] as const),
    ...found.map((device) => [device.uuid, device] as const),
  ])
  return new Map(
    names.flatMap((name) => {
      const device = all.get(name)
      return device === undefined ? [] : [[name, device] as const]
    }),
  )
}

/** A `device_main` row to be. */
export interface NewDevice {
  readonly uuid: string
  readonly deviceId: string
  /** At most 100 characters. */
  readonly name: string
  readonly secret: string
}

/** The `device_main` columns that Damselfly writes, under their own names, and the device's sensors. */
export interface DeviceReport {
  readonly id: number
  readonly uuid: string
  readonly device_id: string
  readonly name: string
  readonly device_status: string
  readonly is_online: boolean
  readonly is_active: boolean
  /** DATETIME text in the database's zone (`2026-11-22 14:30:00`), as the column holds it. */
  readonly last_seen: string | null
  readonly last_heartbeat: string | null
  readonly ip_address: string | null
  readonly firmware_version: string | null
  /** Parsed; `null` too when the column holds no JSON. */
  readonly last_report_data: Json
  readonly sensors: readonly SensorReport[]
}

/** What a list shows of a device: the columns of its report that are short. */
export type DeviceSummary = Omit<DeviceReport, 'last_report_data' | 'sensors'>

/** Which devices a page is to have. */
export interface DeviceQuery {
  /** Only those with a greater `id`. */
  readonly afterId: number
  /** At most so many. */
  readonly limit: number
  readonly isOnline?: boolean
  /** Stands in `name`, `device_id` or `uuid`, its letters in either case. */
  readonly text?: string
}

/** Devices by `id`, and the `id` after which the next page begins; absent: there is none. */
export interface DevicePage {
  /** May be fewer than asked for, even none, though more follow: a page looks at so many rows and no more. */
  readonly devices: readonly DeviceSummary[]
  readonly nextAfterId?: number
}

/** A `device_sensors` row. */
export interface SensorReport {
  readonly sensor_name: string
  readonly sensor_value: string
  readonly sensor_unit: string
  readonly sensor_type: string
  readonly timestamp: string
}
