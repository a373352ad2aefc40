import type { Packet } from 'mqtt-packet'
import { type Link, openLink } from './link.js'
import { holdsWithin } from './wait.js'

/** A device that reports 1, 2, 3 and so on as `value`. */
interface Device {
  readonly name: string
  readonly link: Link
  readonly qos: 1 | 2
  sent: number
  acknowledged: number
  /** When those that are not acknowledged were sent, oldest first. */
  readonly sentAtMs: number[]
}

/** Devices that report at a rate, each over a connection of its own, and behave as MQTT asks. */
export interface Fleet {
  /** What all of them together send from now on, a second, as far as they are answered. */
  setRate(perSecond: number): void
  readonly sent: number
  readonly acknowledged: number
  /** The longest time between a message and its acknowledgement since this was asked last, ms. */
  takeLongestWaitMs(): number
  /** What was not as it should be: connections that ended, acknowledgements out of order. */
  readonly faults: readonly string[]
  /** Sends no more, and waits for the acknowledgements; whether all came. */
  finish(withinMs: number): Promise<boolean>
  readonly devices: readonly Pick<Device, 'name' | 'qos' | 'sent' | 'acknowledged'>[]
  /** Ends the connections. */
  stop(): void
}

/** What a fleet is made of. */
export interface FleetOptions {
  readonly port: number
  readonly devices: number
  /** How many messages of a device may be unacknowledged; it sends no more then. */
  readonly window: number
  /** Sensors beside `value` in each message; none unless given. */
  readonly moreSensors?: number
  /** At which the device with this index reports; 1 unless given. */
  readonly qosOf?: (index: number) => 1 | 2
}

const TICK_MS = 10
const KEEP_ALIVE_SECONDS = 20
const CONNECT_AT_ONCE = 20
const REGISTERED_WITHIN_MS = 120_000
const MAX_PACKET_IDENTIFIER = 65_535

/** Connects the devices, and has each report once, so that they are known before anything happens. Rejects when they are not. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { port, devices: count, window, qosOf = () => 1 } = options
  const more = Array.from({ length: options.moreSensors ?? 0 }, (_, index) => `,"sensor_${index}":${index}`)
  const devices: Device[] = []
  const faults: string[] = []
  let isStopped = false
  let rate = 0
  let debt = 0
  let sent = 0
  let acknowledged = 0
  let longestWaitMs = 0

  const settle = (device: Device, packet: Packet): void => {
    if (packet.cmd !== (device.qos === 1 ? 'puback' : 'pubrec')) return
    if (device.qos === 2) device.link.send({ cmd: 'pubrel', messageId: packet.messageId ?? 0 })
    if (packet.messageId !== identifier(device.acknowledged + 1)) {
      faults.push(`${device.name} was acknowledged ${packet.messageId} after ${device.acknowledged}`)
    }
    device.acknowledged += 1
    acknowledged += 1
    const waitedMs = performance.now() - (device.sentAtMs.shift() ?? 0)
    longestWaitMs = Math.max(longestWaitMs, waitedMs)
  }

  const connect = async (index: number): Promise<void> => {
    const name = fleetName(index)
    let device: Device | undefined
    const onPacket = (packet: Packet): void => {
      if (device !== undefined) settle(device, packet)
    }
    const link = await openLink({
      port,
      clientId: name,
      clean: true,
      keepalive: KEEP_ALIVE_SECONDS,
      onPacket,
    })
    device = { name, link, qos: qosOf(index), sent: 0, acknowledged: 0, sentAtMs: [] }
    devices.push(device)
    void link.closed.then(() => {
      if (!isStopped) faults.push(`${name} was disconnected`)
    })
    report(device)
  }

  const report = (device: Device): void => {
    device.sent += 1
    sent += 1
    device.sentAtMs.push(performance.now())
    device.link.send({
      ...{
        cmd: 'publish',
        topic: topicOf(device),
        payload: `{"value":${device.sent}${more.join('')}}`,
      },
      ...{ messageId: identifier(device.sent), qos: device.qos, dup: false, retain: false },
    })
  }

  let next = 0
  let lastMs = performance.now()
  const tick = (): void => {
    const nowMs = performance.now()
    // What could not be sent when it was due is not made up for: the rate is what devices measure.
    debt = Math.min(debt + (rate * (nowMs - lastMs)) / 1000, rate / 10 + 1)
    lastMs = nowMs
    for (let tried = 0; debt >= 1 && tried < devices.length * 2; tried += 1) {
      const device = devices[next % devices.length]
      next += 1
      if (device === undefined || device.sent - device.acknowledged >= window || !device.link.isOpen) continue
      report(device)
      debt -= 1
    }
  }
  const ping = (): void => {
    for (const { link } of devices) link.send({ cmd: 'pingreq' })
  }

  const timers = [setInterval(ping, (KEEP_ALIVE_SECONDS / 2) * 1000)]
  for (let from = 0; from < count; from += CONNECT_AT_ONCE) {
    const some = Array.from({ length: Math.min(CONNECT_AT_ONCE, count - from) }, (_, index) => from + index)
    await Promise.all(some.map(connect))
  }
  if (!(await holdsWithin(REGISTERED_WITHIN_MS, () => acknowledged === sent))) {
    throw new Error(`${sent - acknowledged} of ${sent} devices were not registered`)
  }
  lastMs = performance.now()
  timers.push(setInterval(tick, TICK_MS))
  return {
    setRate(perSecond) {
      rate = perSecond
    },
    get sent() {
      return sent
    },
    get acknowledged() {
      return acknowledged
    },
    takeLongestWaitMs() {
      const waitingMs = devices.map(({ sentAtMs }) => performance.now() - (sentAtMs[0] ?? performance.now()))
      const longest = waitingMs.reduce((one, other) => Math.max(one, other), longestWaitMs)
      longestWaitMs = 0
      return longest
    },
    faults,
    finish(withinMs) {
      rate = 0
      debt = 0
      return holdsWithin(withinMs, () => acknowledged === sent)
    },
    devices,
    stop() {
      isStopped = true
      for (const timer of timers) clearInterval(timer)
      for (const { link } of devices) link.destroy()
    },
  }
}

/** What the device with this index is called, before it is there. */
export function fleetName(index: number): string {
  return `fleet-${index}`
}

/** Where a device reports. */
export function topicOf({ name }: { readonly name: string }): string {
  return `devices/${name}/data`
}

function identifier(number: number): number {
  return ((number - 1) % MAX_PACKET_IDENTIFIER) + 1
}
