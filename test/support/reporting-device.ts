import type { IPublishPacket } from 'mqtt-packet'
import { connectRaw } from './raw-client.js'
import { ADMINISTRATOR, type Server } from './server.js'

/** A device that reports 1, 2, 3 and so on as `value`, each when the one before is acknowledged. */
export interface ReportingDevice {
  readonly name: string
  /** The last number that was acknowledged. */
  acknowledged(): number
  /** Resolves when `more` further numbers are acknowledged; rejects when the connection ends first. */
  goesOn(more: number): Promise<void>
  /** Sends no more, and resolves when the last number is acknowledged. */
  finish(): Promise<void>
  /** Sends no more, and waits for nothing. */
  leave(): void
}

/** Connects a device that reports until the running test is over; numbers begin after `from`. */
export async function startReporting(server: Server, name: string, from = 0): Promise<ReportingDevice> {
  const password = Buffer.from(ADMINISTRATOR.password)
  const client = await connectRaw(server.port('mqtt'), { username: ADMINISTRATOR.username, password })
  let isLeaving = false
  let acknowledged = from
  const report = async (): Promise<void> => {
    for (let number = from + 1; !isLeaving; number++) {
      client.send(reportOf(name, number))
      await client.count('puback', number - from)
      acknowledged = number
    }
  }
  const reported = report()
  reported.catch(() => undefined) // seen by whoever waits
  return {
    name,
    acknowledged: () => acknowledged,
    async goesOn(more) {
      await client.count('puback', acknowledged - from + more)
    },
    async finish() {
      isLeaving = true
      await reported
    },
    leave() {
      isLeaving = true
      client.socket.destroy()
    },
  }
}

/** A number as such a device reports it. */
export function reportOf(name: string, number: number, qos: 0 | 1 | 2 = 1): IPublishPacket {
  return {
    cmd: 'publish',
    messageId: ((number - 1) % 65_535) + 1,
    topic: `devices/${name}/data`,
    payload: `{"value":${number}}`,
    qos,
    dup: false,
    retain: false,
  }
}
