import { setTimeout as delay } from 'node:timers/promises'
import { startLine } from '../../test/support/line.js'
import type { Context, Result, Scenario } from '../scenario.js'
import { startFleet } from '../support/fleet.js'
import { databaseUrl } from '../support/ground.js'
import { peakMemoryMiB } from '../support/memory.js'
import { spooledMessages } from '../support/spool-file.js'
import { findFaults } from '../support/stored.js'
import { holdsWithin } from '../support/wait.js'
import { rateOf, warmUp } from '../support/warm-up.js'
import type { Upset } from './upset.js'

const DEVICES = 500
const WINDOW = 500

/** What devices go on with, while the rest is stored, is this part of the rate. */
const REST = 4

/** Some minutes of spooled messages are written in less. */
const PATIENCE_MS = 600_000

/** A scenario in which devices report all the time, and the database does what it should not. */
export function databaseScenario(upset: Upset): Scenario {
  const { name, about } = upset
  return { name, about, run: (context) => runUpset(upset, context) }
}

async function runUpset(upset: Upset, { ground, random, seconds: asked, say }: Context): Promise<Result> {
  const seconds = asked ?? upset.seconds
  const mariadb = await ground.mariadb(upset.options)
  const line = await startLine(mariadb.port)
  ground.defer(line.close)
  const server = await ground.readyServer({
    DATABASE_URL: databaseUrl(upset.usesLine === true ? line.port : mariadb.port),
    UNKNOWN_DEVICES: 'register',
  })
  const fleet = await startFleet({ port: server.port('mqtt'), devices: DEVICES, window: WINDOW })
  ground.defer(fleet.stop)
  const perSecond = await warmUp(fleet, say)

  const before = fleet.acknowledged
  const beganMs = performance.now()
  const told = await upset.act({ mariadb, line, random, seconds, defer: ground.defer })
  const tookS = (performance.now() - beganMs) / 1000
  const during = fleet.acknowledged - before
  const longestMs = fleet.takeLongestWaitMs()
  fleet.setRate(perSecond / REST)
  say(`${upset.name}: over; ${during} acknowledged meanwhile; the rest follows`)

  const spooled = await spooledMessages(ground.folder)
  const isEmpty = await holdsWithin(PATIENCE_MS, async () => (await spooledMessages(ground.folder)) === 0)
  const emptyS = (performance.now() - beganMs) / 1000 - tookS
  await delay(2000)
  const isAnswered = await fleet.finish(PATIENCE_MS)
  await holdsWithin(PATIENCE_MS, async () => (await spooledMessages(ground.folder)) === 0)
  const memoryMiB = peakMemoryMiB(server.pid)

  const faults = [...fleet.faults]
  if (!isEmpty) faults.push('the spool was not empty in time')
  if (!isAnswered) faults.push(`${fleet.sent - fleet.acknowledged} readings were never acknowledged`)
  faults.push(...(await findFaults(mariadb, fleet)))
  return {
    done:
      `${told}, ${rateOf(perSecond)} messages/s from ${DEVICES} connections; ${fleet.acknowledged} acknowledged, ` +
      `${Math.round(during / tookS)}/s during ${Math.round(tookS)} s, the longest wait ${(longestMs / 1000).toFixed(1)} s, ` +
      `${spooled} in the spool at the end and stored ${Math.round(emptyS)} s later, memory up to ${memoryMiB} MiB`,
    faults,
  }
}
