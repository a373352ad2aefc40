import type { DeviceMessage } from './accepted.js'

/**
 * How new what waits in the spool is. The state tables have whole seconds, within which the later write wins:
 * whether a live message may be written beside older ones of its device, which come from the spool, or has to
 * wait behind them, is told from these times.
 */
export interface SpoolTimes {
  /** Remembers messages that are in the spool, from before anything of their devices is asked. */
  note(messages: readonly DeviceMessage[]): void
  /**
   * Those of a batch that must go to the spool, behind what is there, and those that the database puts in the
   * right order by itself, whichever it writes first. Of each device the first ones go behind. Whoever asks
   * has put the one part in the spool before it goes on with the other.
   */
  split<T extends DeviceMessage>(batch: readonly T[], nowMs: number): Split<T>
  /** Nothing is in the spool any more. */
  clear(): void
}

/** The two parts of a batch, each in the order of arrival. */
export interface Split<T> {
  readonly behind: readonly T[]
  readonly ahead: readonly T[]
}

/** Newest times, in whole seconds: of arrival, and of readings. */
interface Newest {
  receivedS: number
  recordedS: number
}

/** Some ten megabytes. All devices beyond share one time, so that more of their messages go behind. */
const MAX_DEVICES = 50_000

/** Those of an empty spool; or of one that an earlier run left, with nothing in it newer than `leftNewestMs`. */
export function createSpoolTimes(leftNewestMs: number | undefined, maxDevices = MAX_DEVICES): SpoolTimes {
  const devices = new Map<number, Newest>()
  let others = leftNewestMs === undefined ? nothing() : oneTime(leftNewestMs)

  const newestOf = (deviceId: number): Newest => {
    const own = devices.get(deviceId)
    return own === undefined ? others : newer(own, others)
  }

  const noteOne = (message: DeviceMessage): void => {
    const own = devices.get(message.device.id)
    if (own === undefined && devices.size >= maxDevices) others = newer(others, newestIn(message))
    else devices.set(message.device.id, newer(own ?? nothing(), newestIn(message)))
  }

  return {
    note(messages) {
      for (const message of messages) noteOne(message)
    },
    split(batch, nowMs) {
      if (devices.size === 0 && isNothing(others)) return { behind: [], ahead: batch }
      const behind = new Set<DeviceMessage>()
      for (const messages of byDevice(batch).values()) {
        const [first] = messages
        if (first === undefined) continue
        for (const one of firstOnes(messages, newestOf(first.device.id), nowMs)) behind.add(one)
      }
      return {
        behind: batch.filter((message) => behind.has(message)),
        ahead: batch.filter((message) => !behind.has(message)),
      }
    },
    clear() {
      devices.clear()
      others = nothing()
    },
  }
}

/** The messages of a device up to the last one that is not plainly newer than all before it in the spool. */
function firstOnes(
  messages: readonly DeviceMessage[],
  found: Newest,
  nowMs: number,
): readonly DeviceMessage[] {
  if (isNothing(found)) return []
  let newest = found
  let count = 0
  for (const [index, message] of messages.entries()) {
    if (isPlainlyNewer(message, newest, nowMs)) continue
    for (const one of messages.slice(count, index + 1)) newest = newer(newest, newestIn(one))
    count = index + 1
  }
  return messages.slice(0, count)
}

/** A time in the future is none that the database keeps: what is older replaces it. */
function isPlainlyNewer({ receivedAtMs, report }: DeviceMessage, newest: Newest, nowMs: number): boolean {
  const isAfter = (timeMs: number, second: number): boolean =>
    secondOf(timeMs) > second && secondOf(timeMs) <= secondOf(nowMs)
  return (
    isAfter(receivedAtMs, newest.receivedS) &&
    report.readings.every(({ recordedAtMs }) => isAfter(recordedAtMs, newest.recordedS))
  )
}

/** The newest time in some messages, epoch ms. */
export function newestTimeMs(messages: readonly DeviceMessage[]): number {
  return messages.reduce(
    (newest, { receivedAtMs, report }) =>
      report.readings.reduce(
        (time, { recordedAtMs }) => Math.max(time, recordedAtMs),
        Math.max(newest, receivedAtMs),
      ),
    0,
  )
}

function newestIn({ receivedAtMs, report }: DeviceMessage): Newest {
  const recordedS = report.readings.reduce(
    (newest, { recordedAtMs }) => Math.max(newest, secondOf(recordedAtMs)),
    Number.NEGATIVE_INFINITY,
  )
  return { receivedS: secondOf(receivedAtMs), recordedS }
}

function newer(one: Newest, other: Newest): Newest {
  return {
    receivedS: Math.max(one.receivedS, other.receivedS),
    recordedS: Math.max(one.recordedS, other.recordedS),
  }
}

function byDevice(batch: readonly DeviceMessage[]): ReadonlyMap<number, readonly DeviceMessage[]> {
  const groups = new Map<number, DeviceMessage[]>()
  for (const message of batch) {
    const group = groups.get(message.device.id)
    if (group === undefined) groups.set(message.device.id, [message])
    else group.push(message)
  }
  return groups
}

function nothing(): Newest {
  return { receivedS: Number.NEGATIVE_INFINITY, recordedS: Number.NEGATIVE_INFINITY }
}

function oneTime(timeMs: number): Newest {
  return { receivedS: secondOf(timeMs), recordedS: secondOf(timeMs) }
}

function isNothing({ receivedS }: Newest): boolean {
  return receivedS === Number.NEGATIVE_INFINITY
}

function secondOf(timeMs: number): number {
  return Math.floor(timeMs / 1000)
}
