import type { DatabaseAddress } from '#src/config/database-url.js'
import { openStore } from '#src/store/open-store.js'

/** What a device is known by, and what it logs in with. */
export interface FleetDevice {
  readonly uuid: string
  readonly deviceId: string
  readonly secret: string
}

/** As the platform writes its times. */
const ZONE_OFFSET_MINUTES = 480

/** So many devices, written into the database with the tables that the server makes. */
export async function addFleet(address: DatabaseAddress, count: number): Promise<readonly FleetDevice[]> {
  const fleet = Array.from({ length: count }, (_, index): FleetDevice => {
    const hex = (index + 1).toString(16).padStart(8, '0')
    return {
      uuid: `${hex}-0000-4000-8000-000000000000`,
      deviceId: `AIOT-ESP32-${hex}`,
      secret: hex.repeat(4),
    }
  })
  const store = await openStore(address, { zoneOffsetMinutes: ZONE_OFFSET_MINUTES })
  await Promise.all(fleet.map((device) => store.addDevice({ ...device, name: device.deviceId })))
  await store.close()
  return fleet
}
