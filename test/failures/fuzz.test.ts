import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { fuzz } from '../../chaos/fuzz/fuzzer.js'
import { type Plan, planConnection } from '../../chaos/fuzz/plan.js'
import { RULES, stopTarget, TARGET_SETTINGS, WITNESS } from '../../chaos/fuzz/target.js'
import { startWitness } from '../../chaos/fuzz/witness.js'
import { startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const SEED = 4
const CONNECTIONS = 80
const PACKETS = 8000
const AT_ONCE = 20

/** Everything that is sent, with where it is cut and how long each pause is. */
const writtenBy = ({ parts, ...how }: Plan): string =>
  JSON.stringify([how, parts.map(({ bytes, pauseMs }) => [bytes.toString('hex'), pauseMs])])

test('the same seed gives the same bytes, cut at the same places, and another gives others', () => {
  for (let number = 1; number <= 50; number += 1) {
    const written = writtenBy(planConnection(SEED, number))
    expect(writtenBy(planConnection(SEED, number)) === written).toBe(true)
    expect(writtenBy(planConnection(SEED + 1, number)) === written).toBe(false)
  }
})

/** A few seconds of `npm run chaos -- fuzz`. */
test('spoiled packets, and valid ones in any order, end no server and nobody else', async () => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'config'))
  await writeFile(join(folder, 'config', 'acl.conf'), RULES)
  const server = await startServer(TARGET_SETTINGS, folder)
  let isAlive = true
  void server.ended.then(() => {
    isAlive = false
  })
  const ports = { port: server.port('mqtt'), websocketPort: server.port('ws') }
  const witness = await startWitness(ports.port, WITNESS)
  onTestFinished(witness.stop)

  const limits = { seed: SEED, firstNumber: 1, connections: CONNECTIONS, packets: PACKETS, atOnce: AT_ONCE }
  const { faults, packets, accepted, taken } = await fuzz({ ...ports, ...limits, goesOn: () => isAlive })
  expect(faults).toEqual([])
  expect(await witness.finish()).toEqual([])
  // Most of it gets past the checks of the packets.
  expect(accepted).toBeGreaterThan(CONNECTIONS / 2)
  expect(taken).toBeGreaterThan(packets / 3)
  witness.stop()
  expect(await stopTarget(server)).toEqual([])
}, 180_000)
