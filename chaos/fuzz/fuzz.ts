import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Context, Result, Scenario } from '../scenario.js'
import { memoryMiB, openHandles } from '../support/memory.js'
import { holdsWithin } from '../support/wait.js'
import { fuzz } from './fuzzer.js'
import { startWitness } from './witness.js'

/** A round is a hundred connections with ten thousand packets, of which ten come first, to warm the server up. */
const DEFAULT_ROUNDS = 100
const WARM_UP_ROUNDS = 10
const CONNECTIONS_A_ROUND = 100
const PACKETS_A_ROUND = 10_000

const WITNESS = { username: 'witness', password: 'of what the others do' } as const

/** What whoever has no name may do; everything else is the witness's. */
const RULES = 'topic readwrite fuzz/#\ntopic readwrite devices/#\n'

/** How much more memory than after the warm-up is still none that grew: what Node leaves to be collected. */
const SPARE_MIB = 64

/** Sessions that were begun have ended by then. */
const SETTLED_WITHIN_MS = 120_000

/** Packets of every kind, spoiled in every way. */
export const fuzzing: Scenario = {
  name: 'fuzz',
  about:
    'a million packets, many of them spoiled, over ten thousand connections, beside two clients that behave',
  run,
}

async function run({ ground, random, rounds = DEFAULT_ROUNDS, say }: Context): Promise<Result> {
  writeFileSync(join(ground.folder, 'config', 'acl.conf'), RULES)
  const server = await ground.readyServer({
    ...{ WS_PORT: '0', SESSION_EXPIRY_S: '5', MAX_RETAINED_MESSAGES: '1000' },
    ...{ MQTT_USERNAME: WITNESS.username, MQTT_PASSWORD: WITNESS.password },
  })
  const target = { port: server.port('mqtt'), websocketPort: server.port('ws'), random }
  const send = (from: number, count: number) => {
    let said = 0
    return fuzz({
      ...target,
      connections: count * CONNECTIONS_A_ROUND,
      packets: count * PACKETS_A_ROUND,
      progress(packets) {
        if (packets < said + 10 * PACKETS_A_ROUND) return
        said = packets
        say(`fuzz: ${from + packets} packets, ${memoryMiB(server.pid)} MiB`)
      },
    })
  }
  const witness = await startWitness(server.port('mqtt'), WITNESS)
  ground.defer(witness.stop)
  const idleHandles = openHandles(server.pid)
  const isQuiet = () => holdsWithin(SETTLED_WITHIN_MS, () => openHandles(server.pid) <= idleHandles)

  const warmUp = await send(0, WARM_UP_ROUNDS)
  await isQuiet()
  const before = memoryMiB(server.pid)
  const { packets, connections, cutOff, faults } = await send(warmUp.packets, rounds)
  const isClosed = await isQuiet()
  const hasShrunk = await holdsWithin(SETTLED_WITHIN_MS, () => memoryMiB(server.pid) <= before + SPARE_MIB)
  const all = [...warmUp.faults, ...faults, ...(await witness.finish())]
  const after = memoryMiB(server.pid)
  if (!isClosed) all.push(`${openHandles(server.pid)} handles are open, ${idleHandles} were before`)
  if (!hasShrunk) all.push(`${after} MiB of memory, ${before} after the warm-up`)
  return {
    done:
      `${packets} packets over ${connections} connections, ${cutOff} of them cut off; the witness sent ${witness.sent} ` +
      `messages; memory ${before} MiB after the warm-up, ${after} at the end; handles ${idleHandles} and ${openHandles(server.pid)}`,
    faults: all,
  }
}
