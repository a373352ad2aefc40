import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connectPacket, createPacketReader, PacketType, publishPacket } from '../support/packets.js'
import { percentile } from '../support/statistics.js'
import { isRecord, serveTasks } from '../support/worker.js'

/**
 * Devices with a connection each, which publish three readings a message at QoS 1: either the next when the one
 * before was acknowledged, or at a fixed rate, whatever was acknowledged by then. At a fixed rate a message's time
 * counts from when it was due, so that none is left out while everything stands still.
 */

interface Device {
  readonly socket: Socket
  readonly topic: string
  /** What it says, in turn. */
  readonly payloads: readonly string[]
  /** Called with the packet identifier of every acknowledgement. */
  acknowledged: (identifier: number) => void
}

/** Values change from message to message, as a sensor's do. */
const PAYLOADS = 4

/** Logins that are under way at one time: a storm is not what is measured. */
const LOGINS_TOGETHER = 20

/** What is not acknowledged by then never will be. */
const LAST_ANSWERS_MS = 10_000

const MAX_PACKET_IDENTIFIER = 65_535

const ACCEPTED = Buffer.from([0x20, 2, 0, 0])

let devices: readonly Device[] = []

async function logIn(port: number, login: unknown): Promise<Device> {
  if (!isRecord(login)) throw new Error('no login')
  const [uuid, deviceId, secret] = [String(login['uuid']), String(login['deviceId']), String(login['secret'])]
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  socket.write(connectPacket(uuid, deviceId, secret, 0))
  const [answer] = await once(socket, 'data')
  if (!(Buffer.isBuffer(answer) && answer.equals(ACCEPTED))) {
    throw new Error(`a device was answered ${String(answer)}`)
  }
  const payloads = Array.from(
    { length: PAYLOADS },
    (_, at) => `{"device_id":"${deviceId}","temperature":${20 + at / 10},"humidity":${50 + at},"light":850}`,
  )
  const device: Device = {
    socket,
    topic: `devices/${uuid}/data`,
    payloads,
    acknowledged: () => undefined,
  }
  socket.on(
    'data',
    createPacketReader(({ type, body }) => {
      if (type === PacketType.puback) device.acknowledged(body.readUInt16BE(0))
    }),
  )
  return device
}

/** Every device has one message on its way until the time is over; resolves when all are acknowledged. */
async function saturate(forMs: number): Promise<{ readonly messages: number; readonly tookMs: number }> {
  const firstMs = performance.now()
  const endMs = firstMs + forMs
  let messages = 0
  await Promise.all(
    devices.map((device) => {
      const packets = device.payloads.map((payload, at) => publishPacket(device.topic, at + 1, payload))
      return new Promise<void>((resolve, reject) => {
        let sent = 0
        const send = (): void => {
          device.socket.write(packets[sent % packets.length] ?? '')
          sent += 1
        }
        const closed = (): void => reject(new Error('the server closed a connection'))
        device.socket.once('close', closed)
        device.acknowledged = () => {
          messages += 1
          if (performance.now() < endMs) return send()
          device.socket.off('close', closed)
          resolve()
        }
        send()
      })
    }),
  )
  return { messages, tookMs: performance.now() - firstMs }
}

/** One message after the other at their times, from one device after the other. */
async function offer(perSecond: number, forMs: number): Promise<object> {
  const count = Math.floor((perSecond * forMs) / 1000)
  const tookMs: number[] = []
  const lateMs: number[] = []
  const waiting = devices.map((device) => {
    const dueMs = new Map<number, number>()
    device.acknowledged = (identifier) => {
      const due = dueMs.get(identifier)
      if (due === undefined) return
      dueMs.delete(identifier)
      tookMs.push(performance.now() - due)
    }
    return dueMs
  })
  const firstMs = performance.now()
  let sent = 0
  const sendWhatIsDue = (): void => {
    for (; sent < count; sent += 1) {
      const due = firstMs + (sent * 1000) / perSecond
      const nowMs = performance.now()
      if (due > nowMs) return
      const index = sent % devices.length
      const [device, dueMs] = [devices[index], waiting[index]]
      if (device === undefined || dueMs === undefined) throw new Error('no devices')
      const round = Math.floor(sent / devices.length)
      const identifier = (round % MAX_PACKET_IDENTIFIER) + 1
      dueMs.set(identifier, due)
      device.socket.write(publishPacket(device.topic, identifier, device.payloads[round % PAYLOADS] ?? ''))
      lateMs.push(nowMs - due)
    }
  }
  const sending = setInterval(sendWhatIsDue, 1)
  await delay(forMs)
  const giveUpMs = performance.now() + LAST_ANSWERS_MS
  while (tookMs.length < count && performance.now() < giveUpMs) await delay(5)
  clearInterval(sending)
  return {
    messages: sent,
    unacknowledged: count - tookMs.length,
    p50Ms: percentile(tookMs, 0.5),
    p99Ms: percentile(tookMs, 0.99),
    ownP99Ms: percentile(lateMs, 0.99),
  }
}

serveTasks({
  async connect(input) {
    if (!isRecord(input) || !Array.isArray(input['fleet'])) throw new Error('no input')
    const port = Number(input['port'])
    const fleet: readonly unknown[] = input['fleet']
    const connected: Device[] = []
    for (let at = 0; at < fleet.length; at += LOGINS_TOGETHER) {
      const together = fleet.slice(at, at + LOGINS_TOGETHER).map((login) => logIn(port, login))
      connected.push(...(await Promise.all(together)))
    }
    devices = connected
  },
  saturate: (forMs) => saturate(Number(forMs)),
  async offer(input) {
    if (!isRecord(input)) throw new Error('no input')
    return offer(Number(input['perSecond']), Number(input['forMs']))
  },
})
