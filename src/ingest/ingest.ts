import { randomInt } from 'node:crypto'
import { type PeerEvents, unheard } from '../metrics/peer-events.js'
import { countReason } from '../metrics/tally.js'
import type { Device } from '../store/device.js'
import type { DeviceDirectory } from '../store/device-directory.js'
import type { PresenceChange } from '../store/presence.js'
import type { Store } from '../store/store.js'
import type { Accepted } from './accepted.js'
import { createBatcher } from './batcher.js'
import { decodeReport } from './decode.js'
import { createDeviceResolver, type Resolved } from './device-resolver.js'
import { createInFlight } from './in-flight.js'
import { createMessageLog } from './message-log.js'
import type { Decoded, RejectReason, Report } from './report.js'
import { createRoad, type RoadParts } from './road.js'
import { type Route, routeTopic } from './route.js'

/** A published message, as far as ingest is concerned. */
export interface PublishedMessage {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  /** Told `true` when the message found no room and its publisher is to send no more, `false` when it got in. */
  readonly hold: (isHeld: boolean) => void
}

/** Takes what devices publish to the store. */
export interface Ingest {
  /**
   * Takes a message if its topic is a device's, and returns whether it did. `settled` is called once:
   * after the commit, when the message is on disk in the spool, or at once when it is rejected or dropped.
   * It is never called for a message that is still waiting when ingest stops.
   */
  handle(message: PublishedMessage, settled: () => void): boolean
  /** Resolves when every message taken so far has ended. */
  idle(): Promise<void>
  /** From now on messages go to the spool rather than to the store, so that they end before the process does. */
  hurry(): void
  /** Resolves when every message taken before this call has ended, whatever has been taken since. */
  settled(): Promise<void>
  /**
   * Keeps what is older than these, and comes from the spool later, from saying otherwise. Resolves to those that
   * no newer message contradicts.
   */
  notePresence(changes: readonly PresenceChange[]): Promise<readonly PresenceChange[]>
  /** Ends retries and timers. What is still waiting is lost to this process, and was not acknowledged. */
  stop(): void
}

/** The parts and settings that ingest is made of. */
export interface IngestOptions extends RoadParts {
  readonly store: Pick<Store, 'write' | 'lanes' | 'ping'>
  readonly directory: DeviceDirectory
  readonly zoneOffsetMinutes: number
  readonly unknownDevices: 'register' | 'reject'
  readonly acknowledges: 'stored' | 'received'
  readonly flushAfterMs: number
  readonly events?: Pick<PeerEvents, 'heard' | 'rejected'>
}

/** How a message ends: stored, on disk in the spool, dropped for want of room, or rejected for a reason. */
type End = 'stored' | 'spooled' | 'dropped' | RejectReason

/** A message on its way through the look-up and the queue, as its publisher has sent it: decoded it is larger. */
interface Arrival {
  readonly message: PublishedMessage
  readonly route: Route
  readonly receivedAtMs: number
  readonly end: (how: End) => void
}

/**
 * The bound of the queue. 20 full batches keep every lane busy through one that is slow, and 64 MiB is what
 * a small server can spare. Beyond it QoS 0 is dropped, and QoS 1 and 2 wait with their publisher, whose
 * connection is not read meanwhile.
 */
const MAX_QUEUED_BATCHES = 20
const MAX_QUEUED_BYTES = 64 * 1024 * 1024

/** Messages of 256 readings make long transactions: a batch of them is cut at some ten thousand rows. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024

/** What a reading takes in memory until it is written, beside its text in the payload. */
const BYTES_A_READING = 200

/** Joins the steps: route, find the device, decode, queue; the batcher and its writer do the rest. */
export function createIngest(options: IngestOptions): Ingest {
  const { tally, events = unheard } = options
  const stopping = new AbortController()
  const messageLog = createMessageLog(options.log)
  const devices = createDeviceResolver({ ...options, signal: stopping.signal })
  const maxQueued = options.maxBatch * MAX_QUEUED_BATCHES
  const road = createRoad(options, stopping.signal)
  const batcher = createBatcher<Accepted>({
    write: road.write,
    lanes: options.store.lanes,
    flushAfterMs: options.flushAfterMs,
    maxBatch: options.maxBatch,
    maxBatchBytes: MAX_BATCH_BYTES,
    maxQueued,
    maxQueuedBytes: MAX_QUEUED_BYTES,
  })
  const nextDiscriminator = createCounter(randomInt(2 ** 32))
  const inFlight = createInFlight()
  const idleWaiters: (() => void)[] = []
  let open = 0
  let lookingUp = 0

  /** Counts and logs how a message of `deviceName` ends, once, and then lets its acknowledgement go. */
  const ending = (deviceName: string, settled: () => void) => {
    open += 1
    const landed = inFlight.begin()
    tally.received += 1
    return (how: End): void => {
      if (how === 'stored') tally.stored += 1
      else if (how === 'spooled') tally.spooled += 1
      else if (how === 'dropped') tally.dropped += 1
      else {
        countReason(tally.rejected, how)
        events.rejected(deviceName, devices.peek(deviceName))
      }
      messageLog.ended(deviceName, how)
      settled()
      open -= 1
      landed()
      if (open === 0) for (const resolve of idleWaiters.splice(0)) resolve()
    }
  }

  const decode = ({ message, route, receivedAtMs }: Arrival): Decoded =>
    decodeReport(
      route.kind,
      message.payload,
      { receivedAtMs, zoneOffsetMinutes: options.zoneOffsetMinutes, nextDiscriminator },
      (error) => messageLog.failed(route.deviceName, error),
    )

  /** What a message reports; `undefined`: it is no report, and has ended so. */
  const read = ({ route, end }: Arrival, decoded: Decoded): Report | undefined => {
    messageLog.omitted(route.deviceName, decoded.omissions)
    if ('report' in decoded) return decoded.report
    end(decoded.rejected)
    return undefined
  }

  const findDevice = (arrival: Arrival): void => {
    const { message, route, end } = arrival
    const known = devices.peek(route.deviceName)
    if (known !== undefined) {
      queue(known, arrival)
      return
    }
    const decoded = decode(arrival)
    if ('rejected' in decoded) {
      read(arrival, decoded) // no device is registered for it
      return
    }
    if (lookingUp >= maxQueued && message.qos === 0) {
      end('dropped')
      return
    }
    lookingUp += 1
    const isHeld = lookingUp > maxQueued
    if (isHeld) message.hold(true)
    const found = (device: Resolved | 'refused-by-database'): void => {
      lookingUp -= 1
      if (isHeld) message.hold(false)
      if (typeof device === 'string') end(device)
      else queue(device, arrival)
    }
    devices.resolve(route.deviceName).then(found, (error: unknown) => {
      if (stopping.signal.aborted) return
      options.log.error({ error: String(error) }, 'a device look-up failed')
      found('refused-by-database')
    })
  }

  const queue = (device: Device, arrival: Arrival): void => {
    const { message, receivedAtMs, end } = arrival
    const accept = (): Accepted | undefined => {
      const report = read(arrival, decode(arrival))
      if (report === undefined) return undefined
      events.heard(device)
      const bytes = message.payload.length + report.readings.length * BYTES_A_READING
      return { key: device.id, device, report, receivedAtMs, bytes, settle: end }
    }
    if (batcher.offer(accept)) return
    if (message.qos === 0) {
      end('dropped')
      return
    }
    message.hold(true)
    batcher.enqueue(accept, () => message.hold(false))
  }

  return {
    handle(message, settled) {
      const route = routeTopic(message.topic)
      if (route === undefined) return false
      const receivedAtMs = Date.now()
      tally.lastReceivedAtMs = receivedAtMs
      const answersFirst = options.acknowledges === 'received'
      const end = ending(route.deviceName, answersFirst ? () => undefined : settled)
      findDevice({ message, route, receivedAtMs, end })
      if (answersFirst) settled()
      return true
    },
    idle: () =>
      open === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            idleWaiters.push(resolve)
          }),
    hurry: road.hurry,
    settled: inFlight.settled,
    notePresence: road.notePresence,
    stop() {
      stopping.abort()
      road.stop()
      batcher.stop()
    },
  }
}

/** Numbers of 32 bits, one after the other. */
function createCounter(first: number): () => number {
  let last = first
  return () => {
    last = (last + 1) >>> 0
    return last
  }
}
