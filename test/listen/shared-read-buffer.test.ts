import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { readIntoSharedBuffer } from '#src/listen/shared-read-buffer.js'

/** Two connections of one server that reads into the shared buffer: both ends of each. */
async function startPairs() {
  const server = createServer((socket) => readIntoSharedBuffer(socket))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const pair = async (): Promise<readonly [theirs: Socket, ours: Socket]> => {
    const theirs = connect(address.port, '127.0.0.1')
    const [ours]: Socket[] = await once(server, 'connection')
    if (ours === undefined) throw new Error('no connection')
    onTestFinished(() => {
      theirs.destroy()
      ours.destroy()
    })
    return [theirs, ours]
  }
  onTestFinished(() => void server.close())
  return [await pair(), await pair()] as const
}

const chunkOf = async (socket: Socket): Promise<Buffer> => {
  const [chunk]: unknown[] = await once(socket, 'data')
  if (!Buffer.isBuffer(chunk)) throw new Error('no chunk')
  return chunk
}

test('what was read stays as it is while other sockets are read', async () => {
  const [[one, first], [other, second]] = await startPairs()
  one.write('from one')
  const kept = await chunkOf(first)
  other.write('from another')
  expect((await chunkOf(second)).toString()).toBe('from another')
  one.write('again')
  expect((await chunkOf(first)).toString()).toBe('again')
  expect(kept.toString()).toBe('from one')
})

test('it is in use on this version of Node: small chunks are cut from the pool', async () => {
  const [[theirs, ours]] = await startPairs()
  theirs.write('small')
  expect((await chunkOf(ours)).buffer.byteLength).toBe(Buffer.poolSize)
})

test('a socket that is not read fast enough stops its peer, and loses nothing', async () => {
  const [[theirs, ours]] = await startPairs()
  const sent = Buffer.alloc(32 * 1024 * 1024, 'some text ')
  theirs.end(sent)
  await vi.waitUntil(() => ours.readableLength >= ours.readableHighWaterMark)
  for (let turns = 0; turns < 100; turns += 1) await nextTurn() // each of which could read
  expect(ours.readableLength).toBeLessThan(sent.length / 8)
  const received: Buffer[] = []
  ours.on('data', (chunk: Buffer) => received.push(chunk))
  await once(ours, 'end')
  expect(Buffer.concat(received).equals(sent)).toBe(true)
})
