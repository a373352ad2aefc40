import { LRUCache } from 'lru-cache'
import type { Batch, DeviceChange, SensorChange } from '../store/batch.js'

/**
 * What live batches brought while older ones wait in the spool. The state tables have whole seconds, within
 * which the later write wins: these marks keep an older reading of the same second from being the later one.
 */
export interface LiveMarks {
  /** Remembers a live batch, from before it is written. */
  note(batch: Batch): void
  /** A batch from the spool without what live ones have overtaken. The history is left whole. */
  behind(batch: Batch): Batch
  clear(): void
}

interface Mark {
  seenAtMs: number
  isOnline: boolean
  readonly sensors: Map<string, number>
}

/** Some ten megabytes. A device that falls out can show a reading that is a second old, until its next one. */
const MAX_DEVICES = 20_000

/** Marks of nothing yet. */
export function createLiveMarks(): LiveMarks {
  const marks = new LRUCache<number, Mark>({ max: MAX_DEVICES })

  const noteDevice = ({ deviceId, seenAtMs, isOnline }: DeviceChange): void => {
    const mark = marks.get(deviceId)
    if (mark === undefined) marks.set(deviceId, { seenAtMs, isOnline, sensors: new Map() })
    else if (seenAtMs >= mark.seenAtMs) Object.assign(mark, { seenAtMs, isOnline })
  }

  const noteSensor = ({ deviceId, sensor, recordedAtMs }: SensorChange): void => {
    const times = marks.get(deviceId)?.sensors
    times?.set(sensor, Math.max(recordedAtMs, times.get(sensor) ?? recordedAtMs))
  }

  const deviceBehind = (change: DeviceChange): DeviceChange => {
    const mark = marks.get(change.deviceId)
    if (mark === undefined || mark.seenAtMs <= change.seenAtMs) return change
    const { deviceId, seenAtMs, heartbeatAtMs } = change
    return {
      deviceId,
      seenAtMs,
      isOnline: mark.isOnline,
      ...(heartbeatAtMs === undefined ? {} : { heartbeatAtMs }),
    }
  }

  return {
    note({ devices, sensors }) {
      for (const change of devices) noteDevice(change)
      for (const change of sensors) noteSensor(change)
    },
    behind: ({ devices, sensors, history }) => ({
      devices: devices.map(deviceBehind),
      sensors: sensors.filter(
        ({ deviceId, sensor, recordedAtMs }) =>
          (marks.get(deviceId)?.sensors.get(sensor) ?? recordedAtMs) <= recordedAtMs,
      ),
      history,
    }),
    clear: () => marks.clear(),
  }
}
