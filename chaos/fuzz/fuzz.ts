import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Server } from '../../test/support/server-process.js'
import type { Context, Result, Scenario } from '../scenario.js'
import { type Heap, INSPECTABLE, type LiveMemory, openHeap } from '../support/heap.js'
import { memoryMiB, openHandles, peakMemoryMiB } from '../support/memory.js'
import { holdsWithin } from '../support/wait.js'
import { type FuzzResult, fuzz } from './fuzzer.js'
import { describeCounts, RULES, stopTarget, TARGET_SETTINGS, WITNESS } from './target.js'
import { startWitness } from './witness.js'

/** A round is a hundred connections with ten thousand packets, of which ten come first, to warm the server up. */
const DEFAULT_ROUNDS = 100
const WARM_UP_ROUNDS = 10
const CONNECTIONS_A_ROUND = 100
const PACKETS_A_ROUND = 10_000
const AT_ONCE = 50

/** Connections have the same numbers however many came before. */
const FIRST_AFTER_WARM_UP = 10_000_001

/** More memory than after the warm-up that is still none that grew: in use, and what was not given back. */
const SPARE_HEAP_MIB = 8
const SPARE_RESIDENT_MIB = 64

/** Sessions that were begun have ended by then. */
const SETTLED_WITHIN_MS = 120_000
const SETTLED_AFTER_WARM_UP_MS = 10_000

/** Packets of every kind, spoiled in every way. */
export const fuzzing: Scenario = {
  name: 'fuzz',
  about:
    'a million packets, many of them spoiled, over ten thousand connections, beside two clients that behave',
  run,
}

async function run({ ground, random, rounds = DEFAULT_ROUNDS, say }: Context): Promise<Result> {
  const seed = random.below(0x7fff_ffff)
  writeFileSync(join(ground.folder, 'config', 'acl.conf'), RULES)
  const server = await ground.readyServer({ ...TARGET_SETTINGS, ...INSPECTABLE })
  const heap = await openHeap(server)
  const isAlive = watch(server)
  const send = createRounds(server, { seed, isAlive, say })
  const witness = await startWitness(server.port('mqtt'), WITNESS)
  ground.defer(witness.stop)
  const idleHandles = openHandles(server.pid)

  const warmUp = await send(1, WARM_UP_ROUNDS)
  if (!isAlive()) return died(server, warmUp)
  await handlesFall(server, idleHandles)
  const before = await lowest(heap)
  const sent = await send(FIRST_AFTER_WARM_UP, rounds)
  if (!isAlive()) return died(server, sent)
  const hasClosed = await handlesFall(server, idleHandles)
  const after = await settle(heap, before)
  const handles = openHandles(server.pid)
  const peakMiB = peakMemoryMiB(server.pid)
  const faults = [...warmUp.faults, ...sent.faults, ...(await witness.finish())]
  if (!hasClosed) faults.push(`${handles} handles are open, ${idleHandles} were before`)
  if (!isBack(after, before)) faults.push(`memory: ${describe(after)}, ${describe(before)} after the warm-up`)
  witness.stop()
  faults.push(...(await stopTarget(server)))
  const done = [
    describeSent(sent),
    `the server counts, with the warm-up, ${describeCounts(server)}`,
    `the witness sent ${witness.sent} messages`,
    `memory ${describe(before)} after the warm-up, ${describe(after)} at the end, ${peakMiB} MiB at the most`,
    `handles ${idleHandles} and ${handles}`,
  ]
  return { done: done.join('; '), faults }
}

/** Sends so many rounds, of connections with numbers from the first on. */
type SendRounds = (firstNumber: number, rounds: number) => Promise<FuzzResult>

function createRounds(
  server: Server,
  { seed, isAlive, say }: { readonly seed: number; readonly isAlive: () => boolean } & Pick<Context, 'say'>,
): SendRounds {
  return (firstNumber, rounds) => {
    let said = 0
    return fuzz({
      ...{ port: server.port('mqtt'), websocketPort: server.port('ws'), seed, firstNumber },
      connections: rounds * CONNECTIONS_A_ROUND,
      packets: rounds * PACKETS_A_ROUND,
      atOnce: AT_ONCE,
      goesOn(packets) {
        if (!isAlive()) return false
        if (packets >= said + 5 * PACKETS_A_ROUND) {
          said = packets
          say(`fuzz: ${packets} packets, ${memoryMiB(server.pid)} MiB`)
        }
        return true
      },
    })
  }
}

function watch(server: Server): () => boolean {
  let isAlive = true
  void server.ended.then(() => {
    isAlive = false
  })
  return () => isAlive
}

async function died(server: Server, sent: FuzzResult): Promise<Result> {
  const text = server.text().split('\n').slice(-20).join('\n')
  return { done: describeSent(sent), faults: [`the server ended with ${await server.ended}: ${text}`] }
}

const handlesFall = (server: Server, idle: number): Promise<boolean> =>
  holdsWithin(SETTLED_WITHIN_MS, () => openHandles(server.pid) <= idle)

/** What is in use when sessions, retries and timers of those who have gone have ended. */
async function lowest(heap: Heap): Promise<LiveMemory> {
  let found = await heap.measure()
  await holdsWithin(SETTLED_AFTER_WARM_UP_MS, async () => {
    const next = await heap.measure()
    const isLower = next.heapMiB < found.heapMiB
    if (isLower) found = next
    return false
  })
  return found
}

/** Measures until memory is back at what it was `before`, or the time is up. */
async function settle(heap: Heap, before: LiveMemory): Promise<LiveMemory> {
  let after = await heap.measure()
  await holdsWithin(SETTLED_WITHIN_MS, async () => {
    after = await heap.measure()
    return isBack(after, before)
  })
  return after
}

const isBack = (after: LiveMemory, before: LiveMemory): boolean =>
  after.heapMiB <= before.heapMiB + SPARE_HEAP_MIB &&
  after.residentMiB <= before.residentMiB + SPARE_RESIDENT_MIB

const describe = ({ heapMiB, residentMiB }: LiveMemory): string => `${heapMiB} MiB in use of ${residentMiB}`

function describeSent({ packets, connections, accepted, ended, taken, acknowledged, delivered }: FuzzResult) {
  return (
    `${packets} packets over ${connections} connections; ${accepted} connections were let in, ${ended} ended by ` +
    `the server; ${taken} packets taken, ${acknowledged} acknowledged, ${delivered} messages delivered`
  )
}
