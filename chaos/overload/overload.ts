import { setTimeout as delay } from 'node:timers/promises'
import type { IPublishPacket } from 'mqtt-packet'
import type { Server } from '../../test/support/server-process.js'
import type { Context, Result, Scenario } from '../scenario.js'
import { startFleet } from '../support/fleet.js'
import { databaseUrl } from '../support/ground.js'
import { openLink } from '../support/link.js'
import { peakMemoryMiB } from '../support/memory.js'
import { spooledMessages } from '../support/spool-file.js'
import { findFaults } from '../support/stored.js'
import { holdsWithin } from '../support/wait.js'

const DEFAULT_SECONDS = 310
const DEVICES = 300
const WINDOW = 200
/** As fast as they are answered. */
const PER_SECOND = 1_000_000
/** Twenty rows a message: what the broker takes with ease is too much for the database. */
const MORE_SENSORS = 19
const QOS_0_DEVICES = 10
const QOS_0_BURST = 50
const QOS_0_EVERY_MS = 20

/**
 * 64 MiB in the queue, 1,000 publishes of each client that are not let go, their batches as JSON, and what Node
 * leaves to be collected; measured idle: some 90 MiB.
 */
const MAX_MEMORY_MIB = 768

/** Full within seconds, so that both answers to too much are seen: waiting for the database, and for the spool. */
const SPOOL_MAX_MB = '32'
const FROZEN_S = 15
const PATIENCE_MS = 600_000

/** More than the database takes, for minutes. */
export const overload: Scenario = {
  name: 'overload',
  about:
    'more than the database takes, for minutes, with the spool full for a while: bounded, and nobody thrown out',
  run: floodIt,
}

async function floodIt({ ground, seconds = DEFAULT_SECONDS, say }: Context): Promise<Result> {
  const mariadb = await ground.mariadb()
  const server = await ground.readyServer({
    DATABASE_URL: databaseUrl(mariadb.port),
    UNKNOWN_DEVICES: 'register',
    SPOOL_MAX_MB,
  })
  const port = server.port('mqtt')
  const fleet = await startFleet({ port, devices: DEVICES, window: WINDOW, moreSensors: MORE_SENSORS })
  ground.defer(fleet.stop)
  const qos0 = await startQos0Flood(port)
  ground.defer(qos0.stop)

  const beganMs = performance.now()
  const before = fleet.acknowledged
  fleet.setRate(PER_SECOND)
  await delay((seconds * 1000) / 3)
  const waitedMs = fleet.takeLongestWaitMs()
  say(`overload: ${fleet.acknowledged - before} acknowledged in a third of the time; now the database hangs`)
  mariadb.freeze()
  const isFull = await fillsSpool(server)
  mariadb.thaw()
  const hungMs = fleet.takeLongestWaitMs()
  await delay(Math.max(0, seconds * 1000 - (performance.now() - beganMs)))
  const perSecond = Math.round(((fleet.acknowledged - before) * 1000) / (performance.now() - beganMs))
  qos0.stop()
  const isAnswered = await fleet.finish(PATIENCE_MS)
  const isEmpty = await holdsWithin(PATIENCE_MS, async () => (await spooledMessages(ground.folder)) === 0)

  const memoryMiB = peakMemoryMiB(server.pid)
  const faults = [...fleet.faults, ...qos0.faults]
  if (memoryMiB > MAX_MEMORY_MIB) faults.push(`${memoryMiB} MiB of memory, over ${MAX_MEMORY_MIB}`)
  if (!isFull) faults.push('the spool was never full')
  if (!isAnswered) faults.push(`${fleet.sent - fleet.acknowledged} readings were never acknowledged`)
  if (!isEmpty) faults.push('the spool was not empty in time')
  faults.push(...(await findFaults(mariadb, fleet)))
  return {
    done:
      `${DEVICES} devices as fast as they were answered for ${seconds} s, ${MORE_SENSORS + 1} sensors a message, ` +
      `${qos0.sent} messages at QoS 0 beside; ${fleet.acknowledged} acknowledged, ${perSecond}/s, the longest wait ` +
      `${inSeconds(waitedMs)} s, ${inSeconds(hungMs)} s with the spool full; memory up to ${memoryMiB} MiB of ` +
      `${MAX_MEMORY_MIB}; ${summaryOf(server)}`,
    faults,
  }
}

/** Whether the spool has become full; a while after that nothing has been let in. */
async function fillsSpool(server: Server): Promise<boolean> {
  const isFull = await holdsWithin(PATIENCE_MS, () =>
    server.log.some(({ msg }) => msg.startsWith('the spool is full')),
  )
  await delay(FROZEN_S * 1000)
  return isFull
}

interface Qos0Flood {
  readonly sent: number
  readonly faults: readonly string[]
  stop(): void
}

/** Devices that report without waiting for an answer. */
async function startQos0Flood(port: number): Promise<Qos0Flood> {
  const faults: string[] = []
  let isStopped = false
  let sent = 0
  const links = await Promise.all(
    Array.from({ length: QOS_0_DEVICES }, (_, index) =>
      openLink({ port, clientId: `flood-${index}`, clean: true, onPacket: () => undefined }),
    ),
  )
  for (const { closed } of links) {
    void closed.then(() => {
      if (!isStopped) faults.push('a device that reports at QoS 0 was disconnected')
    })
  }
  const timer = setInterval(() => {
    for (const [index, link] of links.entries()) {
      const topic = `devices/flood-${index}/data`
      const packet: IPublishPacket = {
        ...{ cmd: 'publish', topic, payload: '{"value":1}', qos: 0, dup: false, retain: false },
      }
      // Who is not read sends no more, as a device whose socket is full.
      if (link.isFull) continue
      link.send(...Array.from({ length: QOS_0_BURST }, () => packet))
      sent += QOS_0_BURST
    }
  }, QOS_0_EVERY_MS)
  return {
    get sent() {
      return sent
    },
    faults,
    stop() {
      isStopped = true
      clearInterval(timer)
      for (const { destroy } of links) destroy()
    },
  }
}

/** What the log says of it all, every five minutes. */
function summaryOf({ log }: Server): string {
  const summary = log.findLast(({ msg }) => msg === 'summary')
  if (summary === undefined) return 'no summary in that time'
  const { received, stored, spooled, dropped, successRate } = summary
  return `the summary: received ${received}, stored ${stored}, spooled ${spooled}, dropped ${dropped}, ${successRate}`
}

function inSeconds(timeMs: number): string {
  return (timeMs / 1000).toFixed(1)
}
