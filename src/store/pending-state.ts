import type { Batch, DeviceChange, DeviceReportChange, SensorChange } from './batch.js'
import { mergePatch } from './merge-patch.js'

/** What some batches change in the state tables of one device, merged. */
export interface DeviceState {
  /** Absent: only its sensors change. */
  change: DeviceChange | undefined
  /** By name. */
  readonly sensors: Map<string, SensorChange>
  /** Whether any of it may be older than what is stored. */
  mayBeLate: boolean
}

/** By `device_main.id`. */
export type PendingState = Map<number, DeviceState>

/**
 * Adds what a batch changes, after all that is there: as the tables would have taken one after the other, the newer
 * counts, and of two as new the later one. A time after `nowMs` counts as old.
 */
export function addBatch(pending: PendingState, batch: Batch, nowMs: number): void {
  const isLate = batch.mayBeLate ?? false
  for (const change of batch.devices) {
    const state = stateOf(pending, change.deviceId)
    state.change = state.change === undefined ? change : mergeDevice(state.change, change, nowMs)
    state.mayBeLate ||= isLate
  }
  for (const change of batch.sensors) {
    const state = stateOf(pending, change.deviceId)
    addSensor(state, change, nowMs)
    state.mayBeLate ||= isLate
  }
}

/** Adds what `later` has, after all that is there. */
export function addState(pending: PendingState, later: PendingState, nowMs: number): void {
  for (const state of later.values()) addBatch(pending, batchOf([state]), nowMs)
}

/** A device's state in parts as small as can be written by themselves. */
export function partsOf({ change, sensors, mayBeLate }: DeviceState): DeviceState[] {
  const changes = change === undefined ? [] : partsOfChange(change)
  return [
    ...changes.map((part) => ({ change: part, sensors: new Map<string, SensorChange>(), mayBeLate })),
    ...[...sensors].map((sensor) => ({ change: undefined, sensors: new Map([sensor]), mayBeLate })),
  ]
}

/** What these devices' rows become, without any history. */
export function batchOf(states: readonly DeviceState[]): Batch {
  return {
    devices: states.flatMap(({ change }) => (change === undefined ? [] : [change])),
    sensors: states.flatMap(({ sensors }) => [...sensors.values()]),
    history: [],
    mayBeLate: states.some(({ mayBeLate }) => mayBeLate),
  }
}

function stateOf(pending: PendingState, deviceId: number): DeviceState {
  const known = pending.get(deviceId)
  if (known !== undefined) return known
  const state: DeviceState = { change: undefined, sensors: new Map(), mayBeLate: false }
  pending.set(deviceId, state)
  return state
}

function addSensor({ sensors }: DeviceState, change: SensorChange, nowMs: number): void {
  const before = sensors.get(change.sensor)
  if (before !== undefined && isAfter(before.recordedAtMs, change.recordedAtMs, nowMs)) return
  sensors.set(change.sensor, change)
}

/** What is older than what is there does not count, but for a heartbeat. */
function mergeDevice(before: DeviceChange, change: DeviceChange, nowMs: number): DeviceChange {
  const heartbeat = newestHeartbeat(before.heartbeatAtMs, change.heartbeatAtMs, nowMs)
  if (isAfter(before.seenAtMs, change.seenAtMs, nowMs)) return { ...before, ...heartbeat }
  const report = mergeReport(before.report, change.report)
  return { ...before, ...change, ...(report === undefined ? {} : { report }), ...heartbeat }
}

function mergeReport(
  before: DeviceReportChange | undefined,
  report: DeviceReportChange | undefined,
): DeviceReportChange | undefined {
  if (before === undefined || report === undefined) return report ?? before
  const { status, location } = report
  return {
    ...before,
    ...report,
    ...(status === undefined ? {} : { status: mergePatch(before.status, status) }),
    ...(location === undefined ? {} : { location: mergePatch(before.location, location) }),
  }
}

function newestHeartbeat(
  before: number | undefined,
  heartbeatAtMs: number | undefined,
  nowMs: number,
): { heartbeatAtMs?: number } {
  if (before === undefined || heartbeatAtMs === undefined) {
    const one = before ?? heartbeatAtMs
    return one === undefined ? {} : { heartbeatAtMs: one }
  }
  return { heartbeatAtMs: isAfter(before, heartbeatAtMs, nowMs) ? before : heartbeatAtMs }
}

/** Whether what is there is newer; a time in the future is that of a clock that was wrong. */
function isAfter(beforeMs: number, timeMs: number, nowMs: number): boolean {
  return beforeMs > timeMs && beforeMs <= nowMs
}

function partsOfChange({ deviceId, seenAtMs, isOnline, ...rest }: DeviceChange): DeviceChange[] {
  const sign = { deviceId, seenAtMs, isOnline }
  return [sign, ...Object.entries(rest).map(([name, value]) => ({ ...sign, [name]: value }))]
}
