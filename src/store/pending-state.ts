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
    state.change = state.change === undefined ? change : mergeDevice(state.change, change)
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
  const isNewer = before !== undefined && before.recordedAtMs > change.recordedAtMs
  if (!isNewer || before.recordedAtMs > nowMs) sensors.set(change.sensor, change)
}

function mergeDevice(one: DeviceChange, other: DeviceChange): DeviceChange {
  const [older, newer] = one.seenAtMs > other.seenAtMs ? [other, one] : [one, other]
  const report = mergeReport(older.report, newer.report)
  return {
    ...older,
    ...newer,
    ...(report === undefined ? {} : { report }),
    ...heartbeat(older.heartbeatAtMs, newer.heartbeatAtMs),
  }
}

function mergeReport(
  older: DeviceReportChange | undefined,
  newer: DeviceReportChange | undefined,
): DeviceReportChange | undefined {
  if (older === undefined || newer === undefined) return newer ?? older
  const { status, location } = newer
  return {
    ...older,
    ...newer,
    ...(status === undefined ? {} : { status: mergePatch(older.status, status) }),
    ...(location === undefined ? {} : { location: mergePatch(older.location, location) }),
  }
}

function heartbeat(one: number | undefined, other: number | undefined): { heartbeatAtMs?: number } {
  if (one === undefined && other === undefined) return {}
  return { heartbeatAtMs: Math.max(one ?? 0, other ?? 0) }
}
